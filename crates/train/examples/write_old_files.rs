//! Writes the files in `tests/fixtures`, from which `tests/old_files` reads what earlier versions have written. Run it
//! only to add files of a new version under a new name: those that are there must not change.

#[path = "../tests/old_files/training.rs"]
mod training;

use std::fs;
use std::path::PathBuf;

use train::{Result, save_weights};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "fixtures".into()));
    let (stopped, whole) = (folder.join("stopped"), folder.join("whole"));
    for folder in [&stopped, &whole] {
        fs::create_dir_all(folder).expect("the folder can be created");
    }
    training::run(&training::model(), &stopped, None, true)?;
    let model = training::model();
    training::run(&model, &whole, None, false)?;
    save_weights(&model, folder.join("weights.safetensors"))
}
