//! A resumed training ends with the same bits as one that never stopped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use autograd::Variable;
use data::{ArrayDataset, Dataset};
use nn::{Activation, BatchNorm, Dense, Dropout, Layer, Mode, Sequential, SparseCategoricalCrossentropy};
use optim::schedules::{Cosine, ReduceOnPlateau, Schedule};
use optim::{Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Lamb, Lion, Muon, Nadam, Optimizer, RmsProp, Sgd};
use tensor::{DType, Generator, Tensor};
use train::metrics::Precision;
use train::{
    Accuracy, Checkpoint, Checkpoints, CsvLog, EarlyStopping, Fit, History, JsonLines, Metric, OnBatchEnd, Plateau,
    Trainer, Verbose, load_weights,
};

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("train-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// 50 samples of 6 numbers in 3 classes: 7 batches of 8 an epoch, the last one of 2.
fn samples() -> impl Dataset {
    let mut generator = Generator::new(3);
    let features = generator.normal([50, 6], 0.0, 1.0).unwrap();
    let targets = generator.integers([50], 0..3).unwrap();
    ArrayDataset::from_tensors(&features, &targets).unwrap().shuffle(11)
}

/// Lazy weights, running means, and random numbers in training.
fn model() -> Sequential {
    tensor::random::seed(5);
    Sequential::new()
        .add(Dense::units(7).activation(Activation::Relu))
        .add(BatchNorm::new(7))
        .add(Dropout::new(0.3))
        .add(Dense::units(3).activation(Activation::Softmax))
}

fn bits(weights: &[(String, Variable)]) -> Vec<(String, Vec<u64>)> {
    let of = |weight: &Variable| {
        weight.value().cast(DType::F64).to_vec::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
    };
    weights.iter().map(|(path, weight)| (path.clone(), of(weight))).collect()
}

/// The results that two trainings must agree in.
type Result = (Vec<(String, Vec<u64>)>, History);

fn run<O: Optimizer + 'static>(optimizer: O, fit: Fit<'_>) -> Result {
    let (model, samples) = (model(), samples());
    let mut trainer =
        Trainer::new(&model, SparseCategoricalCrossentropy::default(), optimizer).metric(Accuracy::default());
    let history = trainer.fit(&samples, fit.batch_size(8).verbose(Verbose::Silent)).unwrap();
    (bits(&model.named_weights()), history)
}

/// Stops after a number of batches, with a checkpoint.
fn stopped<O: Optimizer + 'static>(optimizer: O, fit: Fit<'_>, batches: usize, folder: &Path) {
    let flag = AtomicBool::new(false);
    let mut count = 0;
    let counter = OnBatchEnd::new(|_, _| {
        count += 1;
        flag.store(count == batches, SeqCst);
        Ok(())
    });
    let (model, samples) = (model(), samples());
    let mut trainer =
        Trainer::new(&model, SparseCategoricalCrossentropy::default(), optimizer).metric(Accuracy::default());
    let fit = fit.callback(counter).checkpoints(Checkpoints::in_folder(folder)).stop_when(&flag);
    trainer.fit(&samples, fit.batch_size(8).verbose(Verbose::Silent)).unwrap();
}

/// Stops at several batches, including the first and the last of an epoch, and resumes.
fn resumes_exactly<O: Optimizer + 'static>(optimizer: impl Fn() -> O) {
    let name = optimizer().name();
    let whole = run(optimizer(), Fit::epochs(3));
    for batches in [1, 5, 6, 7, 8, 13, 20] {
        let folder = Folder::new(&format!("{name}-{batches}"));
        stopped(optimizer(), Fit::epochs(3), batches, &folder.0);
        let latest = Checkpoints::latest(&folder.0).unwrap().unwrap();
        let again = run(optimizer(), Fit::epochs(3).resume(latest));
        assert_eq!(again, whole, "{name}, stopped after {batches} batches");
    }
}

#[test]
fn every_optimizer_resumes_exactly() {
    resumes_exactly(|| Sgd::new(0.1).momentum(0.9).nesterov());
    resumes_exactly(|| Adagrad::new(0.1));
    resumes_exactly(|| Adadelta::new(1.0));
    resumes_exactly(|| RmsProp::new(0.01).centered());
    resumes_exactly(|| Adam::new(0.01));
    resumes_exactly(|| Adam::new(0.01).amsgrad());
    resumes_exactly(|| AdamW::new(0.01));
    resumes_exactly(|| Adamax::new(0.01));
    resumes_exactly(|| Nadam::new(0.01));
    resumes_exactly(|| Lion::new(0.001));
    resumes_exactly(|| Adafactor::new(0.01));
    resumes_exactly(|| Lamb::new(0.01));
    resumes_exactly(|| Muon::new(0.01));
}

