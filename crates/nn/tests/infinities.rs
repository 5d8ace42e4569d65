//! Logits of ±∞ in losses: a class whose target is 0 does not count, so 0 · ∞ is 0 there.

use std::f64::consts::LN_2;

use autograd::{GradientOptions, GradientTape, Unconnected, Variable};
use nn::*;
use tensor::{DType, Tensor, tensor};

type Function<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;
type Boxed<'a> = Box<dyn Fn(&Tensor) -> Result<Tensor> + 'a>;

const INFINITY: f64 = f64::INFINITY;

/// Loss, gradient, and the gradient of the gradient's weighted sum.
fn derivatives(loss: Function, logits: &Tensor) -> [Vec<f64>; 3] {
    let x = Variable::new(logits.clone());
    let weights: Tensor = (1..=logits.size()).map(|k| k as f64).collect();
    let weights = weights.reshape(logits.shape()).unwrap().cast(logits.dtype());
    let outer = GradientTape::new();
    let inner = GradientTape::new();
    let losses = loss(&x.value()).unwrap();
    let first = inner.gradient(&losses, &x).unwrap();
    let zeros = GradientOptions::default().unconnected(Unconnected::Zeros);
    let second = outer.gradient_with(first.try_mul(weights).unwrap(), &x, zeros).unwrap();
    [losses, first, second].map(|x| x.cast(DType::F64).to_vec().unwrap())
}

fn assert_close(name: &str, found: &[Vec<f64>; 3], expected: &[Vec<f64>; 3], tolerance: f64) {
    for (order, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{name}, order {order}");
        let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance);
        assert!(close, "{name}, order {order}: {found:?}, not {expected:?}");
    }
}

#[test]
fn one_hot_rows_are_class_numbers() {
    for dtype in [DType::F32, DType::F64] {
        let logits = tensor![[-INFINITY, 0.0, 0.0], [1.0, -INFINITY, 2.0]].cast(dtype);
        let one_hot = tensor![[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].cast(dtype);
        let sparse = derivatives(&|x| sparse_categorical_crossentropy_from_logits(&tensor![1, 2], x), &logits);
        let dense = derivatives(&|x| categorical_crossentropy_from_logits(&one_hot, x), &logits);
        assert_close("categorical_crossentropy", &dense, &sparse, 1e-6);
        assert!((dense[0][0] - LN_2).abs() < 1e-6);
        assert_eq!(dense[1][..3], [0.0, -0.5, 0.5]);
    }
}

/// The values at -∞ are the limits: those far below 0, where float64 cannot represent the difference.
#[test]
fn losses_at_infinity_are_their_limits() {
    let far = |far: f64| tensor![[-far, 0.5, -0.25], [1.0, -far, -far]].cast(DType::F64);
    let targets = tensor![[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]].cast(DType::F64);
    let t = &targets;
    let many = |gamma| move |x: &Tensor| CategoricalFocalCrossentropy::from_logits().gamma(gamma).loss(t, x);
    let binary = |gamma| move |x: &Tensor| BinaryFocalCrossentropy::from_logits().gamma(gamma).alpha(0.25).loss(t, x);
    let of_softmax = |q| move |x: &Tensor| categorical_generalized_cross_entropy(&tensor![1, 0], &x.softmax(-1)?, q);
    let mut losses: Vec<(String, Boxed)> = vec![
        ("categorical_crossentropy".into(), Box::new(|x| categorical_crossentropy_from_logits(t, x))),
        ("of probabilities".into(), Box::new(|x| categorical_crossentropy(t, &x.softmax(-1)?))),
        (
            "sparse of probabilities".into(),
            Box::new(|x| sparse_categorical_crossentropy(&tensor![1, 0], &x.softmax(-1)?)),
        ),
        ("kl_divergence".into(), Box::new(|x| kl_divergence(t, &x.softmax(-1)?))),
        ("binary_crossentropy".into(), Box::new(|x| binary_crossentropy_from_logits(t, x))),
        ("binary of probabilities".into(), Box::new(|x| binary_crossentropy(t, &x.sigmoid()))),
        ("poisson".into(), Box::new(|x| poisson(t, &x.softmax(-1)?))),
        (
            "class weights".into(),
            Box::new(|x| CategoricalCrossentropy::from_logits().class_weights([1.0, 2.0, 3.0]).loss(t, x)),
        ),
    ];
    for gamma in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0] {
        losses.push((format!("categorical_focal_crossentropy, {gamma}"), Box::new(many(gamma))));
        losses.push((format!("binary_focal_crossentropy, {gamma}"), Box::new(binary(gamma))));
    }
    for q in [0.25, 0.5, 0.75] {
        losses.push((format!("categorical_generalized_cross_entropy, {q}"), Box::new(of_softmax(q))));
    }
    for (name, loss) in &losses {
        let [at, limit] = [INFINITY, 100.0].map(|x| derivatives(loss, &far(x)));
        assert_close(name, &at, &limit, 1e-12);
    }
}

/// The loss is `(1 - p^q) / q`. Its derivative with respect to p is infinite at 0, but that with respect to the logits is 0, like `p^q`.
#[test]
fn a_label_with_probability_zero_gets_no_gradient() {
    let logits = |far: f64| tensor![[-far, 0.5, -0.25]].cast(DType::F64);
    for q in [0.25, 0.5, 0.75] {
        let loss = |x: &Tensor| categorical_generalized_cross_entropy(&tensor![0], &x.softmax(-1)?, q);
        let [at, limit] = [INFINITY, 150.0].map(|x| derivatives(&loss, &logits(x)));
        assert_close("categorical_generalized_cross_entropy", &at, &limit, 1e-12);
        assert_eq!(at, [vec![1.0 / q], vec![0.0; 3], vec![0.0; 3]]);
    }
}

