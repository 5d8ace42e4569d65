//! Callbacks on a model whose numbers can be computed by hand.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use autograd::Variable;
use data::{ArrayDataset, Batch, Dataset};
use nn::{Activation, BatchNorm, Dense, Layer, MeanSquaredError, Mode, Reduction, Sequential, Visitor};
use optim::Sgd;
use optim::schedules::{Exponential, ReduceOnPlateau};
use tensor::{Tensor, tensor};
use train::{
    BatchEnd, Callback, CsvLog, EarlyStopping, EpochSchedule, Fit, History, Mean, Monitor, OnBatchEnd, OnEpochEnd,
    Plateau, Result, Trainer, TrainingState, Verbose,
};

/// `w x`, with one weight.
struct Scale(Variable);

impl Layer for Scale {
    fn forward(&self, input: &Tensor, _mode: Mode) -> tensor::Result<Tensor> {
        input.try_mul(&self.0)
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.weight("w", &self.0);
    }
}

fn scale(w: f64) -> Scale {
    Scale(Variable::new(Tensor::scalar(w)))
}

fn w(model: &Scale) -> f64 {
    model.0.value().item().unwrap()
}

/// One sample, 1 with the target 0: the loss is w², and a step with the learning rate r gives (1 - 2 r) w.
fn one() -> ArrayDataset {
    ArrayDataset::from_tensors(&tensor![[1.0]], &tensor![[0.0]]).unwrap()
}

fn fit(model: &Scale, rate: f64, options: Fit<'_>) -> Result<History> {
    Trainer::new(model, MeanSquaredError, Sgd::new(rate)).fit(&one(), options.verbose(Verbose::Silent))
}

#[test]
fn callbacks_receive_all_events_in_order() {
    struct Told(Vec<String>);
    impl Callback for Told {
        fn name(&self) -> &str {
            "told"
        }
        fn on_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
            self.0.push(format!("begin {}", training.epoch()));
            Ok(())
        }
        fn on_epoch_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
            self.0.push(format!("epoch {}", training.epoch()));
            Ok(())
        }
        fn on_batch_end(&mut self, _: &mut TrainingState<'_>, end: &BatchEnd) -> Result<()> {
            self.0.push(format!("batch {} of {:?}: {}", end.batch, end.batches, end.loss));
            Ok(())
        }
        fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
            self.0.push(format!("end {} {values:?}", training.epoch()));
            Ok(())
        }
        fn on_end(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
            self.0.push(format!("end after {}", training.history().epochs()));
            Ok(())
        }
    }
    let (model, mut told) = (scale(1.0), Told(Vec::new()));
    let samples = ArrayDataset::from_tensors(&tensor![[1.0], [1.0], [1.0]], &tensor![[0.0], [0.0], [0.0]]).unwrap();
    let mut trainer = Trainer::new(&model, MeanSquaredError, Sgd::new(0.25));
    let options = Fit::epochs(3).initial_epoch(2).steps_per_epoch(2).batch_size(1).verbose(Verbose::Silent);
    trainer.fit(&samples, options.validation(&one()).callback(&mut told)).unwrap();
    let expected = [
        "begin 2",
        "epoch 2",
        "batch 0 of Some(2): 1",
        "batch 1 of Some(2): 0.25",
        r#"end 2 [("loss", 0.625), ("val_loss", 0.0625)]"#,
        "end after 1",
    ];
    assert_eq!(told.0, expected);
}

#[test]
fn early_stopping_waits_and_restores() {
    // The learning rate 1 flips the sign of w and keeps the loss: no epoch after the first improves.
    let model = scale(1.0);
    let mut stopping = EarlyStopping::new("loss").patience(2).restore_best_weights();
    let history = fit(&model, 1.0, Fit::epochs(100).callback(&mut stopping)).unwrap();
    assert_eq!(history.epochs(), 3);
    assert_eq!((stopping.best(), w(&model)), (Some((0, 1.0)), -1.0));

    // Falling by a quarter is not enough here.
    let model = scale(1.0);
    let stopping = EarlyStopping::new("loss").min_delta(0.8);
    assert_eq!(fit(&model, 0.25, Fit::epochs(100).callback(stopping)).unwrap().epochs(), 2);
    // A baseline that is never reached, and ignored epochs.
    let stopping = EarlyStopping::new("loss").baseline(1e-30).patience(3);
    assert_eq!(fit(&scale(1.0), 0.25, Fit::epochs(100).callback(stopping)).unwrap().epochs(), 3);
    let stopping = EarlyStopping::new("loss").start_from_epoch(5);
    assert_eq!(fit(&scale(1.0), 1.0, Fit::epochs(100).callback(stopping)).unwrap().epochs(), 7);
}

