//! Fitting, evaluating and predicting with small models whose numbers can be computed by hand.

use std::cell::RefCell;

use autograd::Variable;
use data::{ArrayDataset, Batch, DataSource, Dataset, Sequences, Split, Stream};
use nn::{
    Activation, BinaryCrossentropy, BinaryFocalCrossentropy, Dense, GlobalAveragePool1d, Hinge, Initializer, Layer,
    Loss, MeanSquaredError, Mode, Sequential, SparseCategoricalCrossentropy, Visitor, mean_absolute_error,
};
use optim::{Adam, Sgd};
use tensor::{DType, Tensor, tensor};
use train::metrics::{BinaryAccuracy, CohenKappa, FBeta, MatthewsCorrelation, Perplexity, Precision, Recall};
use train::{Accuracy, Fit, Mean, Metric, Trainer, Verbose};

/// `w x`, with one weight.
struct Scale(Variable);

impl Scale {
    fn new(w: f64) -> Scale {
        Scale(Variable::new(Tensor::scalar(w)).with_name("w"))
    }

    fn w(&self) -> f64 {
        self.0.value().item().unwrap()
    }
}

impl Layer for Scale {
    fn forward(&self, input: &Tensor, _mode: Mode) -> tensor::Result<Tensor> {
        input.try_mul(&self.0)
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.weight("w", &self.0);
    }
}

fn lines(xs: &[f32], slope: f32) -> ArrayDataset {
    let column = |values: Vec<f32>| Tensor::from_vec(values, [xs.len(), 1]).unwrap();
    let ys = xs.iter().map(|x| slope * x).collect();
    ArrayDataset::from_tensors(&column(xs.to_vec()), &column(ys)).unwrap()
}

fn quiet<'a>(epochs: usize, batch_size: usize) -> Fit<'a> {
    Fit::epochs(epochs).batch_size(batch_size).verbose(Verbose::Silent)
}

#[test]
fn an_epoch_is_worked_out_by_hand() {
    // Targets are 0, so the loss of a batch is w² mean(x²) and its gradient 2 w mean(x²).
    let (samples, model) = (lines(&[1.0, 1.0, 2.0], 0.0), Scale::new(1.0));
    let seen = RefCell::new(Vec::new());
    let mut trainer =
        Trainer::new(&model, MeanSquaredError, Sgd::new(0.125)).metric(Mean::of("mae", mean_absolute_error));
    let options = quiet(2, 2).validation(&samples).on_batch(|end| {
        assert_eq!(end.batches, Some(2));
        seen.borrow_mut().push((end.epoch, end.batch, end.loss));
    });
    let history = trainer.fit(&samples, options).unwrap();
    // w: 1 → 1 - 1/8 · 2 = 3/4 → 3/4 - 1/8 · 6 = 0.
    assert_eq!(*seen.borrow(), [(0, 0, 1.0), (0, 1, 2.25), (1, 0, 0.0), (1, 1, 0.0)]);
    assert_eq!(model.w(), 0.0);
    // Batches count by their sizes, 2 and 1.
    assert_eq!(history.get("loss").unwrap(), [(2.0 * 1.0 + 2.25) / 3.0, 0.0]);
    assert_eq!(history.get("mae").unwrap(), [(2.0 * 1.0 + 1.5) / 3.0, 0.0]);
    assert_eq!(history.get("val_loss").unwrap(), [0.0, 0.0]);
    assert_eq!(history.names().collect::<Vec<_>>(), ["loss", "mae", "val_loss", "val_mae"]);
}

#[test]
fn evaluating_and_predicting_go_over_all_batches() {
    let xs: Vec<f32> = (0..300).map(|k| k as f32 / 256.0).collect();
    let (samples, model) = (lines(&xs, 3.0), Scale::new(1.0));
    let mut trainer =
        Trainer::new(&model, MeanSquaredError, Sgd::default()).metric(Mean::of("mae", mean_absolute_error));
    let score = trainer.evaluate(&samples).unwrap();
    let square = xs.iter().map(|&x| 4.0 * f64::from(x * x)).sum::<f64>() / 300.0;
    assert!((score.loss - square).abs() < 1e-6, "{score}");
    assert!((score.get("mae").unwrap() - 2.0 * 299.0 / 512.0).abs() < 1e-6, "{score}");
    let predictions = trainer.predict(samples.features()).unwrap();
    assert_eq!((predictions.shape(), predictions.to_vec::<f32>().unwrap()), (&[300, 1].into(), xs));
    assert_eq!(trainer.predict(&Tensor::zeros([0, 1])).unwrap().shape(), &[0, 1]);
    assert_eq!(model.w(), 1.0);
}

