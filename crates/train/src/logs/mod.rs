//! Files that receive a row for each epoch.
//!
//! Each log is a [`Callback`](crate::Callback): it writes the values of the epoch and the learning rate. A resumed
//! training repeats the epochs after its checkpoint, so its logs drop the rows of these epochs first.

mod csv_log;
mod json_lines;
mod log_file;
mod tensorboard;

use std::collections::HashSet;
use std::io::{Error as IoError, Result as IoResult};

pub use csv_log::CsvLog;
pub use json_lines::JsonLines;
pub use tensorboard::TensorBoard;

use crate::history::EPOCH_COLUMN;
use crate::training_state::TrainingState;

/// The values of an epoch, followed by the learning rate.
fn with_learning_rate<'v>(training: &TrainingState<'_>, values: &'v [(String, f64)]) -> Vec<(&'v str, f64)> {
    let rate = ("learning_rate", training.optimizer.learning_rate());
    values.iter().map(|(name, value)| (name.as_str(), *value)).chain([rate]).collect()
}

/// Returns an error if two values have the same name, or one is named like the column of epoch numbers.
fn check_names(values: &[(&str, f64)]) -> IoResult<()> {
    let mut names = HashSet::from([EPOCH_COLUMN]);
    match values.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) => {
            Err(IoError::other(format!("two columns are named {}; names must be unique", printable(name))))
        }
        None => Ok(()),
    }
}

/// A name as logs contain it: people read them in terminals.
fn printable(name: &str) -> String {
    data::escaped(name).to_string()
}