#[test]
fn invalid_monitors_are_refused() {
    let refused =
        |callback: EarlyStopping| fit(&scale(1.0), 0.1, Fit::epochs(2).callback(callback)).unwrap_err().to_string();
    let missing = "early_stopping: there is no value val_loss; an epoch has loss";
    assert_eq!(refused(EarlyStopping::new("val_loss")), missing);
    let unclear = "early_stopping: the name score_of_mine does not tell whether larger or smaller is better; \
                   use Monitor::growing or Monitor::falling";
    assert_eq!(refused(EarlyStopping::new("score_of_mine")), unclear);
    let missing = "early_stopping: there is no value score_of_mine; an epoch has loss";
    assert_eq!(refused(EarlyStopping::new(Monitor::growing("score_of_mine"))), missing);
    let negative = "early_stopping: min_delta is -1; it must be at least 0";
    assert_eq!(refused(EarlyStopping::new("loss").min_delta(-1.0)), negative);
}

#[test]
fn rates_follow_epochs_and_plateaus() {
    let rates = |options: Fit<'_>, rate: f64| {
        let mut rates = Vec::new();
        let note = OnEpochEnd::new(|training, _| {
            rates.push(training.optimizer.learning_rate());
            Ok(())
        });
        fit(&scale(1.0), rate, options.callback(note)).unwrap();
        rates
    };
    let schedule = EpochSchedule::new(Exponential::new(0.5, 1, 0.5));
    assert_eq!(rates(Fit::epochs(3).callback(schedule), 1.0), [0.5, 0.25, 0.125]);
    // With the learning rate 1 the loss does not change.
    let plateau = Plateau::new("loss", ReduceOnPlateau::new(1.0).factor(0.5).patience(2));
    assert_eq!(rates(Fit::epochs(4).callback(plateau), 1.0), [1.0, 1.0, 0.5, 0.5]);
}