#[test]
fn predictions_of_padded_samples_heed_their_mask() {
    let sequences = vec![tensor![[1.0], [2.0]], tensor![[3.0]], tensor![[4.0], [5.0], [9.0]]];
    let samples = Sequences::new(sequences, &Tensor::zeros([3])).unwrap();
    let model = Sequential::new().add(GlobalAveragePool1d);
    let trainer = Trainer::new(&model, MeanSquaredError, Sgd::default());
    let predictions = trainer.predict_samples(&samples).unwrap();
    assert_eq!(predictions.to_vec::<f32>().unwrap(), [1.5, 3.0, 6.0]);

    let steps = Sequential::new().add(Activation::Relu);
    let trainer = Trainer::new(&steps, MeanSquaredError, Sgd::default()).batch_size(2);
    let message = "concat: [2, 2, 1] and [1, 3, 1] differ on another axis than 0";
    assert_eq!(trainer.predict_samples(&samples).unwrap_err().to_string(), message);
    let message = "predict_samples: there are no samples";
    assert_eq!(trainer.predict_samples(&lines(&[], 0.0)).unwrap_err().to_string(), message);
}

#[test]
fn padded_steps_may_be_nan() {
    let nan = f64::NAN;
    let padded = |x: [[f64; 2]; 2]| tensor![[[x[0][0]], [x[0][1]]], [[x[1][0]], [x[1][1]]]];
    let batch = Batch::new(&padded([[1.0, nan], [2.0, 3.0]]), &padded([[0.0, nan], [0.0, 0.0]])).unwrap();
    let batch = Batch { mask: Some(tensor![[true, false], [true, true]]), ..batch };
    let model = Scale::new(1.0);
    let mut trainer =
        Trainer::new(&model, MeanSquaredError, Sgd::new(0.0625)).metric(Mean::of("mae", mean_absolute_error));
    let score = trainer.evaluate(&ArrayDataset::from_batch(batch.clone()).unwrap()).unwrap();
    assert!((score.loss - 14.0 / 3.0).abs() < 1e-6, "{score}");
    assert_eq!(score.get("mae"), Some(2.0));
    // The gradient is 2 w (1 + 4 + 9) / 3.
    trainer.train_on_batch(&batch).unwrap();
    assert!((model.w() - (1.0 - 0.0625 * 28.0 / 3.0)).abs() < 1e-6, "{}", model.w());
}

