//! A standard error stream that cannot be written does not end a training.
#![cfg(unix)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data::ArrayDataset;
use nn::{Dense, MeanSquaredError, Sequential};
use optim::Sgd;
use tensor::Tensor;
use train::{Checkpoints, Fit, Trainer};

/// The environment variable with the child's folder. Without it, the child's test does nothing.
const FOLDER: &str = "TRAIN_TEST_STDERR_FOLDER";

/// Trains for 3 epochs and prints a line for each, as the stream is not a terminal.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let model = Sequential::new().add(Dense::new(1, 1));
    let samples = ArrayDataset::from_tensors(&Tensor::ones([4, 1]), &Tensor::zeros([4, 1])).unwrap();
    let fit = Fit::epochs(3).checkpoints(Checkpoints::in_folder(folder));
    Trainer::new(&model, MeanSquaredError, Sgd::new(0.01)).fit(&samples, fit).unwrap();
}

fn start(folder: &Path, stderr: impl Into<Stdio>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("train-stderr-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn ends_well(mut child: Child, folder: &Path) {
    assert!(child.wait().unwrap().success());
    assert!(folder.join("epoch-0003-batch-000000.safetensors").exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_does_not_end_a_training() {
    let folder = folder("full");
    let full = File::options().write(true).open("/dev/full").unwrap();
    ends_well(start(&folder, full), &folder);
}

#[test]
fn a_closed_pipe_does_not_end_a_training() {
    let folder = folder("gone");
    let mut child = start(&folder, Stdio::piped());
    drop(child.stderr.take());
    ends_well(child, &folder);
}

#[test]
fn checkpoints_come_before_the_line_of_their_epoch() {
    let folder = folder("order");
    let mut child = start(&folder, Stdio::piped());
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    let mut epochs = lines.filter(|line| line.starts_with("epoch ")).enumerate();
    let (epoch, line) = epochs.next().unwrap();
    assert!(line.starts_with("epoch 0 of 3: "), "{line}");
    assert!(folder.join(format!("epoch-{:04}-batch-000000.safetensors", epoch + 1)).exists());
    assert_eq!(epochs.count(), 2);
    ends_well(child, &folder);
}
