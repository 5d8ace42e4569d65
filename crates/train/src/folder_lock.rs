//! One training at a time in a folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Result, TrainError};
use crate::progress::say;

/// The name of the locked file.
const NAME: &str = ".lock";

/// The lock of a folder, held until this is dropped.
///
/// It is a lock of the operating system on a file in the folder, so it ends with the process, however that ends. The
/// file stays: it could not be removed without another process taking the lock of a removed file.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock. On a file system without locks this is a warning.
    ///
    /// # Errors
    /// Returns an error if somebody else holds the lock, or the file cannot be made.
    pub(crate) fn take(folder: &Path) -> Result<FolderLock> {
        let refused = |message: String| TrainError::checkpoint(folder, message);
        let path = folder.join(NAME);
        // Opening a pipe would wait for its other end, and a link would have another file overwritten.
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

/// Writes down who holds the lock, for the message of those who come later. They can do without.
fn note_holder(file: &mut File) {
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
}

/// The process that has written itself down, if there is one.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}