#[test]
fn a_classifier_learns_and_reports_its_accuracy() {
    let features = tensor![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let samples = ArrayDataset::from_tensors(&features, &tensor![0, 1, 1, 0]).unwrap();
    let run = || {
        tensor::random::seed(1);
        let model = Sequential::new()
            .add(Dense::new(2, 16).activation(Activation::Tanh))
            .add(Dense::new(16, 2).activation(Activation::Softmax));
        let mut trainer =
            Trainer::new(&model, SparseCategoricalCrossentropy::default(), Adam::new(0.05)).metric(Accuracy::default());
        let history = trainer.fit(&samples.clone().shuffle(5), quiet(100, 3)).unwrap();
        (history, trainer.evaluate(&samples).unwrap())
    };
    let (history, score) = run();
    assert!(score.loss < 0.05 && score.get("accuracy") == Some(1.0), "{score}");
    assert!(history.get("loss").unwrap()[0] > 10.0 * score.loss);
    // The same seeds give the same bits.
    assert_eq!(run(), (history, score));
}

#[test]
fn a_nan_loss_stops_the_training() {
    let (samples, model) = (lines(&[1.0, 1.0], 0.0), Scale::new(1.0));
    let error = Trainer::new(&model, MeanSquaredError, Sgd::new(1e15)).fit(&samples, quiet(9, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the loss became inf in epoch 1, batch 0, with the learning rate 1000000000000000.0; the predictions are finite"
    );
    assert!(model.w().is_finite());
}

#[test]
fn invalid_trainings_are_refused() {
    let (samples, model) = (lines(&[1.0, 2.0], 0.0), Scale::new(1.0));
    let refused = |rate: f64, fit| {
        Trainer::new(&model, MeanSquaredError, Sgd::new(rate)).fit(&samples, fit).unwrap_err().to_string()
    };
    assert_eq!(refused(0.1, quiet(1, 0)), "the batch size is 0; it must be at least 1");
    assert_eq!(refused(f64::NAN, quiet(1, 1)), "sgd: learning_rate is NaN; it must be a finite number of at least 0");
    let none = lines(&[], 0.0);
    let mut trainer = Trainer::new(&model, MeanSquaredError, Sgd::new(0.1));
    let message = "fit: the data has no samples; at least one is required";
    assert_eq!(trainer.fit(&none, quiet(1, 1)).unwrap_err().to_string(), message);
    let message = "evaluate: the data has no samples; at least one is required";
    assert_eq!(trainer.evaluate(&none).unwrap_err().to_string(), message);
    model.set_trainable(false);
    assert_eq!(refused(0.1, quiet(1, 1)), "fit: the model has no trainable weights; there is nothing to fit");

    let mut twice =
        Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).metric(Accuracy::default()).metric(Accuracy::default());
    let message = "two metrics are named accuracy; names must be unique";
    assert_eq!(twice.fit(&samples, quiet(1, 1)).unwrap_err().to_string(), message);
    assert_eq!(twice.evaluate(&samples).unwrap_err().to_string(), message);
    assert_eq!(
        twice.predict(&Tensor::scalar(1.0)).unwrap_err().to_string(),
        "predict: the features are a scalar; their first axis must be that of the samples"
    );
    let no_batches = Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).batch_size(0);
    let message = "predict: the batch size is 0; it must be at least 1";
    assert_eq!(no_batches.predict(samples.features()).unwrap_err().to_string(), message);
    assert_eq!(no_batches.predict_samples(&samples).unwrap_err().to_string(), message.trim_start_matches("predict: "));
}

#[test]
fn an_empty_validation_is_refused_before_anything_is_trained() {
    let (samples, model) = (lines(&[1.0, 2.0], 0.0), Scale::new(1.0));
    let refused = |validation: &dyn DataSource| {
        let fit = quiet(1, 1).validation(validation).on_batch(|_| panic!("a step"));
        Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).fit(&samples, fit).unwrap_err().to_string()
    };
    let message = "fit: the validation data has no samples; at least one is required";
    assert_eq!(refused(&lines(&[], 0.0)), message);
    let (_, none) = samples.clone().split(Split::count(2)).unwrap();
    assert_eq!(refused(&none), message);
    // A stream does not know how many samples it has.
    let stream = |count: i64| Stream::of_samples(move |_| Ok((0..count).map(|_| Ok((tensor![1.0], tensor![1.0])))));
    assert_eq!(refused(&stream(0)), message);
    assert_eq!(refused(&stream(0).prefetch(1)), message);
    let fit = quiet(1, 1).validation(&samples);
    Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).fit(&samples, fit).unwrap();
    let some = stream(3);
    Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).fit(&samples, quiet(1, 1).validation(&some)).unwrap();
}

#[test]
fn nan_sample_weights_are_named() {
    let model = Scale::new(1.0);
    let weighted = |weights: Tensor| {
        lines(&[1.0, 2.0], 0.0).map(move |batch| Ok(Batch { weights: Some(weights.clone()), ..batch }))
    };
    for (weight, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let samples = weighted(tensor![1.0, weight]);
        let error = Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).fit(&samples, quiet(1, 2)).unwrap_err();
        let message = error.to_string();
        assert!(message.ends_with(&format!("0.1; the weight of sample 1 of the batch is {name}")), "{message}");
    }
    let loss = SparseCategoricalCrossentropy::from_logits().class_weights([1.0, f64::NAN]);
    let samples = ArrayDataset::from_tensors(&tensor![[1.0, 2.0]], &tensor![0]).unwrap();
    let message = Trainer::new(&model, loss, Sgd::new(0.1)).fit(&samples, quiet(1, 2)).unwrap_err().to_string();
    let expected = "sparse_categorical_crossentropy: class_weights: the weight of class 1 is NaN; it must be finite";
    assert_eq!(message, expected);
}

