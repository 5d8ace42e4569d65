//! A process that is killed at random moments loses no checkpoint, and leaves no file behind its checkpoint.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use data::ArrayDataset;
use nn::{Dense, MeanSquaredError, Sequential};
use optim::Adam;
use tensor::{Generator, Tensor};
use train::{Checkpoint, Checkpoints, CsvLog, EarlyStopping, Fit, JsonLines, SavePlot, Trainer, Verbose};

/// The environment variable with the child's folder. Without it, the child's test does nothing.
const FOLDER: &str = "TRAIN_TEST_KILL_FOLDER";

/// Trains endlessly from the latest checkpoint, with a checkpoint of about a megabyte after each batch.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let model = Sequential::new().add(Dense::new(100, 800));
    let samples = ArrayDataset::from_tensors(&Tensor::ones([4, 100]), &Tensor::zeros([4, 800])).unwrap();
    let checkpoints = Checkpoints::in_folder(&folder).every_batches(1).keep_last(2);
    let mut fit = Fit::epochs(usize::MAX).batch_size(1).checkpoints(checkpoints).verbose(Verbose::Silent);
    if let Some(latest) = Checkpoints::latest(&folder).unwrap() {
        fit = fit.resume(latest);
    }
    Trainer::new(&model, MeanSquaredError, Adam::new(0.01)).fit(&samples, fit).unwrap();
}

/// The environment variable with the folder of the child that writes all kinds of files.
const ALL_FILES: &str = "TRAIN_TEST_KILL_ALL_FILES";

#[test]
fn child_with_all_files() {
    let Some(folder) = std::env::var_os(ALL_FILES).map(PathBuf::from) else { return };
    train_with_all_files(&folder);
}

/// Trains 80 epochs from the latest checkpoint, and writes logs, a plot, the best weights and two checkpoints in each.
fn train_with_all_files(folder: &Path) {
    tensor::random::seed(1);
    let model = Sequential::new().add(Dense::new(20, 30));
    let samples = ArrayDataset::from_tensors(&Tensor::ones([4, 20]), &Tensor::zeros([4, 30])).unwrap();
    let checkpoints = Checkpoints::in_folder(folder).every_batches(1).keep_last(2).keep_best("loss");
    let (table, lines) = (folder.join("log.csv"), folder.join("log.jsonl"));
    let latest = Checkpoints::latest(folder).unwrap();
    let (csv, json) = match latest {
        Some(_) => (CsvLog::append(table).unwrap(), JsonLines::append(lines).unwrap()),
        None => (CsvLog::create(table).unwrap(), JsonLines::create(lines).unwrap()),
    };
    let mut fit = Fit::epochs(80)
        .batch_size(2)
        .verbose(Verbose::Silent)
        .callback(csv)
        .callback(json)
        .callback(SavePlot::new(folder.join("plot.svg")))
        .callback(EarlyStopping::new("loss").patience(99).restore_best_weights())
        .checkpoints(checkpoints);
    if let Some(latest) = latest {
        fit = fit.resume(latest);
    }
    Trainer::new(&model, MeanSquaredError, Adam::new(0.05)).fit(&samples, fit).unwrap();
    train::save_weights(&model, folder.join("restored.safetensors")).unwrap();
}

#[test]
fn kills_leave_the_files_of_a_training_that_never_stopped() {
    let folders = ["whole", "parts"].map(|name| {
        let folder = std::env::temp_dir().join(format!("train-kill-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    });
    let [whole, parts] = &folders;
    train_with_all_files(whole);
    let mut generator = Generator::new(2);
    let mut kills = 0;
    loop {
        let mut child = start("child_with_all_files", ALL_FILES, parts);
        // Longer each time, so that it ends on any machine.
        let wait = generator.uniform([], 5.0..30.0).unwrap().item().unwrap() + f64::from(kills);
        std::thread::sleep(Duration::from_secs_f64(wait / 1000.0));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        kills += 1;
    }
    assert!(kills > 3, "the kills came too late to show anything: {kills}");
    let files = |folder: &Path| {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let written = paths.filter(|path| !path.ends_with(".lock"));
        let mut files: Vec<_> =
            written.map(|path| (path.file_name().unwrap().to_owned(), std::fs::read(&path).unwrap())).collect();
        files.sort();
        files
    };
    let [expected, found] = [whole, parts].map(|folder| files(folder));
    let names = |files: &[(std::ffi::OsString, Vec<u8>)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (found, expected) in found.iter().zip(&expected) {
        assert!(found == expected, "{} differs after {kills} kills", found.0.display());
    }
    folders.iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
}

/// Starts this program as a process that runs one of its tests in this folder.
fn start(test: &str, variable: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact"])
        .env(variable, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn fifty_kills_lose_nothing() {
    let folder = std::env::temp_dir().join(format!("train-kill-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut generator = Generator::new(1);
    let mut furthest = (0, 0);
    let mut steps = 0;
    for _ in 0..50 {
        let mut child = start("child", FOLDER, &folder);
        let wait = generator.uniform([], 10.0..80.0).unwrap().item().unwrap();
        std::thread::sleep(Duration::from_secs_f64(wait / 1000.0));
        child.kill().unwrap();
        child.wait().unwrap();
        // All files are complete, and not behind earlier checkpoints.
        let reached = places(&folder).into_iter().max().unwrap_or_default();
        assert!(reached >= furthest, "{reached:?} after {furthest:?}");
        steps += usize::from(reached > furthest);
        furthest = reached;
    }
    assert!(steps > 10, "the kills came too early to show anything: {steps}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The positions of the checkpoints in a folder. Reads each of them completely.
fn places(folder: &Path) -> Vec<(usize, usize)> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let whole = paths.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    whole
        .map(|path| {
            let checkpoint = Checkpoint::open(path).unwrap();
            (checkpoint.epoch().unwrap(), checkpoint.batch().unwrap())
        })
        .collect()
}
