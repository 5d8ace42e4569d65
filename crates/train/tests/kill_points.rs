//! A training that ends between any two of the files that it writes after an epoch, and is resumed, leaves the files of
//! one that never stopped.

use std::path::{Path, PathBuf};

use data::{ArrayDataset, Dataset};
use nn::{Activation, Dense, Layer, Sequential, SparseCategoricalCrossentropy};
use optim::Adam;
use tensor::{Generator, Tensor};
use train::{
    Callback, Checkpoints, CsvLog, EarlyStopping, Fit, JsonLines, Result, SavePlot, Trainer, TrainingState, Verbose,
};

const EPOCHS: usize = 5;

/// The files that are written after an epoch, in this order. A training ends at each of them. `Best` is written if the
/// epoch is the best.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    CsvLog,
    JsonLines,
    Plot,
    Best,
    Checkpoint,
    NextEpoch,
}

const POINTS: [Point; 6] =
    [Point::CsvLog, Point::JsonLines, Point::Plot, Point::Best, Point::Checkpoint, Point::NextEpoch];

/// Returns an error before a point of an epoch, which leaves the files of a kill there.
struct Ends {
    point: Point,
    at: Option<(usize, Point)>,
    folder: PathBuf,
}

impl Ends {
    /// A folder in place of a file, so that the file cannot be written. The original file is moved aside.
    fn block(&self, name: &str) {
        let path = self.folder.join(name);
        if path.exists() {
            std::fs::rename(&path, path.with_extension("aside")).unwrap();
        }
        std::fs::create_dir(path).unwrap();
    }
}

/// Any error.
fn end() -> Result<()> {
    Tensor::zeros([1]).reshape([2])?;
    Ok(())
}

/// Removes the folders that stand in place of files.
fn unblock(folder: &Path) {
    let paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in paths.iter().filter(|path| path.is_dir()) {
        std::fs::remove_dir(path).unwrap();
        let aside = path.with_extension("aside");
        if aside.exists() {
            std::fs::rename(aside, path).unwrap();
        }
    }
}

impl Callback for Ends {
    fn name(&self) -> &str {
        "ends"
    }

    fn on_epoch_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        match self.at {
            Some((epoch, Point::NextEpoch)) if training.epoch() == epoch + 1 => {
                Err(train::TrainError::Trainer("end".into()).into())
            }
            _ => Ok(()),
        }
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, _: &[(String, f64)]) -> Result<()> {
        match self.at {
            Some((epoch, point)) if training.epoch() == epoch && point == self.point => match point {
                Point::Best => self.block("best.safetensors"),
                Point::Checkpoint => self.block(&format!("epoch-{:04}-batch-000000.safetensors", epoch + 1)),
                Point::NextEpoch => {}
                Point::CsvLog | Point::JsonLines | Point::Plot => return end(),
            },
            _ => {}
        }
        Ok(())
    }
}

/// The learning rate is so large that not every epoch improves.
const LARGE_RATE: f64 = 0.3;