#[test]
fn a_certain_and_right_prediction_has_no_binary_loss() {
    let logits = tensor![[-INFINITY, INFINITY]];
    let t = tensor![[0.0, 1.0]];
    for (name, loss) in [
        ("binary_crossentropy", &binary_crossentropy_from_logits as &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>),
        ("binary_focal_crossentropy", &|t, x| BinaryFocalCrossentropy::from_logits().loss(t, x)),
        ("binary_focal_crossentropy, 0.5", &|t, x| BinaryFocalCrossentropy::from_logits().gamma(0.5).loss(t, x)),
    ] {
        let zeros = [vec![0.0], vec![0.0; 2], vec![0.0; 2]];
        assert_close(name, &derivatives(&|x| loss(&t, x), &logits), &zeros, 0.0);
        // For the opposite target the loss is infinite, and NaN is not hidden.
        assert_eq!(loss(&(1.0 - &t), &logits).unwrap().item().unwrap(), INFINITY, "{name}");
        assert!(loss(&t, &tensor![[f64::NAN, 1.0]]).unwrap().item().unwrap().is_nan(), "{name}");
    }
}

#[test]
fn an_excluded_target_class_has_an_infinite_loss() {
    let (logits, t) = (tensor![[-INFINITY, 0.0, 0.0]], tensor![[0.0, 1.0, 0.0]]);
    let smooth = CategoricalCrossentropy::from_logits().label_smoothing(0.1).loss(&t, &logits).unwrap();
    assert_eq!(smooth.item().unwrap(), INFINITY);
    let wrong = categorical_crossentropy_from_logits(&tensor![[1.0, 0.0, 0.0]], &logits).unwrap();
    assert_eq!(wrong.item().unwrap(), INFINITY);
    let nan = categorical_crossentropy_from_logits(&t, &tensor![[f64::NAN, 0.0, 0.0]]).unwrap();
    assert!(nan.item().unwrap().is_nan());
}

#[test]
fn a_score_of_minus_infinity_is_below_any_margin() {
    let (t, scores) = (tensor![[0.0, 1.0, 0.0]], tensor![[-INFINITY, 1.5, 1.0]]);
    // max(1 + 1 - 1.5, 0)
    let expected = [vec![0.5], vec![0.0, -1.0, 1.0], vec![0.0; 3]];
    assert_close("categorical_hinge", &derivatives(&|x| categorical_hinge(&t, x), &scores), &expected, 0.0);
}

#[test]
fn a_weight_of_0_excludes_an_infinite_loss() {
    let (labels, logits) = (tensor![0, 1], tensor![[-INFINITY, 0.0], [0.0, 0.0]]);
    let weights = tensor![0.0, 1.0];
    let loss = SparseCategoricalCrossentropy::from_logits();
    let expected = [vec![LN_2 / 2.0], vec![0.0, 0.0, 0.25, -0.25]];
    let weighted = |x: &Tensor| loss.reduce(&labels, x, Some(&weights), Reduction::SumOverBatchSize);
    let by_class = |x: &Tensor| loss.class_weights([0.0, 1.0]).mean(&labels, x);
    let each = |x: &Tensor| Ok(loss.class_weights([0.0, 1.0]).loss(&labels, x)?.mean());
    for (name, mean) in [("samples", &weighted as Function), ("classes", &by_class), ("each", &each)] {
        let found = derivatives(mean, &logits);
        assert!((found[0][0] - expected[0][0]).abs() < 1e-7 && found[1] == expected[1], "{name}: {found:?}");
        assert!(found[2].iter().all(|x| x.is_finite()), "{name}: {found:?}");
    }
}

/// Targets may be learned: `∂/∂t Σ -t ln p` is `-ln p`, also where t is 0.
#[test]
fn targets_keep_their_gradient() {
    let (t, logits) = (tensor![[0.0, 1.0, 0.0]], tensor![[0.0, 1.0, 2.0]]);
    let tape = GradientTape::new();
    tape.watch(&t);
    let loss = categorical_crossentropy_from_logits(&t, &logits).unwrap();
    let found = tape.gradient(loss, &t).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(found, logits.log_softmax(-1).unwrap().try_neg().unwrap().to_vec::<f32>().unwrap());
    // For `-(t ln σ(x) + (1 - t) ln(1 - σ(x)))` it is -x.
    let tape = GradientTape::new();
    tape.watch(&t);
    let loss = binary_crossentropy_from_logits(&t, &logits).unwrap();
    let found = tape.gradient(loss, &t).unwrap().try_mul(3.0).unwrap();
    assert!(found.allclose(&logits.try_neg().unwrap(), 1e-6, 1e-6).unwrap(), "{found:?}");
}

/// A class that is excluded in some or all frames is in no alignment there.
#[test]
fn ctc_avoids_an_excluded_class() {
    let labels = tensor![[1, 2]];
    let far =
        |far: f64| tensor![[[0.5, 1.0, -far, 0.0], [-far, 0.25, 1.0, -far], [1.0, -far, 0.5, -far]]].cast(DType::F64);
    let [at, limit] = [INFINITY, 600.0].map(|x| derivatives(&|x| ctc(&labels, x), &far(x)));
    assert_close("ctc", &at, &limit, 1e-12);
    // Without any alignment the loss is infinite.
    let none = tensor![[[0.0, -INFINITY, 0.0], [0.0, -INFINITY, 0.0]]];
    assert_eq!(ctc(&tensor![[1]], &none).unwrap().item().unwrap(), INFINITY);
}
