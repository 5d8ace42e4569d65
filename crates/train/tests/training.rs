//! Hand-written loops have everything that a fit has.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use autograd::GradientTape;
use data::{ArrayDataset, Batch, Dataset, Pipeline};
use nn::{
    Activation, ClassWeighted, Dense, Dropout, Initializer, Layer, Loss, MeanSquaredError, Mode, Reduction, Sequential,
    SparseCategoricalCrossentropy, Visitor,
};
use optim::{Adam, Optimizer};
use tensor::{Generator, Tensor, tensor};
use train::{
    Accuracy, Checkpoints, CsvLog, EarlyStopping, Fit, History, Metric, OnBatchEnd, OnEpochEnd, Result, SavePlot,
    Trainer, Training, Verbose,
};

/// 50 samples of 6 numbers in 3 classes, with weights: 7 batches of 8 an epoch, the last one of 2.
fn samples() -> Pipeline {
    let mut generator = Generator::new(3);
    let features = generator.normal([50, 6], 0.0, 1.0).unwrap();
    let samples = ArrayDataset::from_tensors(&features, &generator.integers([50], 0..3).unwrap()).unwrap();
    samples.with_weights(&generator.uniform([50], 0.5..1.5).unwrap()).unwrap()
}

fn model() -> Sequential {
    tensor::random::seed(5);
    Sequential::new()
        .add(Dense::units(7).activation(Activation::Relu))
        .add(Dropout::new(0.3))
        .add(Dense::units(3).activation(Activation::Softmax))
}

fn adam() -> Adam {
    Adam::new(0.01).clip_global_norm(1.0)
}

fn weighted_loss() -> ClassWeighted<SparseCategoricalCrossentropy> {
    SparseCategoricalCrossentropy::default().class_weights([2.0, 0.5, 1.0])
}

/// A hand-written `Trainer::fit`, with the number of the epoch as an additional value.
fn by_hand(model: &Sequential, train: &Pipeline, fit: Fit<'_>, metric: impl Metric) -> Result<History> {
    let loss_of = |batch: &Batch, predictions: &Tensor| {
        weighted_loss().reduce(&batch.targets, predictions, batch.weights.as_ref(), Reduction::default())
    };
    let mut optimizer = adam();
    let mut training = Training::new(model, &mut optimizer, fit.batch_size(8).verbose(Verbose::Silent)).metric(metric);
    'training: while let Some(batches) = training.next_epoch(train)? {
        for batch in batches {
            let batch = batch?;
            let tape = GradientTape::new();
            let predictions = model.forward(&batch.features, Mode::Training)?;
            let loss = loss_of(&batch, &predictions)?;
            let value = training.loss(&batch, &loss)?;
            let weights = model.trainable_weights();
            training.apply(&weights, &tape.gradient(&loss, &weights)?)?;
            training.end_batch(&batch, &predictions, value)?;
            if training.stopped().is_some() {
                break 'training;
            }
        }
        for batch in training.validation()? {
            let batch = batch?;
            let predictions = model.forward(&batch.features, Mode::Inference)?;
            let loss = loss_of(&batch, &predictions)?.item()?;
            training.end_validation_batch(&batch, &predictions, loss)?;
        }
        let number = training.epoch() as f64;
        training.end_epoch(&[("number", number)])?;
    }
    training.end()
}

#[test]
fn a_nan_loss_stops_a_loop_before_its_step() {
    let train = ArrayDataset::from_tensors(&tensor![[1.0], [f32::NAN]], &tensor![[0.0], [0.0]]).unwrap();
    let model = Sequential::new().add(Dense::units(2).kernel_initializer(Initializer::Ones));
    let mut optimizer = adam();
    let fit = Fit::epochs(1).batch_size(1).verbose(Verbose::Silent);
    let mut training = Training::new(&model, &mut optimizer, fit);
    let (mut batches, mut message) = (training.next_epoch(&train).unwrap().unwrap(), None);
    while message.is_none() {
        let batch = batches.next().unwrap().unwrap();
        let loss = model.forward(&batch.features, Mode::Training).unwrap().mean();
        match training.loss(&batch, &loss) {
            Ok(value) => training.end_batch(&batch, &batch.targets, value).unwrap(),
            Err(error) => message = Some(error.to_string()),
        }
    }
    let expected = "the loss became NaN in epoch 0, batch 1, with the learning rate 0.01; \
                    input: shape [1, 1]: has NaN or infinite elements";
    assert_eq!(message.unwrap(), expected);
}