/// Trains in a folder from its latest checkpoint, if there is one. Returns the final weights.
fn train(folder: &Path, rate: f64, at: Option<(usize, Point)>) -> Result<Vec<Vec<f32>>> {
    let run = folder.join("run");
    let mut generator = Generator::new(3);
    let features = generator.normal([50, 6], 0.0, 1.0)?;
    let samples = ArrayDataset::from_tensors(&features, &generator.integers([50], 0..3)?)?.shuffle(11);
    tensor::random::seed(5);
    let model = Sequential::new().add(Dense::new(6, 7).activation(Activation::Tanh)).add(Dense::new(7, 3));

    let latest = Checkpoints::latest(&run)?;
    let (table, lines) = (folder.join("log.csv"), folder.join("log.jsonl"));
    let (csv, json) = match latest {
        Some(_) => (CsvLog::append(table)?, JsonLines::append(lines)?),
        None => (CsvLog::create(table)?, JsonLines::create(lines)?),
    };
    let ends = |point| Ends { point, at, folder: run.clone() };
    let mut fit = Fit::epochs(EPOCHS)
        .batch_size(8)
        .verbose(Verbose::Silent)
        .checkpoints(Checkpoints::in_folder(&run).keep_last(2).keep_best("loss"))
        .callback(EarlyStopping::new("loss").patience(9).restore_best_weights())
        .callback(ends(Point::CsvLog))
        .callback(csv)
        .callback(ends(Point::JsonLines))
        .callback(json)
        .callback(ends(Point::Plot))
        .callback(SavePlot::new(folder.join("plot.svg")))
        .callback(ends(Point::Best))
        .callback(ends(Point::Checkpoint))
        .callback(ends(Point::NextEpoch));
    if let Some(latest) = latest {
        fit = fit.resume(latest);
    }
    Trainer::new(&model, SparseCategoricalCrossentropy::from_logits(), Adam::new(rate)).fit(&samples, fit)?;
    model.weights().iter().map(|weight| weight.value().to_vec::<f32>()).collect()
}

/// All files with their content.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in [folder.to_owned(), folder.join("run")] {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let written = paths.filter(|path| path.is_file() && !path.ends_with(".lock"));
        files.extend(written.map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(&path).unwrap())
        }));
    }
    files.sort();
    files
}

#[test]
fn resumed_trainings_leave_the_files_of_one_that_never_stopped() {
    let folder = |name: &str| {
        let folder = std::env::temp_dir().join(format!("train-kill-points-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("run")).unwrap();
        folder
    };
    let whole = folder("whole");
    let weights = train(&whole, LARGE_RATE, None).unwrap();
    let expected = files(&whole);
    let names: Vec<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let last = ["epoch-0004-batch-000000.safetensors", "epoch-0005-batch-000000.safetensors"];
    assert_eq!(names, ["best.safetensors", last[0], last[1], "log.csv", "log.jsonl", "plot.svg"]);

    let mut ended = 0;
    for epoch in 0..EPOCHS {
        for point in POINTS {
            let parts = folder("parts");
            if train(&parts, LARGE_RATE, Some((epoch, point))).is_err() {
                ended += 1;
                unblock(&parts.join("run"));
                assert_eq!(train(&parts, LARGE_RATE, None).unwrap(), weights, "{point:?} of epoch {epoch}");
            } else {
                unblock(&parts.join("run"));
            }
            let found = files(&parts);
            let differ: Vec<&str> = found.iter().zip(&expected).filter(|(a, b)| a != b).map(|(a, _)| &*a.0).collect();
            assert!(found == expected, "{point:?} of epoch {epoch}: {differ:?}");
            std::fs::remove_dir_all(&parts).unwrap();
        }
    }
    // Every epoch but the last one leads to the next; the best file is written only for the best epochs.
    assert!((EPOCHS * 5..EPOCHS * 6 - 1).contains(&ended), "{ended}");
    std::fs::remove_dir_all(&whole).unwrap();
}

#[test]
fn a_best_checkpoint_that_is_missing_or_worse_is_made_up_for() {
    let folder = std::env::temp_dir().join(format!("train-kill-points-missing-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("run")).unwrap();
    let rate = 0.01;
    train(&folder, rate, Some((1, Point::NextEpoch))).unwrap_err();
    let best = folder.join("run/best.safetensors");
    let second = std::fs::read(folder.join("run/epoch-0002-batch-000000.safetensors")).unwrap();
    assert!(std::fs::read(&best).unwrap() == second, "the second epoch is the best");
    // Like a program that writes the file last and is killed before.
    for worse in [None, Some("run/epoch-0001-batch-000000.safetensors")] {
        match worse {
            Some(worse) => std::fs::copy(folder.join(worse), &best).map(drop).unwrap(),
            None => std::fs::remove_file(&best).unwrap(),
        }
        train(&folder, rate, Some((2, Point::CsvLog))).unwrap_err();
        assert!(std::fs::read(&best).unwrap() == second);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