#[test]
fn epochs_are_logged_with_their_rates() {
    let path = std::env::temp_dir().join(format!("train-callbacks-{}.csv", std::process::id()));
    let schedule = EpochSchedule::new(Exponential::new(0.5, 1, 0.5));
    let log = CsvLog::create(&path).unwrap();
    fit(&scale(1.0), 1.0, Fit::epochs(2).callback(schedule).callback(log)).unwrap();
    let log = CsvLog::append(&path).unwrap();
    fit(&scale(1.0), 1.0, Fit::epochs(3).initial_epoch(2).callback(log)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    // With the learning rate 1/2 a step sets w to 0.
    assert_eq!(text, "epoch,loss,learning_rate\n0,1,0.5\n1,0,0.25\n2,1,1\n");
}

#[test]
fn a_training_can_be_stopped_within_an_epoch() {
    let samples = ArrayDataset::from_tensors(&Tensor::ones([5, 1]), &Tensor::zeros([5, 1])).unwrap();
    let mut batches = 0;
    let stop = OnBatchEnd::new(|training, _| {
        batches += 1;
        if batches == 8 {
            training.stop("enough");
        }
        Ok(())
    });
    let options = Fit::epochs(9).batch_size(1).verbose(Verbose::Silent).callback(stop);
    let history = Trainer::new(&scale(1.0), MeanSquaredError, Sgd::new(0.1)).fit(&samples, options).unwrap();
    assert_eq!((history.epochs(), history.stopped(), batches), (1, Some("enough"), 8));

    let flag = AtomicBool::new(true);
    let history = fit(&scale(1.0), 0.1, Fit::epochs(3).stop_when(&flag)).unwrap();
    assert_eq!((history.epochs(), history.stopped()), (0, Some("interrupted")));
    // The flag has stopped one fit, and does not stop the next.
    let history = fit(&scale(1.0), 0.1, Fit::epochs(3).stop_when(&flag)).unwrap();
    assert_eq!((history.epochs(), history.stopped()), (3, None));
    // The flag may be set while no fit runs.
    let raise = OnEpochEnd::new(|training, _| {
        flag.store(training.epoch() == 1, SeqCst);
        Ok(())
    });
    let history = fit(&scale(1.0), 0.1, Fit::epochs(3).stop_when(&flag).callback(raise)).unwrap();
    assert_eq!((history.epochs(), history.stopped()), (2, Some("interrupted")));
}

#[test]
fn gradients_of_several_batches_make_one_step() {
    // Gradients 2 w x² of x = 1, 1, 2 and 1, at w = 1: the first step takes the mean of three, the second what is left.
    let samples = ArrayDataset::from_tensors(&tensor![[1.0], [1.0], [2.0], [1.0]], &Tensor::zeros([4, 1])).unwrap();
    let model = scale(1.0);
    let options = Fit::epochs(1).batch_size(1).accumulate(3).verbose(Verbose::Silent);
    Trainer::new(&model, MeanSquaredError, Sgd::new(0.125)).fit(&samples, options).unwrap();
    assert_eq!(w(&model), 0.5 - 0.125 * 2.0 * 0.5);
}

#[test]
fn samples_count_by_weights_and_masks() {
    // Losses w² x²; the gradient is 2 w times their weighted mean.
    let batch = |weights, mask| Batch {
        features: tensor![[1.0, 2.0], [3.0, 0.0]],
        targets: Tensor::zeros([2, 2]),
        weights,
        mask,
    };
    let step = |batch: &Batch| {
        let model = scale(1.0);
        let loss = |targets: &Tensor, predictions: &Tensor| Ok(predictions.try_sub(targets)?.square());
        let loss = Trainer::new(&model, loss, Sgd::new(0.0)).train_on_batch(batch).unwrap();
        assert_eq!(w(&model), 1.0);
        loss
    };
    assert_eq!(step(&batch(None, None)), (1.0 + 4.0 + 9.0) / 4.0);
    assert_eq!(step(&batch(Some(tensor![3.0, 1.0]), None)), (3.0 + 12.0 + 9.0) / 4.0);
    // Means over the three unmasked steps, also in metrics.
    let mask = tensor![[true, true], [true, false]];
    assert!((step(&batch(None, Some(mask.clone()))) - (1.0 + 4.0 + 9.0) / 3.0).abs() < 1e-6);
    let weighted = step(&batch(Some(tensor![3.0, 1.0]), Some(mask)));
    assert!((weighted - (3.0 + 12.0 + 9.0) / 3.0).abs() < 1e-6);
}

#[test]
fn metrics_count_the_unmasked_steps_of_all_batches() {
    let samples = ArrayDataset::from_tensors(&tensor![[2.0, 0.0], [1.0, 1.0]], &Tensor::zeros([2, 2])).unwrap();
    let samples = samples.map(|batch| Ok(Batch { mask: Some(batch.features.not_equal(0.0)?), ..batch }));
    let square = |_: &Tensor, predictions: &Tensor| Ok(predictions.square());
    let loss = |_: &Tensor, predictions: &Tensor| Ok(predictions.square());
    let model = scale(1.0);
    let mut trainer = Trainer::new(&model, loss, Sgd::new(0.1)).metric(Mean::of("square", square)).batch_size(1);
    assert_eq!(trainer.evaluate(&samples).unwrap().get("square"), Some((4.0 + 1.0 + 1.0) / 3.0));
    let sum = Trainer::new(&model, loss, Sgd::new(0.0)).reduction(Reduction::Sum);
    let batch = samples.range(0, 0..2).unwrap();
    assert_eq!({ sum }.train_on_batch(&batch).unwrap(), 4.0 + 1.0 + 1.0);
}

#[test]
fn the_place_where_nan_begins_is_named() {
    let model = || {
        let model = Sequential::new().add(Dense::new(1, 2)).add(Dense::new(2, 1).activation(Activation::Exponential));
        model.weight("dense.kernel").unwrap().assign(tensor![[1.0, 1.0]]).unwrap();
        model.weight("dense_1.kernel").unwrap().assign(tensor![[1.0], [1.0]]).unwrap();
        model
    };
    let message = |model: &Sequential, x: f64, y: f64| {
        let samples = ArrayDataset::from_tensors(&tensor![[x]], &tensor![[y]]).unwrap();
        let mut trainer = Trainer::new(model, MeanSquaredError, Sgd::new(0.1));
        let error = trainer.fit(&samples, Fit::epochs(1).verbose(Verbose::Silent)).unwrap_err().to_string();
        error.split("; ").nth(1).unwrap().to_owned()
    };
    let place = "dense_1 (Dense 2→1): output: shape [1, 1]: has NaN or infinite elements";
    assert_eq!(message(&model(), 100.0, 0.0), place);
    assert_eq!(message(&model(), f64::NAN, 0.0), "input: shape [1, 1]: has NaN or infinite elements");
    assert_eq!(message(&model(), 1.0, f64::NAN), "the targets have NaN or infinite elements");
    // The effect of an overflow on running means is reverted, and they are not blamed.
    let normalized = Sequential::new().add(Dense::new(1, 1)).add(BatchNorm::new(1));
    normalized.weight("dense.kernel").unwrap().assign(tensor![[3e38]]).unwrap();
    let samples = ArrayDataset::from_tensors(&tensor![[10.0], [20.0]], &tensor![[0.0], [0.0]]).unwrap();
    let mut trainer = Trainer::new(&normalized, MeanSquaredError, Sgd::new(0.1));
    let error = trainer.fit(&samples, Fit::epochs(1).verbose(Verbose::Silent)).unwrap_err().to_string();
    assert!(error.ends_with("; dense (Dense 1→1): output: shape [2, 1]: has NaN or infinite elements"), "{error}");
    let mean = normalized.weight("batch_norm.moving_mean").unwrap();
    assert_eq!(mean.value().to_vec::<f32>().unwrap(), [0.0]);

    let broken = model();
    broken.weight("dense.bias").unwrap().assign(tensor![0.0, f64::INFINITY]).unwrap();
    assert_eq!(message(&broken, 1.0, 0.0), "weight dense.bias: shape [2]: has NaN or infinite elements");
}
