//! A process that is killed while it writes checkpoints loses none that were there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use data::ArrayDataset;
use nn::{Dense, MeanSquaredError, Sequential};
use optim::Adam;
use tensor::{Generator, Tensor};
use train::{Checkpoint, Checkpoints, Fit, Trainer, Verbose};

/// Where the child finds its folder; without it the child's test does nothing.
const FOLDER: &str = "TRAIN_TEST_KILL_FOLDER";

/// Trains without end, from where it was, with a checkpoint of about a megabyte after each batch.
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

#[test]
fn fifty_kills_lose_nothing() {
    let folder = std::env::temp_dir().join(format!("train-kill-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut generator = Generator::new(1);
    let mut furthest = (0, 0);
    let mut steps = 0;
    for _ in 0..50 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact"])
            .env(FOLDER, &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait = generator.uniform([], 10.0..80.0).unwrap().item().unwrap();
        std::thread::sleep(Duration::from_secs_f64(wait / 1000.0));
        child.kill().unwrap();
        child.wait().unwrap();
        // Whatever is there is whole, and not behind what was there before.
        let reached = places(&folder).into_iter().max().unwrap_or_default();
        assert!(reached >= furthest, "{reached:?} after {furthest:?}");
        steps += usize::from(reached > furthest);
        furthest = reached;
    }
    assert!(steps > 10, "the kills came too early to show anything: {steps}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Where trainings go on from the checkpoints in a folder, each of which is read whole.
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
