//! When checkpoints are written, and which of them are kept.

mod capture;
mod checkpoint;
mod folder_lock;
mod keys;
mod restore;

use std::fs;
use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};

pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::is_checkpoint;

use self::folder_lock::FolderLock;
use crate::callbacks::{Callback, Monitor};
use crate::error::{Error, Result, TrainError};
use crate::history::History;
use crate::training_state::TrainingState;

/// When a fit writes checkpoints into a folder, and which of them it keeps. Combines `ModelCheckpoint` and
/// `BackupAndRestore` of Keras.
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
/// A file is named after the epoch and the batch with which the training continues, such as
/// `epoch-0003-batch-000000.safetensors`; the best one is `best.safetensors`. Logs, plots and `best.safetensors` of an
/// epoch are written before its checkpoint. So whenever the process is killed, these files are at least as new as the
/// latest checkpoint, and a resumed training repeats what is newer.
///
/// A fit locks the folder while it runs. A second fit, in this process or another one, gets an error instead of mixing
/// its files with those of the first. The lock is a lock of the operating system on the file `.lock`: it ends with the
/// process, and the file may stay. On a file system without locks the fit prints a warning. Temporary files that a
/// killed process has left in the folder are removed.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    every_batches: Option<usize>,
    keep: usize,
    best: Option<Best>,
    lock: Option<FolderLock>,
}

#[derive(Debug)]
struct Best {
    monitor: Monitor,
    /// The value of the epoch in `best.safetensors`; none before a new training has written the file.
    value: Option<f64>,
}

const SUFFIX: &str = ".safetensors";

impl Checkpoints {
    /// Writes a checkpoint after each epoch and keeps all of them. The folder is created if it does not exist.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Checkpoints {
        Checkpoints { folder: folder.into(), every_batches: None, keep: usize::MAX, best: None, lock: None }
    }

    /// Also writes a checkpoint every `batches` batches of an epoch.
    #[must_use]
    pub fn every_batches(self, batches: usize) -> Checkpoints {
        Checkpoints { every_batches: Some(batches), ..self }
    }

    /// Deletes all but the last `count` checkpoints, at least one, whenever a checkpoint is written.
    #[must_use]
    pub fn keep_last(self, count: usize) -> Checkpoints {
        Checkpoints { keep: count.max(1), ..self }
    }

    /// Also keeps the checkpoint of the best epoch, as `best.safetensors`. A resumed training compares its epochs with
    /// the one in this file. If it continues from the end of an epoch that is better, or the file does not exist, it
    /// writes the file first.
    #[must_use]
    pub fn keep_best(self, monitor: impl Into<Monitor>) -> Checkpoints {
        Checkpoints { best: Some(Best { monitor: monitor.into(), value: None }), ..self }
    }

    /// The latest checkpoint in a folder, by epoch and batch; `None` if there is none or the folder does not exist.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read.
    pub fn latest(folder: impl AsRef<Path>) -> Result<Option<PathBuf>> {
        Ok(listed(folder.as_ref())?.pop())
    }

    /// Checks the options and locks the folder when a training begins. Keeps the lock if it is called again after an
    /// error.
    pub(crate) fn take_folder(&mut self) -> Result<()> {
        if let Some(best) = &self.best {
            best.monitor.check()?;
        }
        if self.every_batches == Some(0) {
            return Err(TrainError::trainer("checkpoints: every_batches is 0; it must be at least 1".into()));
        }
        if self.lock.is_none() {
            fs::create_dir_all(&self.folder).map_err(|source| self.failed("cannot create the folder", source))?;
            self.lock = Some(FolderLock::take(&self.folder)?);
            data::remove_abandoned(&self.folder)?;
        }
        Ok(())
    }

    /// Returns an error if the folder has checkpoints of a training that has got further than this one: `latest` would
    /// not find those of this one.
    pub(crate) fn refuse_further(&self, epoch: usize, batch: usize) -> Result<()> {
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        match Self::latest(&self.folder)?.as_ref().and_then(name) {
            Some(latest) if place(&latest) > Some((epoch as u64, batch as u64)) => {
                let message = format!(
                    "has {latest}, of a training that is further than this one, at epoch {epoch}, batch {batch}; \
                     resume from it, or use another folder"
                );
                Err(TrainError::checkpoint(&self.folder, message))
            }
            _ => Ok(()),
        }
    }

    /// Notes that the training continues from this checkpoint.
    pub(crate) fn resumed_from(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let path = self.best_path();
        let Some(best) = &mut self.best else { return Ok(()) };
        best.value = Checkpoint::last_value(&path, best.monitor.name())?;
        match checkpoint.batch()? {
            0 => self.write_if_best(checkpoint, &checkpoint.history()?),
            _ => Ok(()),
        }
    }

    pub(crate) fn after_batch(
        &mut self,
        training: &TrainingState<'_>,
        callbacks: &[Box<dyn Callback + '_>],
    ) -> Result<()> {
        match self.every_batches {
            Some(batches) if training.batch.is_multiple_of(batches) => self.save(training, callbacks),
            _ => Ok(()),
        }
    }

    pub(crate) fn after_epoch(
        &mut self,
        training: &TrainingState<'_>,
        callbacks: &[Box<dyn Callback + '_>],
    ) -> Result<()> {
        let checkpoint = Checkpoint::capture(training, callbacks)?;
        // First, because a training that is resumed from the checkpoint of this epoch does not repeat this.
        self.write_if_best(&checkpoint, &training.history)?;
        self.write(&checkpoint, training)
    }

    /// Writes a checkpoint now.
    pub(crate) fn save(&self, training: &TrainingState<'_>, callbacks: &[Box<dyn Callback + '_>]) -> Result<()> {
        self.write(&Checkpoint::capture(training, callbacks)?, training)
    }

    /// Writes `checkpoint` as the best one if the last epoch of `history` is the best.
    fn write_if_best(&mut self, checkpoint: &Checkpoint, history: &History) -> Result<()> {
        let path = self.best_path();
        let Some(best) = &mut self.best else { return Ok(()) };
        let value = best.monitor.last(history)?;
        if best.monitor.is_better(value, best.value.unwrap_or(best.monitor.worst()), 0.0) {
            checkpoint.write(&path)?;
            best.value = Some(value);
        }
        Ok(())
    }

    fn write(&self, checkpoint: &Checkpoint, training: &TrainingState<'_>) -> Result<()> {
        let (epoch, batch) = (training.epoch, training.batch);
        checkpoint.write(&self.folder.join(format!("epoch-{epoch:04}-batch-{batch:06}{SUFFIX}")))?;
        let files = listed(&self.folder)?;
        for old in &files[..files.len().saturating_sub(self.keep)] {
            match fs::remove_file(old) {
                // It was deleted by someone else.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                deleted => deleted.map_err(|source| self.failed("cannot delete an old checkpoint", source))?,
            }
        }
        Ok(())
    }

    fn best_path(&self) -> PathBuf {
        self.folder.join(format!("best{SUFFIX}"))
    }

    fn failed(&self, action: &str, source: IoError) -> Error {
        TrainError::checkpoint(&self.folder, format!("{action}: {source}"))
    }
}

/// The checkpoints in a folder, ordered by epoch and batch. Includes only regular files and links to them: opening a
/// pipe would block until its other end is opened.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source: IoError| TrainError::checkpoint(folder, format!("cannot read the folder: {source}"));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if let Some(place) = path.file_name().and_then(|name| place(name.to_str()?))
            && path.is_file()
        {
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
