//! Files that grow by lines.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Error as IoError, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, TrainError};

/// No line of ours is longer.
const LONGEST: u64 = 1 << 20;

/// A file of which each line is on its way to the disk before the next one is written.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// A new file, in place of one that may be there.
    pub(crate) fn create(path: &Path) -> Result<Lines> {
        let file = File::create(path).map_err(|error| TrainError::file(path, error))?;
        Ok(Lines { path: path.to_owned(), file })
    }

    /// A file to write on to, if there is one, and its first line. It must begin with `start`. A last line without an
    /// end, which was being written when its program was killed, is cut off.
    pub(crate) fn append(path: &Path, start: &str) -> Result<(Lines, Option<Vec<u8>>)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut lines = Lines { path: path.to_owned(), file: file.map_err(|error| TrainError::file(path, error))? };
        let mut begin = Vec::new();
        let read = (&lines.file).take(start.len() as u64).read_to_end(&mut begin);
        read.map_err(|error| lines.error(error))?;
        if !start.as_bytes().starts_with(&begin) {
            return Err(lines.error(IoError::other(format!("does not begin with {start:?} and is no such log"))));
        }
        let first = lines.cut(|_| false)?;
        Ok((lines, first))
    }

    /// Cuts off all from the first line that is to go, or else what has no end; the first line.
    pub(crate) fn cut(&mut self, goes: impl Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>> {
        let cut = || {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(0))?;
            let (mut reader, mut first, mut end) = (BufReader::new(file), None, 0);
            loop {
                let mut line = Vec::new();
                (&mut reader).take(LONGEST).read_until(b'\n', &mut line)?;
                if !line.ends_with(b"\n") || goes(&line) {
                    break;
                }
                end += line.len() as u64;
                first.get_or_insert(line);
            }
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
            Ok(first)
        };
        cut().map_err(|error| self.error(error))
    }

    /// Writes a line, whose end it has.
    pub(crate) fn write(&mut self, line: &[u8]) -> Result<()> {
        self.file.write_all(line).map_err(|error| self.error(error))
    }

    pub(crate) fn error(&self, error: IoError) -> Error {
        TrainError::file(&self.path, error)
    }
}

/// The number that a line begins with after `before`.
pub(crate) fn epoch_of(line: &[u8], before: &str) -> Option<usize> {
    let digits = line.strip_prefix(before.as_bytes())?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}