#[test]
fn metrics_cut_where_the_loss_does() {
    // Logits of the probabilities 0.88, 0.57, 0.38 and 0.27: two are above 0.5, but one logit alone is.
    let (x, y) = (tensor![[2.0], [0.3], [-0.5], [-1.0]], tensor![[1], [1], [0], [0]]);
    let samples = ArrayDataset::from_tensors(&x, &y).unwrap();
    let model = Scale::new(1.0);
    fn with_metrics<'m>(model: &'m Scale, loss: impl Loss + 'static) -> Trainer<'m> {
        Trainer::new(model, loss, Sgd::new(0.1))
            .metric(Accuracy::default())
            .metric(BinaryAccuracy::default())
            .metric(Precision::default())
            .metric(Recall::default())
            .metric(FBeta::f1())
            .metric(MatthewsCorrelation::default().named("matthews"))
            .metric(CohenKappa::default())
    }
    let values = |loss: Box<dyn Loss>| {
        struct Boxed(Box<dyn Loss>);
        impl Loss for Boxed {
            fn loss(&self, targets: &Tensor, predictions: &Tensor) -> tensor::Result<Tensor> {
                self.0.loss(targets, predictions)
            }
            fn takes_logits(&self) -> bool {
                self.0.takes_logits()
            }
        }
        let score = with_metrics(&model, Boxed(loss)).evaluate(&samples).unwrap();
        score.metrics.into_iter().map(|(_, value)| value).collect::<Vec<f64>>()
    };
    for loss in [
        Box::new(BinaryCrossentropy::from_logits()) as Box<dyn Loss>,
        Box::new(BinaryFocalCrossentropy::from_logits()),
        Box::new(BinaryCrossentropy::from_logits().class_weights([1.0, 2.0])),
        Box::new(Hinge),
    ] {
        assert_eq!(values(loss), [1.0; 7]);
    }
    // Above 0.5 is one of the two positives.
    let [accuracy, binary, precision, recall, ..] = values(Box::new(MeanSquaredError))[..] else { panic!("too few") };
    assert_eq!([accuracy, binary, precision, recall], [0.75, 0.75, 1.0, 0.5]);

    // A threshold that was set stays, and token probabilities are not computed from logits.
    let stated = BinaryAccuracy::default().threshold(0.25);
    let mut trainer = Trainer::new(&model, BinaryCrossentropy::from_logits(), Sgd::new(0.1)).metric(stated);
    assert_eq!(trainer.evaluate(&samples).unwrap().get("binary_accuracy"), Some(1.0));
    let tokens = ArrayDataset::from_tensors(&tensor![[0.0, 3f32.ln()]], &tensor![0]).unwrap();
    let loss = SparseCategoricalCrossentropy::from_logits();
    let mut trainer = Trainer::new(&model, loss, Sgd::new(0.1)).metric(Perplexity::default());
    assert!((trainer.evaluate(&tokens).unwrap().get("perplexity").unwrap() - 4.0).abs() < 1e-6);
}

#[test]
fn threads_predict_with_one_trainer() {
    let model = Sequential::new().add(Dense::new(1, 3));
    let trainer = Trainer::new(&model, MeanSquaredError, Adam::new(0.1)).metric(Accuracy::default());
    let features = tensor![[1.0], [2.0]];
    let expected = trainer.predict(&features).unwrap().to_vec::<f32>().unwrap();
    std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| trainer.predict(&features).unwrap().to_vec::<f32>().unwrap()));
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

