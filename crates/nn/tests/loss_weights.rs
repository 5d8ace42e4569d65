//! Weights of samples and classes, and reductions; digits of Keras are in `loss_values.rs`.

use autograd::GradientTape;
use nn::*;
use tensor::{DType, Tensor, tensor};

fn message(result: Result<Tensor>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

/// Losses 1, 4, 9, 16 of shape `[2, 2]`.
fn samples() -> (Tensor, Tensor) {
    (Tensor::zeros([2, 2, 1]), tensor![[[1.0], [2.0]], [[3.0], [4.0]]])
}

#[test]
fn weights_have_the_shape_of_the_losses_or_of_its_leading_axes() {
    let (targets, predictions) = samples();
    let of = |weights: &Tensor| {
        let losses = MeanSquaredError.reduce(&targets, &predictions, Some(weights), Reduction::None)?;
        losses.flatten().to_vec::<f32>()
    };
    assert_eq!(of(&tensor![[1.0, 2.0], [3.0, 0.0]]).unwrap(), [1.0, 8.0, 27.0, 0.0]);
    assert_eq!(of(&tensor![[[1.0], [2.0]], [[3.0], [0.0]]]).unwrap(), [1.0, 8.0, 27.0, 0.0]);
    for each in [tensor![1.0, 2.0], tensor![[1.0], [2.0]]] {
        assert_eq!(of(&each).unwrap(), [1.0, 4.0, 18.0, 32.0]);
    }
    assert_eq!(of(&Tensor::scalar(2.0)).unwrap(), [2.0, 8.0, 18.0, 32.0]);
    assert_eq!(of(&tensor![true, false]).unwrap(), [1.0, 4.0, 0.0, 0.0]);
    let wrong = |weights: &Tensor| of(weights).unwrap_err().to_string();
    assert_eq!(
        wrong(&tensor![1.0, 2.0, 3.0]),
        "mean_squared_error: weights: shape [3]: must be that of the losses, [2, 2], or of its leading axes"
    );
    // A row of weights would be for the second axis without the first.
    assert!(wrong(&tensor![[1.0, 2.0]]).contains("shape [1, 2]: must be that"));
    assert!(wrong(&tensor![1.0, 2.0].cast(DType::F64)).contains("weights and losses: float64 and float32 differ"));
}

#[test]
fn a_weighted_mean_divides_by_the_weights_of_all_losses() {
    let (targets, predictions) = samples();
    let mean = |weights: &Tensor| {
        let mean = MeanSquaredError.reduce(&targets, &predictions, Some(weights), Reduction::MeanWithSampleWeight);
        mean.unwrap().item().unwrap()
    };
    assert_eq!(mean(&tensor![3.0, 1.0]), (3.0 * 5.0 + 25.0) / 8.0);
    assert_eq!(mean(&Tensor::scalar(0.25)), 7.5);
    assert_eq!(mean(&tensor![0.0, 0.0]), 0.0);
    let without = MeanSquaredError.reduce(&targets, &predictions, None, Reduction::MeanWithSampleWeight).unwrap();
    assert_eq!(without.item().unwrap(), 7.5);
}

#[test]
fn gradients_reach_weights_too() {
    let (targets, predictions) = samples();
    let weights = tensor![3.0, 1.0];
    let tape = GradientTape::new();
    tape.watch(&weights);
    let sum = MeanSquaredError.reduce(&targets, &predictions, Some(&weights), Reduction::Sum).unwrap();
    assert_eq!(tape.gradient(sum, &weights).unwrap().to_vec::<f32>().unwrap(), [5.0, 25.0]);
}

#[test]
fn classes_by_number_and_by_row() {
    let logits = tensor![[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]];
    let weights = [1.0, 2.0, 4.0];
    let sparse = SparseCategoricalCrossentropy::from_logits();
    let plain = sparse.loss(&tensor![2, 1], &logits).unwrap().to_vec::<f32>().unwrap();
    let expected = [4.0 * plain[0], 2.0 * plain[1]];
    let weighted = sparse.class_weights(weights);
    for labels in [tensor![2, 1], tensor![[2], [1]]] {
        assert_eq!(weighted.loss(&labels, &logits).unwrap().to_vec::<f32>().unwrap(), expected);
    }
    assert_eq!(
        weighted.mean(&tensor![2, 1], &logits).unwrap().item().unwrap() as f32,
        (expected[0] + expected[1]) / 2.0
    );
    assert_eq!(weighted.name(), "sparse_categorical_crossentropy");
    let rows = CategoricalCrossentropy::from_logits().class_weights(weights);
    let losses = rows.loss(&tensor![2, 1].one_hot(3).unwrap(), &logits).unwrap().to_vec::<f32>().unwrap();
    assert!((losses[0] - expected[0]).abs() < 1e-6 && (losses[1] - expected[1]).abs() < 1e-6);
    // One probability per sample: the target is the class.
    let binary = BinaryCrossentropy::default().class_weights([1.0, 3.0]);
    let (t, p) = (tensor![[1.0], [0.0]], tensor![[0.5], [0.5]]);
    let losses = binary.loss(&t, &p).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(losses[0], 3.0 * losses[1]);
}

#[test]
fn classes_without_a_weight_are_errors() {
    let logits = tensor![[1.0, 0.0, 2.0]];
    let weighted = SparseCategoricalCrossentropy::from_logits().class_weights([1.0, 2.0]);
    assert_eq!(
        message(weighted.mean(&tensor![2], &logits)),
        "sparse_categorical_crossentropy: class_weights: class 2 of sample 0 has no weight; there are 2 weights, starting with class 0"
    );
    let rows = CategoricalCrossentropy::from_logits().class_weights([1.0, 2.0]);
    assert_eq!(
        message(rows.loss(&tensor![[0.0, 1.0, 0.0]], &logits)),
        "categorical_crossentropy: class_weights: targets of 3 classes need as many weights, not 2"
    );
    let not_finite = SparseCategoricalCrossentropy::from_logits().class_weights([1.0, f64::NAN, 1.0]);
    assert_eq!(
        message(not_finite.mean(&tensor![0], &logits)),
        "sparse_categorical_crossentropy: class_weights: the weight of class 1 is NaN; it must be finite"
    );
    // An ignored label needs no weight.
    let weighted = SparseCategoricalCrossentropy::from_logits().ignore_class(-1).class_weights([1.0, 2.0]);
    assert_eq!(weighted.mean(&tensor![-1], &logits).unwrap().item().unwrap(), 0.0);
}

#[test]
fn ignored_samples_get_no_gradient() {
    let logits = tensor![[1.0, 3.0], [f32::NAN, f32::INFINITY], [0.0, 0.0]];
    let labels = Tensor::from([1u8, 255, 0]);
    for loss in [SparseCategoricalCrossentropy::from_logits(), SparseCategoricalCrossentropy::default()] {
        let tape = GradientTape::new();
        tape.watch(&logits);
        let mean = loss.ignore_class(255).mean(&labels, &logits).unwrap();
        let kept = loss.mean(&tensor![1, 0], &tensor![[1.0, 3.0], [0.0, 0.0]]).unwrap();
        assert!((mean.item().unwrap() - kept.item().unwrap()).abs() < 1e-6);
        let gradient = tape.gradient(mean, &logits).unwrap();
        assert!(gradient.all_finite());
        assert_eq!(gradient.at(1, 0).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.0]);
    }
    assert!(
        message(SparseCategoricalCrossentropy::default().ignore_class(0).loss(&tensor![0.0, 1.0, 0.0], &logits))
            .ends_with("labels: float32 is not int64 or uint8, as indices must be")
    );
}

