//! A lock that lets only one training use a folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Result, TrainError};
use crate::progress::say;

/// The name of the locked file.
const NAME: &str = ".lock";

/// A lock on a folder, released on drop.
///
/// It is a lock of the operating system on a file in the folder, so it ends with the process. The file stays: if it
/// were removed, another process could be about to lock the removed file.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock. Prints a warning on a file system without locks.
    ///
    /// # Errors
    /// Returns an error if the lock is held by another training, or the file cannot be created.
    pub(crate) fn take(folder: &Path) -> Result<FolderLock> {
        let refused = |message: String| TrainError::checkpoint(folder, message);
        let path = folder.join(NAME);
        // Opening a pipe would block until its other end is opened, and following a link would overwrite another file.
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(refused(format!("{NAME} is not a regular file; remove it, or use another folder")));
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(|error| refused(format!("cannot lock the folder: {NAME}: {error}")))?;
        match file.try_lock() {
            Ok(()) => note_holder(&mut file),
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file).map_or(String::new(), |process| format!(" (process {process})"));
                return Err(refused(format!(
                    "another training{holder} writes its checkpoints here; wait until it ends, or use another folder"
                )));
            }
            Err(TryLockError::Error(error)) => say(format_args!(
                "warning: {}: the folder cannot be locked ({error}); make sure that no other training writes its \
                 checkpoints there",
                folder.display()
            )),
        }
        Ok(FolderLock { _file: file })
    }
}

/// Writes the process id into the file, for the error message of other processes. It is not essential.
fn note_holder(file: &mut File) {
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
}

/// The process id in the file, if there is one.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}