fn weights(model: &Sequential) -> Vec<Vec<f32>> {
    model.weights().iter().map(|weight| weight.value().to_vec().unwrap()).collect()
}

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("training-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_hand_written_loop_equals_fit() {
    let (samples, train) = (samples(), samples().shuffle(11));
    // Three batches per step do not divide the batches of an epoch.
    let fit = || {
        let stopping = EarlyStopping::new("val_loss").patience(2).min_delta(0.1).restore_best_weights();
        Fit::epochs(12).accumulate(3).steps_per_epoch(5).validation(&samples).callback(stopping)
    };
    let fitted = model();
    let mut trainer = Trainer::new(&fitted, weighted_loss(), adam()).metric(Accuracy::default());
    let expected = trainer.fit(&train, fit().batch_size(8).verbose(Verbose::Silent)).unwrap();

    let model = model();
    let mut accuracy = Accuracy::default();
    let history = by_hand(&model, &train, fit(), &mut accuracy).unwrap();
    assert_eq!(weights(&model), weights(&fitted));
    assert!(expected.stopped().unwrap().starts_with("early_stopping: "), "{:?}", expected.stopped());
    assert_eq!(history.stopped(), expected.stopped());
    for name in expected.names() {
        assert_eq!(history.get(name), expected.get(name), "{name}");
    }
    assert_eq!(history.names().last(), Some("number"));
    assert_eq!(history.last("number"), Some(history.epochs() as f64 - 1.0));
    // The metric was borrowed, and has last measured the validation.
    assert_eq!(Some(accuracy.result()), history.last("val_accuracy"));
}

#[test]
fn a_loop_by_hand_goes_on_from_checkpoints() {
    let (samples, train) = (samples(), samples().shuffle(11));
    let run = |folder: &Path, stop_after: Option<usize>| {
        let mut fit = Fit::epochs(3).accumulate(3).validation(&samples);
        if let Some(latest) = Checkpoints::latest(folder).unwrap() {
            fit = fit.resume(latest);
        }
        let mut batches = 0;
        let fit = fit.checkpoints(Checkpoints::in_folder(folder).every_batches(1)).callback(OnBatchEnd::new(
            |training, _| {
                batches += 1;
                if Some(batches) == stop_after {
                    // Ends with an error, without the usual cleanup.
                    training.optimizer.set_learning_rate(-1.0)?;
                }
                Ok(())
            },
        ));
        let model = model();
        by_hand(&model, &train, fit, Accuracy::default()).map(|history| (weights(&model), history))
    };
    let folder = Folder::new("whole");
    let whole = run(&folder.0, None).unwrap();
    for batches in [2, 7, 8, 12, 21] {
        let folder = Folder::new(&format!("parts-{batches}"));
        let error = run(&folder.0, Some(batches)).unwrap_err().to_string();
        assert!(error.starts_with("on_batch_end: "), "{error}");
        assert_eq!(run(&folder.0, None).unwrap(), whole, "stopped in batch {batches}");
    }
}