#[test]
fn schedules_and_clipping_are_resumed() {
    resumes_exactly(|| Adam::new(Cosine::new(0.01, 18).warm_up(3)).clip_global_norm(0.5));
}

#[test]
fn callbacks_and_accumulated_gradients_are_resumed() {
    let fit = |folder: &Path, stop: Option<usize>| {
        let stopping = EarlyStopping::new("loss").patience(1).min_delta(0.05).restore_best_weights();
        let plateau = Plateau::new("accuracy", ReduceOnPlateau::new(0.05).factor(0.5).patience(0).maximize());
        let fit = Fit::epochs(12).accumulate(3).callback(stopping).callback(plateau);
        match stop {
            Some(batches) => {
                stopped(Adam::new(0.05), fit, batches, folder);
                None
            }
            None => match Checkpoints::latest(folder).unwrap() {
                Some(latest) => Some(run(Adam::new(0.05), fit.resume(latest))),
                None => Some(run(Adam::new(0.05), fit)),
            },
        }
    };
    let whole = fit(Path::new("/nowhere"), None).unwrap();
    let epochs = whole.1.epochs();
    assert!((3..12).contains(&epochs), "to stop early is part of the test: {epochs}");
    for batches in [1, 2, 9, 7 * epochs - 8, 7 * epochs] {
        let folder = Folder::new(&format!("callbacks-{batches}"));
        fit(&folder.0, Some(batches));
        assert_eq!(fit(&folder.0, None).unwrap(), whole, "stopped after {batches} batches");
    }
}

#[test]
fn a_folder_of_a_training_that_is_further_is_refused() {
    let folder = Folder::new("further");
    let fit = || Fit::epochs(2).checkpoints(Checkpoints::in_folder(&folder.0).keep_last(1));
    run(Adam::new(0.05), fit());
    let (model, samples) = (model(), samples());
    let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), Adam::new(0.05));
    let message = trainer.fit(&samples, fit().verbose(Verbose::Silent)).unwrap_err().to_string();
    let expected = "F: has epoch-0002-batch-000000.safetensors, of a training that is further than this one, at epoch 0, \
                    batch 0; resume from it, or use another folder";
    assert_eq!(message.replace(folder.0.to_str().unwrap(), "F"), expected);
    assert!(Checkpoints::latest(&folder.0).unwrap().is_some());

    // So is a training that resumes an earlier checkpoint, before it begins.
    let folder = Folder::new("earlier");
    let fit = || Fit::epochs(2).checkpoints(Checkpoints::in_folder(&folder.0)).verbose(Verbose::Silent);
    run(Adam::new(0.05), fit());
    let (model, samples) = (self::model(), self::samples());
    let before = bits(&model.named_weights());
    let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), Adam::new(0.05));
    let earlier = fit().batch_size(8).resume(folder.0.join("epoch-0001-batch-000000.safetensors"));
    let message = trainer.fit(&samples, earlier).unwrap_err().to_string();
    assert!(message.contains("of a training that is further than this one, at epoch 1, batch 0"), "{message}");
    assert_eq!(bits(&model.named_weights()), before);
}

#[test]
fn callbacks_and_metrics_of_a_checkpoint_are_required() {
    let folder = Folder::new("decides");
    let stopping = || EarlyStopping::new("loss").patience(9);
    let checkpoints = Checkpoints::in_folder(&folder.0);
    run(Sgd::new(0.1), Fit::epochs(1).accumulate(2).callback(stopping()).checkpoints(checkpoints));
    let path = Checkpoints::latest(&folder.0).unwrap().unwrap();
    let refused = |fit: Fit<'_>, counts: bool| {
        let (model, samples) = (model(), samples());
        let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), Sgd::new(0.1));
        if counts {
            trainer = trainer.metric(Accuracy::default());
        }
        let message = trainer.fit(&samples, fit.batch_size(8).verbose(Verbose::Silent).resume(&path));
        message.unwrap_err().to_string().replace(path.to_str().unwrap(), "F")
    };
    let fit = || Fit::epochs(2).accumulate(2);
    assert_eq!(refused(fit(), true), "F: has [early_stopping] as callbacks, but the training has []");
    assert_eq!(refused(fit().callback(stopping()), false), "F: has [accuracy] as metrics, but the training has []");
    let other = Fit::epochs(2).accumulate(3).callback(stopping());
    assert_eq!(refused(other, true), "F: has 2 as accumulate, but the training has 3");

    // A borrowed callback is not changed if the training is refused.
    let mut lent = stopping();
    let (model, samples) = (model(), samples());
    let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), Sgd::new(0.1));
    trainer = trainer.metric(Precision::default().named("accuracy"));
    let resumed = fit().callback(&mut lent).batch_size(8).verbose(Verbose::Silent).resume(&path);
    let message = trainer.fit(&samples, resumed).unwrap_err().to_string().replace(path.to_str().unwrap(), "F");
    assert!(message.starts_with("F: accuracy: "), "{message}");
    assert_eq!(lent.best(), None);
}

