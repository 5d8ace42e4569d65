//! Opening of data files.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{DataError, Result};

/// Opens a file for reading.
///
/// # Errors
/// Returns an error if the file cannot be opened or is not a regular file. Opening a FIFO would block until a process
/// writes to it, and reading a device may never end.
pub(crate) fn open(path: &Path) -> Result<File> {
    let opened = || {
        // Checked before opening, because opening would block.
        let file_type = fs::metadata(path)?.file_type();
        match file_type.is_file() {
            true => File::open(path),
            false => {
                let message = format!("it is {}, not a regular file", kind(file_type));
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
        }
    };
    opened().map_err(|source| DataError::file(path.display().to_string(), "cannot open", source))
}

#[cfg(unix)]
fn kind(file_type: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match file_type {
        _ if file_type.is_dir() => "a folder",
        _ if file_type.is_fifo() => "a FIFO",
        _ if file_type.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn kind(file_type: fs::FileType) -> &'static str {
    if file_type.is_dir() { "a folder" } else { "a device" }
}