#[test]
fn calls_out_of_order_are_refused() {
    let (samples, model, mut optimizer) = (samples(), model(), adam());
    let fit = Fit::epochs(1).batch_size(8).verbose(Verbose::Silent);
    let mut training = Training::new(&model, &mut optimizer, fit);
    let mut batches = training.next_epoch(&samples).unwrap().unwrap();
    let batch = batches.next().unwrap().unwrap();
    let message = training.validation().unwrap_err().to_string();
    assert_eq!(message, "validation: the fit has no validation data; set it by Fit::validation");
    let predictions = Tensor::zeros([8, 3]);
    let message = training.end_validation_batch(&batch, &predictions, 0.0).unwrap_err().to_string();
    assert_eq!(message, "end_validation_batch: the validation has not begun; call `validation`");
    let message = training.end_epoch(&[]).unwrap_err().to_string();
    assert_eq!(message, "fit: the data has no samples; at least one is required");

    let (fit, mut optimizer) = (Fit::epochs(2).batch_size(8).verbose(Verbose::Silent).validation(&samples), adam());
    let mut training = Training::new(&model, &mut optimizer, fit);
    training.next_epoch(&samples).unwrap();
    training.end_batch(&batch, &predictions, 0.0).unwrap();
    let message = training.next_epoch(&samples).unwrap_err().to_string();
    assert_eq!(message, "next_epoch: epoch 0 has not ended; call end_epoch first");
    let message = training.end_epoch(&[]).unwrap_err().to_string();
    assert_eq!(message, "end_epoch: the fit has validation data, but the epoch was not validated; call `validation`");
    training.validation().unwrap();
    let message = training.end_batch(&batch, &predictions, 0.0).unwrap_err().to_string();
    assert_eq!(message, "end_batch: the validation of this epoch has begun; call it before `validation`");
    training.end_validation_batch(&batch, &predictions, 0.0).unwrap();
    let message = training.end_epoch(&[("val_loss", 1.0)]).unwrap_err().to_string();
    assert_eq!(message, "the epoch has two values named val_loss; names must be unique");
}

/// A loop that checks only at the end of an epoch whether it is stopped, and measures twice as many samples as it
/// draws.
fn until_the_end_of_the_epoch(folder: &Path, epochs: usize, flag: &AtomicBool) -> Vec<usize> {
    let (samples, model, mut optimizer) = (samples(), model(), adam());
    let mut fit = Fit::epochs(epochs).batch_size(8).verbose(Verbose::Silent).stop_when(flag);
    if let Some(latest) = Checkpoints::latest(folder).unwrap() {
        fit = fit.resume(latest);
    }
    let fit = fit.checkpoints(Checkpoints::in_folder(folder));
    let mut training = Training::new(&model, &mut optimizer, fit);
    let mut sizes = Vec::new();
    while let Some(batches) = training.next_epoch(&samples).unwrap() {
        for batch in batches {
            let batch = batch.unwrap();
            sizes.push(batch.len());
            let features = model.forward(&batch.features, Mode::Training).unwrap();
            let twice = |x: &Tensor| Tensor::concat(&[x, x], 0).unwrap();
            let measured = Batch::new(&twice(&batch.features), &twice(&batch.targets)).unwrap();
            training.end_batch(&measured, &twice(&features), 1.0).unwrap();
        }
        training.end_epoch(&[]).unwrap();
    }
    training.end().unwrap();
    sizes
}

#[test]
fn an_interruption_is_over_when_the_training_goes_on() {
    let folder = Folder::new("interrupted");
    let flag = AtomicBool::new(true);
    assert_eq!(until_the_end_of_the_epoch(&folder.0, 3, &flag), [8, 8, 8, 8, 8, 8, 2]);
    assert!(folder.0.join("epoch-0001-batch-000000.safetensors").exists(), "written after it was interrupted");
    assert_eq!(until_the_end_of_the_epoch(&folder.0, 2, &flag), [8, 8, 8, 8, 8, 8, 2]);
}

#[test]
fn a_batch_may_be_measured_as_another_one() {
    let folder = Folder::new("measured");
    let flag = AtomicBool::new(true);
    until_the_end_of_the_epoch(&folder.0, 3, &flag);
    std::fs::remove_file(folder.0.join("epoch-0001-batch-000000.safetensors")).unwrap();
    // Resumed after the first batch, although 16 samples were measured.
    assert_eq!(until_the_end_of_the_epoch(&folder.0, 1, &flag), [8, 8, 8, 8, 8, 2]);
}

