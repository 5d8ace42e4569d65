//! Atomic replacement of files.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::{DataError, Result};

/// Writes a file atomically. `write` fills a temporary file in the same folder, which is then synced and renamed to the
/// name of the file. If the process is killed or the power fails, the file has either the old or the new content.
///
/// The name of the temporary file is `.tmp-`, the process id, and a counter. The file is removed if writing fails. If
/// the process is killed, the file stays and is never read; [`remove_abandoned`] removes such files. The permissions of
/// an existing file are kept, and symbolic links are followed. A path that is not a regular file, such as
/// `/dev/stdout`, cannot be replaced and is written to directly.
///
/// ```
/// use std::io::Write;
///
/// let path = std::env::temp_dir().join("written-atomically.txt");
/// data::write_atomically(&path, |file| writeln!(file, "all or nothing"))?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "all or nothing\n");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), data::Error>(())
/// ```
///
/// # Errors
/// Returns an error, and leaves an existing file unchanged, if the file cannot be written, for example because its
/// folder is missing or the disk is full, or if `write` fails.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, write).map_err(|source| DataError::file(path.display().to_string(), "cannot write", source))
}

fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return fill(OpenOptions::new().write(true).open(path)?, write).map(drop);
    }
    let target = if old.is_some() { fs::canonicalize(path)? } else { path.to_path_buf() };
    // The parent of a bare name is the empty path.
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (temporary, file) = create_beside(folder)?;
    let replaced = (|| {
        if let Some(old) = old {
            file.set_permissions(old.permissions())?;
        }
        // The file stays open, and so locked, until it is renamed.
        let file = fill(file, write)?;
        file.sync_all()?;
        fs::rename(&temporary, &target)?;
        sync_folder(folder)
    })();
    if replaced.is_err() {
        // The original error matters more than a failure to remove the file.
        let _ = fs::remove_file(&temporary);
    }
    replaced
}

fn fill(file: File, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<File> {
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    write(&mut writer)?;
    writer.flush()?;
    writer.into_inner().map_err(|error| error.into_error())
}

/// The prefix of the names of temporary files.
const TEMPORARY: &str = ".tmp-";

/// Creates a temporary file under a free name and locks it while it is open. The lock tells [`remove_abandoned`] that
/// the file is in use.
fn create_beside(folder: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let path = folder.join(format!("{TEMPORARY}{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed)));
        let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            // Left behind by an earlier process with the same id.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        match file.try_lock() {
            // `remove_abandoned` in another process has found the file before it was locked, and removes it.
            Err(TryLockError::WouldBlock) => {}
            Ok(()) if fs::symlink_metadata(&path).is_err() => {}
            // On a file system without locks, no file counts as abandoned.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok((path, file)),
        }
    }
}

/// Removes the temporary files that killed processes have left in a folder. Files that are still being written, by any
/// process, are locked and stay, as do all files on a file system without locks.
///
/// # Errors
/// Returns an error if the folder cannot be read. Files that cannot be removed stay.
pub fn remove_abandoned(folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    let failed = |source| DataError::file(folder.display().to_string(), "cannot read the folder", source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Opening a pipe would block until its other end is opened.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_temporary(&entry.file_name()) {
            let _ = remove_unlocked(&entry.path());
        }
    }
    Ok(())
}

fn is_temporary(name: &OsStr) -> bool {
    let numbers = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY)?.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(process, count)| is_number(process) && is_number(count))
}

/// Removes a file unless its lock is held.
fn remove_unlocked(path: &Path) -> io::Result<()> {
    // Some file systems only lock files that are open for writing, but the file may be read-only, like the one that it
    // was meant to replace.
    let file = OpenOptions::new().write(true).open(path).or_else(|_| File::open(path))?;
    file.try_lock()?;
    // Removed while it is locked, so that a writer that has just created the file cannot lock it in between.
    fs::remove_file(path)
}

/// Makes a renaming durable. On Unix, it is stored in the folder, which must be synced like a file.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