/// A closure is a loss with all methods of losses.
#[test]
fn closures_have_weights_and_reductions() {
    let (targets, predictions) = samples();
    let loss = |t: &Tensor, p: &Tensor| mean_absolute_error(t, p);
    let sum = loss.reduce(&targets, &predictions, Some(&tensor![1.0, 10.0]), Reduction::Sum).unwrap();
    assert_eq!(sum.item().unwrap(), 73.0);
    assert_eq!(Reduction::default(), Reduction::SumOverBatchSize);
}

/// The gradient of a loss for predictions, and the loss.
fn weighted(loss: &dyn Loss, targets: &Tensor, predictions: &Tensor, weights: &Tensor) -> (f64, Vec<f32>) {
    let tape = GradientTape::new();
    tape.watch(predictions);
    let value = loss.reduce(targets, predictions, Some(weights), Reduction::SumOverBatchSize).unwrap();
    (value.item().unwrap(), tape.gradient(&value, predictions).unwrap().to_vec().unwrap())
}

#[test]
fn samples_of_weight_zero_may_be_nan_or_infinite() {
    let nan = f64::NAN;
    let weights = tensor![1.0, 0.0];
    for garbage in [nan, f64::INFINITY, f64::NEG_INFINITY] {
        // A missing target, and a missing prediction.
        for (target, prediction) in [(garbage, 1.0), (1.0, garbage), (garbage, garbage)] {
            let (targets, predictions) = (tensor![[1.0], [target]], tensor![[3.0], [prediction]]);
            let found = weighted(&MeanSquaredError, &targets, &predictions, &weights);
            assert_eq!(found, (2.0, vec![2.0, 0.0]), "{target} {prediction}");
            assert!(weighted(&MeanSquaredError, &targets, &predictions, &tensor![1.0, 0.5]).0 != 2.0);
        }
        let loss = SparseCategoricalCrossentropy::from_logits();
        let logits = tensor![[0.0, 0.0], [garbage, 1.0]];
        let (value, gradient) = weighted(&loss, &tensor![0, 1], &logits, &weights);
        assert!((value - 0.5 * 2f64.ln()).abs() < 1e-7, "{value}");
        assert_eq!(gradient, [-0.25, 0.25, 0.0, 0.0]);
        // The same for a class without weight, and for the losses without a reduction.
        let by_class = loss.class_weights([1.0, 0.0]);
        let (value, gradient) = weighted(&by_class, &tensor![0, 1], &logits, &tensor![1.0, 1.0]);
        assert!((value - 0.5 * 2f64.ln()).abs() < 1e-7, "{value}");
        assert_eq!(gradient, [-0.25, 0.25, 0.0, 0.0]);
        assert_eq!(by_class.loss(&tensor![0, 1], &logits).unwrap().to_vec::<f32>().unwrap()[1], 0.0);
    }
    // Steps of a sequence, excluded like by a mask.
    let steps = (tensor![[[1.0], [nan]], [[nan], [2.0]]], tensor![[[2.0], [nan]], [[0.0], [4.0]]]);
    let found = weighted(&MeanSquaredError, &steps.0, &steps.1, &tensor![[1.0, 0.0], [0.0, 1.0]]);
    assert_eq!(found, (1.25, vec![0.5, 0.0, 0.0, 1.0]));
    // A loss that is infinite for the sample without weight.
    let root = |_: &Tensor, x: &Tensor| x.pow(-0.5)?.squeeze(-1);
    let found = weighted(&root, &tensor![[0.0], [0.0]], &tensor![[4.0], [0.0]], &weights);
    assert_eq!(found, (0.25, vec![-0.03125, 0.0]));
}