#[test]
fn masked_steps_count_in_no_metric() {
    let (f, t) = (false, true);
    let samples = ArrayDataset::from_tensors(&Tensor::zeros([2, 3, 1]), &tensor![[1, 1, 0], [1, 0, 0]]).unwrap();
    let mask = tensor![[t, t, f], [t, f, f]];
    let samples = samples.map(move |batch| Ok(Batch { mask: Some(mask.clone()), ..batch }));
    let (model, mut optimizer) = (model(), adam());
    let fit = Fit::epochs(1).verbose(Verbose::Silent);
    let mut training = Training::new(&model, &mut optimizer, fit).metric(Accuracy::default());
    let batch = training.next_epoch(&samples).unwrap().unwrap().next().unwrap().unwrap();
    let class = |k: i64| if k == 0 { [1.0, 0.0] } else { [0.0, 1.0] };
    let predictions = Tensor::from([[1, 0, 0], [1, 0, 0]].map(|row| row.map(class)));
    training.end_batch(&batch, &predictions, 0.5).unwrap();
    training.end_epoch(&[]).unwrap();
    // Two of three; with the masked steps it would be five of six.
    assert_eq!(training.end().unwrap().last("accuracy"), Some(2.0 / 3.0));
}

#[test]
fn samples_count_by_their_weights_in_metrics() {
    let labels = ArrayDataset::from_tensors(&tensor![[0.0], [0.0]], &tensor![1, 1]).unwrap();
    let samples = labels.with_weights(&tensor![3.0, 1.0]).unwrap();
    let (model, mut optimizer) = (model(), adam());
    let fit = Fit::epochs(1).verbose(Verbose::Silent);
    let mut training = Training::new(&model, &mut optimizer, fit).metric(Accuracy::default());
    let batch = training.next_epoch(&samples).unwrap().unwrap().next().unwrap().unwrap();
    training.end_batch(&batch, &tensor![[0.0, 1.0], [1.0, 0.0]], 0.5).unwrap();
    training.end_epoch(&[]).unwrap();
    let history = training.end().unwrap();
    assert_eq!((history.last("loss"), history.last("accuracy")), (Some(0.5), Some(0.75)));
}

#[test]
fn a_picture_grows_with_the_epochs() {
    let folder = Folder::new("picture");
    let path = folder.0.join("history.svg");
    let (samples, model) = (samples(), model());
    let mut dots = Vec::new();
    let count = OnEpochEnd::new(|_, _| {
        dots.push(std::fs::read_to_string(&path).unwrap().matches("fill=\"#0072B2\"").count());
        Ok(())
    });
    let fit = Fit::epochs(3).batch_size(8).callback(SavePlot::new(&path).log_scale("loss")).callback(count);
    let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), adam());
    trainer.fit(&samples, fit.verbose(Verbose::Silent)).unwrap();
    // One is in the legend.
    assert_eq!(dots, [2, 3, 4]);

    let mut refused = |plot: SavePlot| {
        trainer.fit(&samples, Fit::epochs(1).verbose(Verbose::Silent).callback(plot)).unwrap_err().to_string()
    };
    assert_eq!(refused(SavePlot::new("/nowhere/a.svg")), "save_plot: /nowhere/a.svg: its folder does not exist");
    let message = refused(SavePlot::new(&path).log_scale("mae"));
    assert_eq!(message, "save_plot: plot: there is no mae in the history, only loss");
}

/// Two layers of the same shapes, of which the second is frozen.
fn half_frozen() -> (Dense, Dense) {
    let (first, second) = (Dense::new(2, 2), Dense::new(2, 2));
    second.set_trainable(false);
    (first, second)
}

struct Both<'a>(&'a Dense, &'a Dense);

impl Layer for Both<'_> {
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.1.call("second", &self.0.call("first", input, mode)?, mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.layer("first", self.0);
        visitor.layer("second", self.1);
    }
}

