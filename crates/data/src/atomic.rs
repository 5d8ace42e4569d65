//! Writing files so that nobody ever sees half of one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::{DataError, Result};

/// Writes a file whole or not at all: `write` fills a temporary file beside it, which is synced and
/// takes the place of the old one by being renamed. Whenever the process is killed or the power
/// fails, there is the old file or the new one.
///
/// The temporary file is called `.tmp-`, the number of the process, and a count. A failure removes
/// it; one that a killed process left may be deleted, and is never read. Permissions of the old file
/// are kept and symbolic links followed. A path that is no plain file, as `/dev/stdout`, cannot be
/// replaced and is written to directly.
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
/// If the file cannot be written, as when its folder is missing or the disk is full, or if `write`
/// fails. Then the old file is as it was.
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
        // Closed before it is renamed, as some systems want it.
        fill(file, write)?.sync_all()?;
        fs::rename(&temporary, &target)?;
        sync_folder(folder)
    })();
    if replaced.is_err() {
        // What failed matters more than that the rest of it stays; after the renaming it is gone anyway.
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

/// A new file of a name that nobody else has.
fn create_beside(folder: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!(".tmp-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            // Left by a process of the same number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => return Ok((path, file?)),
        }
    }
}

/// Makes a renaming last: on Unix it is part of the folder, which is synced as files are.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