#[test]
fn finite_losses_are_unchanged() {
    // Every sample is compared with all others, including the one without weight.
    let embeddings = tensor![[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]];
    let (labels, weights) = (tensor![0, 0, 1, 1], tensor![1.0, 1.0, 0.0, 1.0]);
    let losses = Circle::default().loss(&labels, &embeddings).unwrap();
    let expected = losses.try_mul(&weights).unwrap().sum().item().unwrap();
    let found = Circle::default().reduce(&labels, &embeddings, Some(&weights), Reduction::Sum).unwrap();
    assert_eq!(found.item().unwrap(), expected);
}

#[test]
fn samples_of_weight_zero_that_others_depend_on_have_a_gradient() {
    // (p₁ - mean)² = ((p₁ - p₂) / 2)²
    let spread = |_: &Tensor, p: &Tensor| p.try_sub(p.mean())?.square().squeeze(-1);
    let found = weighted(&spread, &tensor![[0.0], [0.0]], &tensor![[1.0], [3.0]], &tensor![1.0, 0.0]);
    assert_eq!(found, (0.5, vec![-0.5, 0.5]));
}

#[test]
fn samples_of_weight_zero_may_have_infinite_derivatives() {
    /// The derivative of 1 + √|error| is 1 / (2 √|error|): 1/4 at an error of 4, infinite at 0, where the loss is 1.
    #[derive(Clone)]
    struct Root;
    impl Loss for Root {
        fn loss(&self, targets: &Tensor, predictions: &Tensor) -> tensor::Result<Tensor> {
            predictions.try_sub(targets)?.abs().sqrt().squeeze(-1)?.try_add(1.0)
        }

        fn has_finite_derivatives(&self) -> bool {
            false
        }
    }
    let root = Root;
    let (targets, predictions) = (tensor![[0.0], [1.0]], tensor![[4.0], [1.0]]);
    let expected = (1.5, vec![0.125, 0.0]);
    assert_eq!(weighted(&root, &targets, &predictions, &tensor![1.0, 0.0]), expected);
    let by_class = root.clone().class_weights([1.0, 0.0]);
    assert_eq!(weighted(&by_class, &targets, &predictions, &tensor![1.0, 1.0]), expected);
    // A sample with a weight keeps its derivative.
    assert!(!weighted(&root, &targets, &predictions, &tensor![1.0, 1.0]).1[1].is_finite());
    // The gradients of the weights are the losses, also of the sample without weight.
    let weights = tensor![1.0, 0.0];
    let tape = GradientTape::new();
    tape.watch(&weights);
    let sum = root.reduce(&targets, &predictions, Some(&weights), Reduction::Sum).unwrap();
    assert_eq!(tape.gradient(sum, &weights).unwrap().to_vec::<f32>().unwrap(), [3.0, 1.0]);
}