#[test]
fn gradients_of_different_weights_are_not_added() {
    let samples = ArrayDataset::from_tensors(&Tensor::ones([4, 2]), &Tensor::zeros([4, 2])).unwrap();
    let fit = |swapped_after: usize, accumulate: usize| {
        let (first, second) = half_frozen();
        let before = [&first, &second].map(|layer| layer.weights()[0].value());
        let swap = OnBatchEnd::new(|_, end| {
            if end.batch == swapped_after {
                first.set_trainable(false);
                second.set_trainable(true);
            }
            Ok(())
        });
        let fit = Fit::epochs(1).batch_size(1).accumulate(accumulate).callback(swap).verbose(Verbose::Silent);
        let result = Trainer::new(&Both(&first, &second), MeanSquaredError, adam()).fit(&samples, fit);
        let after = [&first, &second].map(|layer| layer.weights()[0].value());
        let changed = [0, 1].map(|k| before[k].to_vec::<f32>().unwrap() != after[k].to_vec::<f32>().unwrap());
        (result.map(drop).map_err(|error| error.to_string()), changed)
    };
    let message = "epoch 0, batch 1: accumulate: the weights differ from those of the batch before: kernel is no longer \
                   among them, kernel is new; freeze and unfreeze weights only between steps of the optimizer, for \
                   example when an epoch begins";
    assert_eq!(fit(0, 2), (Err(message.into()), [false, false]));
    // Between two steps it is allowed.
    assert_eq!(fit(1, 2), (Ok(()), [true, true]));
    // The last step of the epoch changes the weights that its gradients belong to.
    assert_eq!(fit(3, 8), (Ok(()), [true, false]));
}

#[test]
fn a_resumed_training_remembers_whose_gradients_it_accumulates() {
    let samples = ArrayDataset::from_tensors(&Tensor::ones([4, 2]), &Tensor::zeros([4, 2])).unwrap();
    let folder = Folder::new("accumulated");
    let flag = AtomicBool::new(true);
    let (first, second) = half_frozen();
    let fit = || Fit::epochs(1).batch_size(1).accumulate(2).verbose(Verbose::Silent);
    let stopped = fit().checkpoints(Checkpoints::in_folder(&folder.0)).stop_when(&flag);
    Trainer::new(&Both(&first, &second), MeanSquaredError, adam()).fit(&samples, stopped).unwrap();
    let latest = Checkpoints::latest(&folder.0).unwrap().unwrap();
    let resume = |swapped: bool| {
        let (first, second) = half_frozen();
        first.set_trainable(!swapped);
        second.set_trainable(swapped);
        let result =
            Trainer::new(&Both(&first, &second), MeanSquaredError, adam()).fit(&samples, fit().resume(&latest));
        result.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(resume(false), Ok(()));
    let message = resume(true).unwrap_err();
    assert!(message.starts_with("epoch 0, batch 1: accumulate: the weights differ"), "{message}");
}

#[test]
fn values_are_not_named_like_the_column_of_epochs() {
    let (samples, model) = (samples(), model());
    let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), adam())
        .metric(Accuracy::default().named("epoch"));
    let message = trainer.fit(&samples, Fit::epochs(1).verbose(Verbose::Silent)).unwrap_err().to_string();
    let expected = "a metric is named epoch, like the column of epoch numbers in logs; rename it by Metric::named";
    assert_eq!(message, expected);

    let folder = Folder::new("columns");
    std::fs::create_dir_all(&folder.0).unwrap();
    let logged = |name: &str, fit: Fit<'_>| -> Result<()> {
        let mut optimizer = adam();
        let mut training = Training::new(&model, &mut optimizer, fit.batch_size(50).verbose(Verbose::Silent));
        let batch = training.next_epoch(&samples)?.unwrap().next().unwrap()?;
        training.end_batch(&batch, &Tensor::zeros([50, 3]), 1.0)?;
        training.end_epoch(&[(name, 1.0)])
    };
    let message = logged("epoch", Fit::epochs(1)).unwrap_err().to_string();
    assert_eq!(message, "a value is named epoch, like the column of epoch numbers; choose another name");
    logged("learning_rate", Fit::epochs(1)).unwrap();
    let log = CsvLog::create(folder.0.join("log.csv")).unwrap();
    let message = logged("learning_rate", Fit::epochs(1).callback(log)).unwrap_err().to_string();
    assert!(message.ends_with("log.csv: two columns are named learning_rate; names must be unique"), "{message}");
}
