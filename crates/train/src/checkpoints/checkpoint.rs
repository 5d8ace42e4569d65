//! The file format of checkpoints.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use data::escaped;
use data::safetensors::{self, Safetensors};
use tensor::Tensor;

use crate::error::{Error, Result, TrainError};
use crate::history::History;
use crate::state_dict::StateDict;

pub(super) const FORMAT: &str = "training checkpoint";
pub(super) const VERSION: u64 = 1;

/// Everything that a training needs to continue, in one file: weights, states of the optimizer, of random streams and
/// of callbacks, what the fit [keeps](crate::Fit::keep) besides, the history, and the position in the data. It does not
/// hold code: the structure of the model, hyperparameters, data, and callbacks.
///
/// The file is in the safetensors format. Weights are stored under `model.…` and `kept.…`, and the metadata has entries
/// such as `epoch`, `batch` and `optimizer`. The file is [written atomically](data::write_atomically) and has a
/// checksum of all its content.
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) file: String,
    pub(super) notes: BTreeMap<String, String>,
    pub(super) tensors: StateDict,
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a regular file, is not a checkpoint, was written by a later
    /// version, or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let refused = |message: String| TrainError::checkpoint(path, message);
        refuse_irregular(path)?;
        let opened = Safetensors::open(path)?;
        let mut notes = opened.metadata().clone();
        if !is_checkpoint(&notes) {
            return Err(refused(
                "is a safetensors file, but not a training checkpoint; load weights alone by `load_weights`".into(),
            ));
        }
        match notes.get("version").and_then(|version| version.parse::<u64>().ok()) {
            Some(1..=VERSION) => {}
            Some(version) => {
                let message =
                    format!("is a checkpoint of version {version}; this program reads versions up to {VERSION}");
                return Err(refused(message));
            }
            None => return Err(refused("is a checkpoint without a version".into())),
        }
        let tensors = opened.tensors()?;
        let written = notes.remove("checksum");
        let found = format!("{:08x}", data::checksum(&tensors, &notes)?);
        if written.as_ref() != Some(&found) {
            let written = written.as_deref().unwrap_or("none");
            let message = format!("is damaged: its checksum is {found}, but it was written with {}", escaped(written));
            return Err(refused(message));
        }
        Ok(Checkpoint { file, notes, tensors: StateDict::from(&tensors[..]) })
    }

    /// Writes the file, replacing an existing one.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        refuse_irregular(path)?;
        let mut metadata = self.notes.clone();
        let sum = data::checksum(self.tensors.as_slice(), &metadata)?;
        metadata.insert("checksum".into(), format!("{sum:08x}"));
        let options = safetensors::Options { metadata, ..Default::default() };
        safetensors::write(path, self.tensors.as_slice(), &options)
    }

    /// The epoch in which the training continues, from 0.
    ///
    /// # Errors
    /// Returns an error if the file has no valid epoch.
    pub fn epoch(&self) -> Result<usize> {
        self.number("epoch")
    }

    /// The batch of that epoch with which the training continues, from 0.
    ///
    /// # Errors
    /// Returns an error if the file has no valid batch.
    pub fn batch(&self) -> Result<usize> {
        self.number("batch")
    }

    /// The metadata of the file.
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }

    /// The model's weights by path.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        self.tensors.get_tensors("model")
    }

    /// The values that the fit [kept](crate::Fit::keep) besides the model, by name. The weights of a kept model have
    /// its name and their path.
    pub fn kept(&self) -> Vec<(String, Tensor)> {
        self.tensors.get_tensors("kept")
    }

    /// The epochs that had ended.
    ///
    /// # Errors
    /// Returns an error if the columns have different lengths.
    pub fn history(&self) -> Result<History> {
        let mut columns = self.tensors.get_tensors("history");
        columns.sort_by_key(|(name, _)| column_number(name));
        let columns = columns.into_iter().map(|(name, values)| {
            let name = name.split_once('.').map_or("", |(_, name)| name);
            Ok((name.to_owned(), values.to_vec::<f64>()?))
        });
        let history = History::of_columns(columns.collect::<Result<_>>()?);
        history.ok_or_else(|| self.refused("has a history whose columns differ in length"))
    }

    /// The last value of this name in the history of a file; `None` if there is no such file or name. Only the history
    /// is read.
    pub(super) fn last_value(path: &Path, name: &str) -> Result<Option<f64>> {
        if !path.try_exists().map_err(|error| TrainError::file(path, error))? {
            return Ok(None);
        }
        refuse_irregular(path)?;
        let file = Safetensors::open(path)?;
        let is_column = |entry: &&str| {
            let column = entry.strip_prefix("history.").and_then(|column| column.split_once('.'));
            column.is_some_and(|(_, column)| column == name)
        };
        let Some(column) = file.names().find(is_column) else { return Ok(None) };
        Ok(file.tensor(column)?.to_vec::<f64>()?.last().copied())
    }

    /// A count in the metadata.
    pub(super) fn number(&self, key: &str) -> Result<usize> {
        /// Larger counts are not credible, and could overflow when they are incremented.
        const LIMIT: u64 = 1 << 53;
        let Some(note) = self.notes.get(key) else {
            return Err(self.refused(&format!("has no {}", escaped(key))));
        };
        let number = note.parse::<u64>().ok().filter(|number| *number < LIMIT);
        number.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| {
            self.refused(&format!("has {} as {}, which must be a number below 2^53", escaped(note), escaped(key)))
        })
    }

    pub(super) fn refused(&self, message: &str) -> Error {
        Error::from(TrainError::Checkpoint { file: self.file.clone(), message: message.into() })
    }
}

/// Whether this is the metadata of a checkpoint.
pub(crate) fn is_checkpoint(metadata: &BTreeMap<String, String>) -> bool {
    metadata.get("format").is_some_and(|format| format == FORMAT)
}

/// Returns an error if the path exists but is not a regular file: opening a pipe would block until its other end is
/// opened.
fn refuse_irregular(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(TrainError::checkpoint(path, "is not a regular file; a checkpoint must be one"))
        }
        _ => Ok(()),
    }
}

fn column_number(name: &str) -> usize {
    name.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}