#[test]
fn logs_drop_rows_that_are_repeated() {
    let folder = Folder::new("logs");
    let (table, lines) = (folder.0.join("log.csv"), folder.0.join("log.jsonl"));
    std::fs::create_dir_all(&folder.0).unwrap();
    let log = |fit: Fit<'_>| {
        let fit = fit.callback(CsvLog::append(&table).unwrap()).callback(JsonLines::append(&lines).unwrap());
        run(Adam::new(0.05), fit);
        (std::fs::read_to_string(&table).unwrap(), std::fs::read_to_string(&lines).unwrap())
    };
    let checkpoints = Checkpoints::in_folder(&folder.0);
    let whole = log(Fit::epochs(3).checkpoints(checkpoints));
    let again = log(Fit::epochs(3).resume(folder.0.join("epoch-0001-batch-000000.safetensors")));
    assert_eq!(again, whole);
    assert_eq!(whole.0.lines().count(), 4);
    // A new training appends to the logs.
    assert_eq!(log(Fit::epochs(1)).0.lines().count(), 5);

    std::fs::write(&table, "my thesis, all of it").unwrap();
    let refused = CsvLog::append(&table).unwrap_err().to_string();
    assert!(refused.ends_with("log.csv: does not begin with \"epoch\", so it is not such a log"), "{refused}");
    assert_eq!(std::fs::read_to_string(&table).unwrap(), "my thesis, all of it");
}

#[test]
fn checkpoints_are_kept_as_configured() {
    let folder = Folder::new("kept");
    let checkpoints = Checkpoints::in_folder(&folder.0).every_batches(3).keep_last(2).keep_best("accuracy");
    let (_, history) = run(Adam::new(0.05), Fit::epochs(4).checkpoints(checkpoints));
    let mut names: Vec<_> =
        std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.remove(0), ".lock");
    let last = ["epoch-0003-batch-000006.safetensors", "epoch-0004-batch-000000.safetensors"];
    assert_eq!(names, ["best.safetensors", last[0], last[1]]);

    let accuracy = history.get("accuracy").unwrap();
    let best = (0..4).rev().max_by(|&a, &b| accuracy[a].total_cmp(&accuracy[b])).unwrap();
    let checkpoint = Checkpoint::open(folder.0.join("best.safetensors")).unwrap();
    assert_eq!((checkpoint.epoch().unwrap(), checkpoint.batch().unwrap()), (best + 1, 0));
    assert_eq!(checkpoint.history().unwrap().get("accuracy").unwrap(), &accuracy[..=best]);
    assert_eq!(checkpoint.notes()["optimizer"], "adam");
}

