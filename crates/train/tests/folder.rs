//! A folder of checkpoints belongs to one training at a time, and other files in it do no harm.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;

use data::ArrayDataset;
use nn::{Dense, MeanSquaredError, Sequential};
use optim::Sgd;
use tensor::{Tensor, tensor};
use train::{Checkpoints, CsvLog, Fit, History, Result, Trainer, Training, Verbose};

/// The environment variable with the child's folder. Without it, the child's test does nothing.
const FOLDER: &str = "TRAIN_TEST_FOLDER";

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("train-folder-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn samples() -> ArrayDataset {
    ArrayDataset::from_tensors(&Tensor::ones([4, 1]), &Tensor::zeros([4, 1])).unwrap()
}

fn fit(options: Fit<'_>) -> Result<History> {
    let (model, samples) = (Sequential::new().add(Dense::new(1, 1)), samples());
    Trainer::new(&model, MeanSquaredError, Sgd::new(0.01)).fit(&samples, options.verbose(Verbose::Silent))
}

fn into(folder: &Path) -> Fit<'static> {
    Fit::epochs(1).checkpoints(Checkpoints::in_folder(folder).keep_last(1).keep_best("loss"))
}

/// The message of an error, with `F` for the folder.
fn refused(result: Result<History>, folder: &Path) -> String {
    result.unwrap_err().to_string().replace(folder.to_str().unwrap(), "F")
}

/// Waits in the first batch, with the folder locked, and never ends.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let wait = into(&folder).on_batch(|_| {
        println!("child: waits");
        std::thread::sleep(Duration::from_secs(600));
    });
    fit(wait).unwrap();
}

#[test]
fn a_second_process_is_refused_and_a_killed_one_leaves_nothing_behind() {
    let folder = Folder::new("process");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(FOLDER, &folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("child: waits")));
    let message = refused(fit(into(&folder.0)), &folder.0);
    let expected = format!(
        "F: another training (process {}) writes its checkpoints here; wait until it ends, or use another folder",
        child.id()
    );
    assert_eq!(message, expected);

    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(folder.0.join(".tmp-4194305-0"), "half a checkpoint").unwrap();
    fit(into(&folder.0)).unwrap();
    assert_eq!(folder.names(), [".lock", "best.safetensors", "epoch-0001-batch-000000.safetensors"]);
}

#[test]
fn two_trainings_of_a_process_do_not_share_a_folder() {
    let folder = Folder::new("two");
    let (model, samples) = (Sequential::new().add(Dense::new(1, 1)), samples());
    let (mut one, mut other) = (Sgd::new(0.01), Sgd::new(0.01));
    let mut first = Training::new(&model, &mut one, into(&folder.0).verbose(Verbose::Silent));
    assert!(first.next_epoch(&samples).unwrap().is_some());
    let mut second = Training::new(&model, &mut other, into(&folder.0).verbose(Verbose::Silent));
    let message = second.next_epoch(&samples).unwrap_err().to_string();
    assert!(message.contains(&format!("another training (process {}) writes", std::process::id())), "{message}");
    drop(first);
    // The second training tries again.
    assert!(second.next_epoch(&samples).unwrap().is_some());
}

#[test]
fn files_deleted_by_others_are_not_an_error() {
    let folder = Folder::new("deleted");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(SeqCst) {
                for name in folder.names().iter().filter(|name| name.starts_with("epoch-")) {
                    let _ = std::fs::remove_file(folder.0.join(name));
                }
            }
        });
        let trained = fit(Fit::epochs(300).checkpoints(Checkpoints::in_folder(&folder.0).keep_last(1)));
        ended.store(true, SeqCst);
        trained.unwrap();
    });
}

#[test]
fn temporary_files_that_are_being_written_stay() {
    let folder = Folder::new("temporary");
    let names = [".tmp-4194305-0", ".tmp-4194305-1", ".tmp-notes", ".tmp-4194305-1.txt"];
    names.iter().for_each(|name| std::fs::write(folder.0.join(name), "half").unwrap());
    let written = std::fs::File::open(folder.0.join(names[1])).unwrap();
    written.lock().unwrap();
    fit(into(&folder.0)).unwrap();
    let left: Vec<String> = folder.names().into_iter().filter(|name| name.starts_with(".tmp")).collect();
    assert_eq!(left, [names[1], names[3], names[2]]);
}

/// Runs `f`; panics if it blocks.
#[cfg(unix)]
fn soon<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(f()));
    receive.recv_timeout(Duration::from_secs(60)).expect("it waits for the other end of a pipe")
}

#[cfg(unix)]
#[test]
fn pipes_do_not_block() {
    let pipe = |folder: &Folder, name: &str| {
        let path = folder.0.join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    };
    // These are ignored.
    let folder = Folder::new("pipes");
    pipe(&folder, "epoch-0009-batch-000000.safetensors");
    pipe(&folder, ".tmp-4194305-0");
    let path = folder.0.clone();
    soon(move || {
        fit(into(&path)).unwrap();
        let latest = Checkpoints::latest(&path).unwrap().unwrap();
        assert!(latest.ends_with("epoch-0001-batch-000000.safetensors"));
        fit(into(&path).resume(latest)).unwrap();
    });

    // These must be written or read.
    let message = |name: &str| {
        let folder = Folder::new("pipe");
        pipe(&folder, name);
        let path = folder.0.clone();
        soon(move || refused(fit(into(&path)), &path))
    };
    let expected = "F: .lock is not a regular file; remove it, or use another folder";
    assert_eq!(message(".lock"), expected);
    for name in ["best.safetensors", "epoch-0001-batch-000000.safetensors"] {
        assert_eq!(message(name), format!("F/{name}: is not a regular file; a checkpoint must be one"));
    }
    let folder = Folder::new("resume");
    let (resumed, path) = (pipe(&folder, "resumed"), folder.0.clone());
    let message = soon(move || refused(fit(Fit::epochs(1).resume(resumed)), &path));
    assert_eq!(message, "F/resumed: is not a regular file; a checkpoint must be one");
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_lock_is_not_followed() {
    let folder = Folder::new("link");
    let other = folder.0.join("thesis");
    std::fs::write(&other, "all of it").unwrap();
    std::os::unix::fs::symlink(&other, folder.0.join(".lock")).unwrap();
    let message = refused(fit(into(&folder.0)), &folder.0);
    assert_eq!(message, "F: .lock is not a regular file; remove it, or use another folder");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "all of it");
}

#[test]
fn a_refused_training_changes_no_log() {
    let folder = std::env::temp_dir().join(format!("refused-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let log = folder.join("log.csv");
    let samples = ArrayDataset::from_tensors(&tensor![[1.0], [2.0]], &tensor![[1.0], [2.0]]).unwrap();
    let model = Sequential::new().add(Dense::new(1, 1));
    let go = || {
        let fit = Fit::epochs(2).verbose(Verbose::Silent).callback(CsvLog::create(&log)?);
        let fit = fit.checkpoints(Checkpoints::in_folder(folder.join("run")));
        Trainer::new(&model, MeanSquaredError, Sgd::new(0.01)).fit(&samples, fit)
    };
    go().unwrap();
    let written = std::fs::read_to_string(&log).unwrap();
    assert_eq!(written.lines().count(), 3);
    let message = go().unwrap_err().to_string();
    assert!(message.contains("of a training that is further than this one"), "{message}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), written);
    std::fs::remove_dir_all(&folder).unwrap();
}
