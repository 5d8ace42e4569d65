//! When checkpoints are written, and which of them are kept.

use std::fs;
use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};

use crate::callbacks::Monitor;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, TrainError};
use crate::folder_lock::FolderLock;
use crate::history::History;
use crate::training::Training;

/// When a fit writes checkpoints into a folder, and which of them it keeps. As Keras' `ModelCheckpoint` and
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
/// A file is named after the epoch and the batch with which the training goes on, such as
/// `epoch-0003-batch-000000.safetensors`; the best one is `best.safetensors`. Callbacks, so also logs and plots, come
/// before the checkpoint of their epoch, and `best.safetensors` is written before it too: whenever the process is
/// killed, what a resumed training finds in these files is at least as new as its checkpoint, and what is newer comes
/// again.
///
/// A fit locks the folder from its beginning to its end, so that a second one, in this process or another, is refused
/// instead of mixing its files with those of the first. The lock is a lock of the operating system on the file `.lock`:
/// it ends with the process, however that ends, and the file that stays does not matter. On a file system without locks
/// the fit prints a warning. Temporary files that a killed process has left in the folder are removed.
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
    /// The value of the epoch in `best.safetensors`; none before this training, which does not go on from another, has
    /// written it.
    value: Option<f64>,
}

const SUFFIX: &str = ".safetensors";

impl Checkpoints {
    /// Writes a checkpoint after each epoch and keeps all of them. The folder is created if it does not exist.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Checkpoints {
        Checkpoints { folder: folder.into(), every_batches: None, keep: usize::MAX, best: None, lock: None }
    }

    /// Also writes one each time this many batches of an epoch are done.
    #[must_use]
    pub fn every_batches(self, batches: usize) -> Checkpoints {
        Checkpoints { every_batches: Some(batches), ..self }
    }

    /// Deletes all but the last `count` checkpoints each time one is written; at least one is kept.
    #[must_use]
    pub fn keep_last(self, count: usize) -> Checkpoints {
        Checkpoints { keep: count.max(1), ..self }
    }

    /// Also keeps the checkpoint after the best epoch, as `best.safetensors`. A resumed training compares its epochs
    /// with the one in this file. If it continues from the end of an epoch, and that epoch is better or there is no such
    /// file, it begins by writing it.
    #[must_use]
    pub fn keep_best(self, monitor: impl Into<Monitor>) -> Checkpoints {
        Checkpoints { best: Some(Best { monitor: monitor.into(), value: None }), ..self }
    }

    /// The checkpoint in a folder from which a training goes on the latest; `None` if there is none, or no such folder.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read.
    pub fn latest(folder: impl AsRef<Path>) -> Result<Option<PathBuf>> {
        Ok(listed(folder.as_ref())?.pop())
    }

    /// Takes the folder for a training that begins. Called again, after an error, it keeps the lock.
    pub(crate) fn take_folder(&mut self) -> Result<()> {
        if let Some(best) = &self.best {
            best.monitor.check()?;
        }
        if self.every_batches == Some(0) {
            return Err(TrainError::trainer("checkpoints: every 0 batches; it must be 1 at least".into()));
        }
        if self.lock.is_none() {
            fs::create_dir_all(&self.folder).map_err(|source| self.failed("cannot make the folder", source))?;
            self.lock = Some(FolderLock::take(&self.folder)?);
            data::remove_abandoned(&self.folder)?;
        }
        Ok(())
    }

    /// Checks, before a training that begins here, that its checkpoints will be told from those in the folder.
    pub(crate) fn refuse_further(&self, epoch: usize, batch: usize) -> Result<()> {
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        match Self::latest(&self.folder)?.as_ref().and_then(name) {
            Some(latest) if place(&latest) > Some((epoch as u64, batch as u64)) => {
                let message = format!(
                    "has {latest}, of a training that is further than this one, at epoch {epoch}, batch {batch}; \
                     resume from it, or take another folder"
                );
                Err(TrainError::checkpoint(&self.folder, message))
            }
            _ => Ok(()),
        }
    }

    /// The training goes on from this checkpoint.
    pub(crate) fn resumed_from(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let path = self.best_path();
        let Some(best) = &mut self.best else { return Ok(()) };
        best.value = Checkpoint::last_value(&path, best.monitor.name())?;
        match checkpoint.batch()? {
            0 => self.write_if_best(checkpoint, &checkpoint.history()?),
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
        let checkpoint = Checkpoint::of(training)?;
        // Before the epoch's own: a training that goes on from that one does not come here again.
        self.write_if_best(&checkpoint, &training.history)?;
        self.write(&checkpoint, training)
    }

    pub(crate) fn now(&mut self, training: &Training<'_>) -> Result<()> {
        self.write(&Checkpoint::of(training)?, training)
    }

    /// Writes a checkpoint, which was taken after the last epoch of this history, as the best one if it is.
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

    fn write(&self, checkpoint: &Checkpoint, training: &Training<'_>) -> Result<()> {
        let (epoch, batch) = (training.epoch, training.batch);
        checkpoint.write(&self.folder.join(format!("epoch-{epoch:04}-batch-{batch:06}{SUFFIX}")))?;
        let files = listed(&self.folder)?;
        for old in &files[..files.len().saturating_sub(self.keep)] {
            match fs::remove_file(old) {
                // Somebody else has deleted it.
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

/// The checkpoints in a folder, in the order in which trainings go on from them. Only regular files count, or links to
/// them: opening a pipe would wait for its other end.
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
