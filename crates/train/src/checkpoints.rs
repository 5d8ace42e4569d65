//! When checkpoints are written, and which are kept.

use std::fs;
use std::path::{Path, PathBuf};

use crate::callbacks::Monitor;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, TrainError};
use crate::training::Training;

/// When a fit writes checkpoints into a folder, and which it keeps. As Keras' `ModelCheckpoint` and
/// `BackupAndRestore` together.
///
/// ```no_run
/// use train::{Checkpoints, Fit};
///
/// let mut fit = Fit::epochs(100).checkpoints(Checkpoints::in_folder("run").keep_last(3).keep_best("val_loss"));
/// if let Some(latest) = Checkpoints::latest("run")? {
///     fit = fit.resume(latest);
/// }
/// # Ok::<(), train::Error>(())
/// ```
///
/// A file is named after the epoch and the batch with which the training goes on, `epoch-0003-batch-000000.safetensors`;
/// the best has the name `best.safetensors` besides.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    every_batches: Option<usize>,
    keep: usize,
    best: Option<Best>,
}

#[derive(Debug)]
struct Best {
    monitor: Monitor,
    value: Option<f64>,
}

const SUFFIX: &str = ".safetensors";

impl Checkpoints {
    /// One after each epoch, all of them kept. The folder is made if there is none.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Checkpoints {
        Checkpoints { folder: folder.into(), every_batches: None, keep: usize::MAX, best: None }
    }

    /// Also one after so many batches of an epoch.
    #[must_use]
    pub fn every_batches(self, batches: usize) -> Checkpoints {
        Checkpoints { every_batches: Some(batches), ..self }
    }

    /// Deletes all but the last few, each time one was written; at least one is kept.
    #[must_use]
    pub fn keep_last(self, count: usize) -> Checkpoints {
        Checkpoints { keep: count.max(1), ..self }
    }

    /// Keeps that after the best epoch as well, as `best.safetensors`.
    #[must_use]
    pub fn keep_best(self, monitor: impl Into<Monitor>) -> Checkpoints {
        Checkpoints { best: Some(Best { monitor: monitor.into(), value: None }), ..self }
    }

    /// The one in a folder that goes on the latest; nothing if there is none, or no such folder.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn latest(folder: impl AsRef<Path>) -> Result<Option<PathBuf>> {
        Ok(listed(folder.as_ref())?.pop())
    }

    /// Checks, before a training that begins here, that it can be told from others in the folder.
    pub(crate) fn check(&self, epoch: usize, batch: usize) -> Result<()> {
        if let Some(best) = &self.best {
            best.monitor.check()?;
        }
        if self.every_batches == Some(0) {
            return Err(TrainError::trainer("checkpoints: every 0 batches; it must be 1 at least".into()));
        }
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        match Self::latest(&self.folder)?.as_ref().and_then(name) {
            Some(latest) if place(&latest) > Some((epoch as u64, batch as u64)) => {
                Err(Error::from(TrainError::Checkpoint {
                    file: self.folder.display().to_string(),
                    message: format!(
                        "has {latest}, of a training that is further than this one, at epoch {epoch}, batch {batch}; \
                     resume from it, or take another folder"
                    ),
                }))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn after_batch(&mut self, training: &Training<'_>) -> Result<()> {
        match self.every_batches {
            Some(batches) if training.batch.is_multiple_of(batches) => self.now(training),
            _ => Ok(()),
        }
    }

    pub(crate) fn after_epoch(&mut self, training: &Training<'_>) -> Result<()> {
        let checkpoint = self.write(training)?;
        let Some(best) = &mut self.best else { return Ok(()) };
        let history = &training.history;
        let before = match best.value {
            Some(value) => value,
            // Of epochs before this run too, if it was resumed.
            None => best.monitor.best_before_last(history),
        };
        let value = best.monitor.last(history)?;
        if best.monitor.is_better(value, before, 0.0) {
            checkpoint.write(&self.folder.join(format!("best{SUFFIX}")))?;
            best.value = Some(value);
        } else {
            best.value = Some(before);
        }
        Ok(())
    }

    pub(crate) fn now(&mut self, training: &Training<'_>) -> Result<()> {
        self.write(training).map(drop)
    }

    fn write(&self, training: &Training<'_>) -> Result<Checkpoint> {
        let failed = |action: &str, source: std::io::Error| {
            Error::from(TrainError::Checkpoint {
                file: self.folder.display().to_string(),
                message: format!("{action}: {source}"),
            })
        };
        fs::create_dir_all(&self.folder).map_err(|source| failed("cannot make the folder", source))?;
        let checkpoint = Checkpoint::of(training)?;
        let (epoch, batch) = (training.epoch, training.batch);
        checkpoint.write(&self.folder.join(format!("epoch-{epoch:04}-batch-{batch:06}{SUFFIX}")))?;
        let files = listed(&self.folder)?;
        for old in &files[..files.len().saturating_sub(self.keep)] {
            fs::remove_file(old).map_err(|source| failed("cannot delete an old checkpoint", source))?;
        }
        Ok(checkpoint)
    }
}

/// The checkpoints in a folder, in the order in which trainings go on from them.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source: std::io::Error| {
        Error::from(TrainError::Checkpoint {
            file: folder.display().to_string(),
            message: format!("cannot read the folder: {source}"),
        })
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if let Some(place) = path.file_name().and_then(|name| place(name.to_str()?)) {
            found.push((place, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The epoch and the batch in the name of a file.
fn place(name: &str) -> Option<(u64, u64)> {
    let (epoch, batch) = name.strip_prefix("epoch-")?.strip_suffix(SUFFIX)?.split_once("-batch-")?;
    Some((epoch.parse().ok()?, batch.parse().ok()?))
}
