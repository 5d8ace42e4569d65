//! A training resumes from the files of an earlier version and ends as an uninterrupted one.
//!
//! `tests/fixtures` was written by `examples/write_old_files.rs`. Its numbers are compared within the rounding of
//! float32, because bits may differ between instruction sets; names and notes are compared exactly.

mod training;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nn::{Layer, Mode};
use tensor::{DType, Tensor};
use train::{Checkpoint, load_weights, read_tensors};

const LATEST: &str = "epoch-0001-batch-000003.safetensors";
const LAST: &str = "epoch-0003-batch-000000.safetensors";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Checks that both have the same names in the same order, and equal numbers up to the rounding of float32.
fn assert_close(found: &[(String, Tensor)], expected: &[(String, Tensor)]) {
    let names = |tensors: &[(String, Tensor)]| {
        tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.dtype(), tensor.shape().to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(found), names(expected));
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        let numbers = |tensor: &Tensor| tensor.cast(DType::F64).to_vec::<f64>().unwrap();
        for (found, expected) in numbers(found).into_iter().zip(numbers(expected)) {
            assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{name}: {found}, not {expected}");
        }
    }
}

/// The notes, without those that were added later.
fn notes(checkpoint: &Checkpoint) -> BTreeMap<String, String> {
    let mut notes = checkpoint.notes().clone();
    notes.remove("optional_callbacks");
    notes
}

#[test]
fn a_checkpoint_of_an_earlier_version_is_resumed_to_the_same_end() {
    let folder = std::env::temp_dir().join(format!("train-old-files-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let old = fixtures().join("stopped");
    fs::copy(old.join("log.csv"), folder.join("log.csv")).unwrap();

    let model = training::model();
    let history = training::run(&model, &folder, Some(&old.join(LATEST)), false).unwrap();
    assert_eq!((history.epochs(), history.stopped()), (3, None));

    let whole = fixtures().join("whole");
    let [found, expected] = [&folder, &whole].map(|folder| folder.join(LAST));
    assert_eq!(notes(&Checkpoint::open(&found).unwrap()), notes(&Checkpoint::open(&expected).unwrap()));
    assert_close(&read_tensors(&found).unwrap(), &read_tensors(&expected).unwrap());
    // Early stopping has restored the weights of the best epoch.
    assert_close(&nn::state(&model), &read_tensors(fixtures().join("weights.safetensors")).unwrap());

    let epochs = |folder: &Path| {
        let log = fs::read_to_string(folder.join("log.csv")).unwrap();
        log.lines().map(|line| line.split(',').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(epochs(&folder), ["epoch", "0", "1", "2"]);
    assert_eq!(epochs(&folder), epochs(&whole));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn weights_of_an_earlier_version_are_loaded() {
    let model = training::model();
    let images = Tensor::full([2, 4, 4, 1], 0.5);
    model.forward(&images, Mode::Inference).unwrap();
    let path = fixtures().join("weights.safetensors");
    load_weights(&model, &path).unwrap();
    assert_eq!(nn::state(&model).len(), 15);
    let tensors = read_tensors(&path).unwrap();
    for ((name, loaded), (_, written)) in nn::state(&model).iter().zip(&tensors) {
        assert_eq!(loaded.to_vec::<f32>().unwrap(), written.to_vec::<f32>().unwrap(), "{name}");
    }
    assert_eq!(
        nn::state(&model).iter().map(|(name, _)| name).collect::<Vec<_>>(),
        tensors.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
}