#[test]
fn a_foreign_checkpoint_is_refused_and_changes_nothing() {
    let folder = Folder::new("refused");
    run(Adam::new(0.05), Fit::epochs(1).checkpoints(Checkpoints::in_folder(&folder.0)));
    let path = Checkpoints::latest(&folder.0).unwrap().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let broken = folder.0.join("broken");
    let opened = |bytes: &[u8]| {
        std::fs::write(&broken, bytes).unwrap();
        Checkpoint::open(&broken).map(drop)
    };
    opened(&bytes).unwrap();
    // Bits in the elements, the header and the notes.
    for place in (0..bytes.len()).step_by(13) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(opened(&flipped).is_err(), "bit {} of byte {place}", place % 8);
        assert!(opened(&bytes[..place]).is_err(), "cut off after {place} bytes");
    }
    let text = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut changed = bytes.clone();
        changed[at..at + from.len()].copy_from_slice(to.as_bytes());
        opened(&changed).unwrap_err().to_string().replace(broken.to_str().unwrap(), "F")
    };
    let newer = "F: is a checkpoint of version 2; this program reads versions up to 1";
    assert_eq!(text(r#""version":"1""#, r#""version":"2""#), newer);
    let foreign = "F: is a safetensors file, but not a training checkpoint; load weights alone by `load_weights`";
    assert_eq!(text("training checkpoint", "something otherwise"), foreign);

    // Text from a file is escaped and shortened.
    let notes = [("format", "training checkpoint"), ("version", "1"), ("checksum", "\u{1b}[2J\nF: is fine")];
    let metadata = notes.map(|(key, note)| (key.to_string(), note.to_string())).into();
    let options = data::safetensors::Options { metadata, ..Default::default() };
    data::safetensors::write(&broken, &[], &options).unwrap();
    let message = Checkpoint::open(&broken).unwrap_err().to_string();
    assert!(message.ends_with(r", but it was written with \u{1b}[2J\nF: is fine"), "{message}");

    // With another model or optimizer, both stay unchanged.
    let refused = |model: &Sequential, optimizer: Box<dyn Optimizer>| {
        let before = bits(&model.named_weights());
        let mut trainer = Trainer::new(model, SparseCategoricalCrossentropy::default(), optimizer);
        let fit = Fit::epochs(2).batch_size(8).verbose(Verbose::Silent).resume(&path);
        let message = trainer.fit(&samples(), fit).unwrap_err().to_string();
        assert_eq!(bits(&model.named_weights()), before);
        message.replace(path.to_str().unwrap(), "F")
    };
    let with = |units: usize| {
        Sequential::new()
            .add(Dense::new(6, units).activation(Activation::Relu))
            .add(BatchNorm::new(units))
            .add(Dropout::new(0.3))
            .add(Dense::new(units, 3).activation(Activation::Softmax))
    };
    let other = refused(&with(8), Box::new(Adam::new(0.05)));
    let expected = "F: load: the tensors do not match the model:
  dense.kernel: the weight is [6, 8], the tensor [6, 7]; they must be equal";
    assert!(other.starts_with(expected), "{other}");
    assert_eq!(refused(&with(7), Box::new(Sgd::new(0.05))), "F: has adam as optimizer, but the training has sgd");
    let smaller = Sequential::new().add(Dense::new(6, 7));
    let missing = refused(&smaller, Box::new(Adam::new(0.05)));
    assert!(missing.contains("\n  no weight for the tensor dense_1.bias"), "{missing}");
    assert_eq!(Checkpoint::open(&path).unwrap().weights().len(), 8);
}

#[test]
fn a_log_keeps_the_rows_of_a_training_before() {
    let folder = Folder::new("log-before");
    std::fs::create_dir_all(&folder.0).unwrap();
    let (table, lines) = (folder.0.join("log.csv"), folder.0.join("log.jsonl"));
    let logs =
        |fit: Fit<'static>| fit.callback(CsvLog::append(&table).unwrap()).callback(JsonLines::append(&lines).unwrap());
    run(Adam::new(0.05), logs(Fit::epochs(2)));
    let before = [&table, &lines].map(|log| std::fs::read_to_string(log).unwrap());
    // The second training is stopped before its first row.
    let run_folder = folder.0.join("run");
    stopped(Adam::new(0.05), logs(Fit::epochs(2)), 3, &run_folder);
    let latest = Checkpoints::latest(&run_folder).unwrap().unwrap();
    run(Adam::new(0.05), logs(Fit::epochs(2).resume(&latest)));
    for (log, before) in [&table, &lines].into_iter().zip(&before) {
        let after = std::fs::read_to_string(log).unwrap();
        assert!(after.starts_with(before.as_str()), "{after}");
        assert_eq!(after.lines().count(), before.lines().count() + 2, "{after}");
    }
    // From the same checkpoint once more: its rows are replaced, those of the first training stay.
    let after = std::fs::read_to_string(&table).unwrap();
    run(Adam::new(0.05), logs(Fit::epochs(2).resume(&latest)));
    assert_eq!(std::fs::read_to_string(&table).unwrap(), after);
    // A log at another path begins with the resumed epochs.
    let other = folder.0.join("other.csv");
    let fit = Fit::epochs(2).resume(&latest).callback(CsvLog::append(&other).unwrap());
    run(Adam::new(0.05), fit.callback(JsonLines::append(&lines).unwrap()));
    assert_eq!(std::fs::read_to_string(&other).unwrap().lines().count(), 3);
}

#[test]
fn counts_that_would_overflow_are_refused() {
    let folder = Folder::new("counts");
    run(Adam::new(0.05), Fit::epochs(1).checkpoints(Checkpoints::in_folder(&folder.0)));
    let path = Checkpoints::latest(&folder.0).unwrap().unwrap();
    let file = data::safetensors::Safetensors::open(&path).unwrap();
    for key in ["epoch", "batch", "samples", "optimizer.steps", "optimizer.steps.dense.kernel"] {
        let (tensors, mut metadata) = (file.tensors().unwrap(), file.metadata().clone());
        metadata.remove("checksum");
        assert!(metadata.insert(key.into(), u64::MAX.to_string()).is_some(), "{key}");
        let checksum = data::checksum(&tensors, &metadata).unwrap();
        metadata.insert("checksum".into(), format!("{checksum:08x}"));
        let changed = folder.0.join("changed.safetensors");
        let options = data::safetensors::Options { metadata, ..Default::default() };
        data::safetensors::write(&changed, &tensors, &options).unwrap();
        let (model, samples) = (model(), samples());
        let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), Adam::new(0.05));
        trainer = trainer.metric(Accuracy::default());
        let fit = Fit::epochs(2).batch_size(8).verbose(Verbose::Silent).resume(&changed);
        let message = trainer.fit(&samples, fit).unwrap_err().to_string();
        let expected = format!("has {} as {key}, which must be a number below 2^53", u64::MAX);
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[test]
fn loading_weights_from_a_checkpoint_names_the_right_function() {
    let folder = Folder::new("as-weights");
    run(Adam::new(0.05), Fit::epochs(1).checkpoints(Checkpoints::in_folder(&folder.0)));
    let latest = Checkpoints::latest(&folder.0).unwrap().unwrap();
    let message =
        |path: &Path| load_weights(&model(), path).unwrap_err().to_string().replace(folder.0.to_str().unwrap(), "F");
    let right = "Fit::resume continues its training; for the weights alone, pass Checkpoint::open(file)?.weights() to \
                 nn::load";
    assert_eq!(
        message(&latest),
        format!(
            "F/epoch-0001-batch-000000.safetensors: load_weights: it is a training checkpoint, not a file of weights: \
             {right}"
        )
    );
    assert_eq!(
        message(&folder.0),
        format!(
            "F: load_weights: it is a folder, not a file of weights. If it holds checkpoints, Checkpoints::latest gives \
             the last one: {right}"
        )
    );
    // The recommended way works.
    let loaded = model();
    loaded.forward(&Tensor::zeros([1, 6]), Mode::Inference).unwrap();
    nn::load(&loaded, Checkpoint::open(&latest).unwrap().weights()).unwrap();
}

/// A scale and a shift whose names begin alike.
struct Affine {
    scale: Variable,
    offset: Variable,
}

impl Layer for Affine {
    fn forward(&self, input: &Tensor, _mode: Mode) -> tensor::Result<Tensor> {
        input.try_mul(&self.scale)?.try_add(&self.offset)
    }

    fn visit(&self, visitor: &mut nn::Visitor) {
        visitor.weight("scale", &self.scale);
        visitor.weight("scale.offset", &self.offset);
    }
}

#[test]
fn a_path_of_a_weight_may_begin_with_that_of_another() {
    let folder = Folder::new("paths");
    let x = Generator::new(4).normal([20, 3], 0.0, 1.0).unwrap();
    let samples = ArrayDataset::from_tensors(&x, &x).unwrap();
    let run = |fit: Fit<'_>| {
        let model = Affine { scale: Variable::new(Tensor::ones([3])), offset: Variable::new(Tensor::ones([3])) };
        let mut trainer = Trainer::new(&model, nn::MeanSquaredError, Adam::new(0.1));
        trainer.fit(&samples, fit.batch_size(5).verbose(Verbose::Silent)).unwrap();
        bits(&model.named_weights())
    };
    let whole = run(Fit::epochs(2).checkpoints(Checkpoints::in_folder(&folder.0)));
    assert_eq!(run(Fit::epochs(2).resume(folder.0.join("epoch-0001-batch-000000.safetensors"))), whole);
}