/// The loss √(w x) is 0 at x = 0, and its gradient x / 2√(w x) is 0/0.
#[test]
fn a_nan_gradient_is_not_applied() {
    let loss = |_: &Tensor, predictions: &Tensor| Ok(predictions.sqrt());
    let (samples, model) = (lines(&[4.0, 0.0, 4.0], 0.0), Scale::new(1.0));
    let mut trainer = Trainer::new(&model, loss, Adam::new(0.25));
    let seen = RefCell::new(Vec::new());
    let options = quiet(1, 1).on_batch(|end| seen.borrow_mut().push(end.loss));
    let message = trainer.fit(&samples, options).unwrap_err().to_string();
    let expected =
        "epoch 0, batch 1: adam: w: apply: the gradient has infinite or NaN elements; no variable was changed";
    assert!(message.starts_with(expected), "{message}");
    // The first step of Adam equals the learning rate up to its epsilon. The second batch made no step.
    assert_eq!(*seen.borrow(), [2.0]);
    let w = model.w();
    assert!((w - 0.75).abs() < 1e-5, "{w}");
    let batch = samples.range(0, 1..2).unwrap();
    let message = trainer.train_on_batch(&batch).unwrap_err().to_string();
    assert!(message.starts_with("adam: w: apply: the gradient has infinite"), "{message}");
    assert_eq!(model.w(), w);
    // The optimizer is unchanged, too.
    assert!(trainer.train_on_batch(&samples.range(0, 0..1).unwrap()).unwrap().is_finite());
    assert!(model.w() < 0.7);

    // With accumulated gradients, the error names the batch that has it.
    let model = Scale::new(1.0);
    let mut trainer = Trainer::new(&model, loss, Adam::new(0.25));
    let message = trainer.fit(&lines(&[4.0, 4.0, 0.0, 4.0], 0.0), quiet(1, 1).accumulate(2)).unwrap_err().to_string();
    assert!(message.starts_with("epoch 0, batch 2: w: accumulate: the gradient has infinite"), "{message}");
}

#[test]
fn weights_and_masks_suit_a_model_of_float64() {
    let fitted = |dtype: DType| {
        let model = Sequential::new()
            .add(Dense::new(2, 3).kernel_initializer(Initializer::Ones))
            .add(Dense::new(3, 1).kernel_initializer(Initializer::Ones));
        model.cast(dtype).unwrap();
        let x = Tensor::linspace(0.0, 1.0, 12).reshape([2, 3, 2]).unwrap().cast(dtype);
        let y = Tensor::linspace(0.0, 1.0, 6).reshape([2, 3, 1]).unwrap().cast(dtype);
        let mask = Tensor::from([[true, true, false], [true, false, false]]);
        let batch = Batch { mask: Some(mask), weights: Some(tensor![1.0, 2.0]), ..Batch::new(&x, &y).unwrap() };
        Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).train_on_batch(&batch).unwrap()
    };
    let (narrow, wide) = (fitted(DType::F32), fitted(DType::F64));
    assert!((narrow - wide).abs() < 1e-5, "{narrow} {wide}");
}

#[test]
fn errors_name_the_layer() {
    let model = Sequential::new().add(Dense::new(3, 2).kernel_initializer(Initializer::Ones));
    let mut trainer = Trainer::new(&model, MeanSquaredError, Sgd::new(0.1));
    let message = trainer.fit(&lines(&[1.0], 0.0), quiet(1, 1)).unwrap_err().to_string();
    assert_eq!(message, "dense (Dense 3→2): matmul: [1, 1] × [3, 2]: the inner sizes 1 and 3 differ");
}

#[test]
fn the_learning_rate_can_be_changed_between_fits() {
    let (samples, model) = (lines(&[1.0], 0.0), Scale::new(1.0));
    let mut trainer = Trainer::new(&model, MeanSquaredError, Sgd::new(0.0));
    trainer.fit(&samples, quiet(1, 1)).unwrap();
    assert_eq!(model.w(), 1.0);
    trainer.optimizer_mut().set_learning_rate(0.25).unwrap();
    trainer.fit(&samples, quiet(1, 1)).unwrap();
    assert_eq!((model.w(), trainer.optimizer().learning_rate()), (0.5, 0.25));
}
