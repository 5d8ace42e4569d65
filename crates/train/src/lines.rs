//! Files that grow by lines.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file of which each line is on its way to the disk before the next one is written.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// A new file, in place of one that may be there.
    pub(crate) fn create(path: &Path) -> Result<Lines> {
        let file = File::create(path).map_err(|error| Error::file(path, error))?;
        Ok(Lines { path: path.to_owned(), file })
    }

    /// A file to write on to, if there is one, and its first line. A last line without an end, which
    /// was being written when its program was killed, is cut off.
    pub(crate) fn append(path: &Path) -> Result<(Lines, Option<Vec<u8>>)> {
        let open = || {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let (mut reader, mut line, mut first, mut end) = (BufReader::new(&file), Vec::new(), None, 0);
            while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
                end += line.len() as u64;
                first.get_or_insert_with(|| line.clone());
                line.clear();
            }
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
            Ok((file, first))
        };
        let (file, first) = open().map_err(|error| Error::file(path, error))?;
        Ok((Lines { path: path.to_owned(), file }, first))
    }

    /// Writes a line, whose end it has.
    pub(crate) fn write(&mut self, line: &[u8]) -> Result<()> {
        self.file.write_all(line).map_err(|error| self.error(error))
    }

    pub(crate) fn error(&self, error: std::io::Error) -> Error {
        Error::file(&self.path, error)
    }
}
