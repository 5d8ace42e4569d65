//! Files that grow by lines.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Error as IoError, Read, Result as IoResult, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, TrainError};

/// The most bytes of a line that are held in memory, and that are cut off as an unfinished one.
const MOST: u64 = 1 << 20;

/// How much of a line is read to find its epoch.
const BEGINNING: u64 = 64;

/// A file to which lines are added, each of which is handed to the system before the next one is written.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
    /// What stands before the number of the epoch in a line.
    before_epoch: &'static str,
    /// Whether the lines that are there are still to be removed.
    is_replaced: bool,
}

impl Lines {
    /// A new file, in place of one that may be there: its lines are removed when the first one is written or forgotten, so
    /// that a training which is refused changes nothing.
    pub(crate) fn create(path: &Path, before_epoch: &'static str) -> Result<Lines> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| TrainError::file(path, error))?;
        Ok(Lines { path: path.to_owned(), file, before_epoch, is_replaced: true })
    }

    /// A file to which lines are added after those that are there, if it exists. It must begin with `start`. A last line
    /// without an end, which was being written when its process was killed, is cut off.
    pub(crate) fn append(path: &Path, start: &str, before_epoch: &'static str) -> Result<Lines> {
        let failed = |error: IoError| TrainError::file(path, error);
        // Reading a pipe would wait for its other end.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(failed(IoError::other("is not a regular file, to which lines can be added")));
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut lines = Lines { path: path.to_owned(), file: file.map_err(failed)?, before_epoch, is_replaced: false };
        let mut begin = Vec::new();
        (&lines.file).take(start.len() as u64).read_to_end(&mut begin).map_err(failed)?;
        if !start.as_bytes().starts_with(&begin) {
            return Err(failed(IoError::other(format!("does not begin with {start:?}, so it is not such a log"))));
        }
        lines.cut(None)?;
        Ok(lines)
    }

    /// The first line, with its end, if there is one.
    pub(crate) fn first(&mut self) -> Result<Option<Vec<u8>>> {
        let mut read = || {
            self.file.seek(SeekFrom::Start(0))?;
            let mut line = Vec::new();
            BufReader::new((&self.file).take(MOST)).read_until(b'\n', &mut line)?;
            self.file.seek(SeekFrom::End(0))?;
            match line.last() {
                None => Ok(None),
                Some(b'\n') => Ok(Some(line)),
                Some(_) => Err(IoError::other(format!("has a header of more than {MOST} bytes"))),
            }
        };
        read().map_err(|error| self.error(error))
    }

    /// Forgets the lines from an epoch on, which is to come again. If several trainings have written into the file, one
    /// after the other, only those of the last one count.
    pub(crate) fn rewind(&mut self, epoch: usize) -> Result<()> {
        self.cut(Some(epoch))
    }

    /// Cuts off all from the line on in which the last training in the file reaches this epoch, and what has no end.
    fn cut(&mut self, epoch: Option<usize>) -> Result<()> {
        self.replace()?;
        let end = self.end(epoch).and_then(|end| {
            self.file.set_len(end)?;
            self.file.seek(SeekFrom::Start(end))
        });
        end.map(drop).map_err(|error| self.error(error))
    }

    /// Where the lines end that are to stay.
    fn end(&self, epoch: Option<usize>) -> IoResult<u64> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(file);
        let (mut end, mut previous, mut reached) = (0, None, None);
        loop {
            let line = Line::read(&mut reader)?;
            if !line.is_whole {
                if line.length > MOST {
                    let message = format!(
                        "ends with {} bytes without a line break, too many for a line that was being written when its \
                         process was killed; nothing was cut off",
                        line.length
                    );
                    return Err(IoError::other(message));
                }
                return Ok(reached.unwrap_or(end));
            }
            if let Some(written) = epoch_of(&line.beginning, self.before_epoch) {
                // Epochs that fall, or stay, are those of another training.
                if previous.is_some_and(|previous| written <= previous) {
                    reached = None;
                }
                previous = Some(written);
                if epoch.is_some_and(|epoch| written >= epoch) {
                    reached = reached.or(Some(end));
                }
            }
            end += line.length;
        }
    }

    /// Writes a line, which has its end.
    pub(crate) fn write(&mut self, line: &[u8]) -> Result<()> {
        self.replace()?;
        self.file.write_all(line).map_err(|error| self.error(error))
    }

    fn replace(&mut self) -> Result<()> {
        match std::mem::take(&mut self.is_replaced) {
            true => self.file.set_len(0).map_err(|error| self.error(error)),
            false => Ok(()),
        }
    }

    pub(crate) fn error(&self, error: IoError) -> Error {
        TrainError::file(&self.path, error)
    }
}

/// What matters of a line, which may be of any length.
struct Line {
    beginning: Vec<u8>,
    length: u64,
    /// Whether it ends with a line break.
    is_whole: bool,
}

impl Line {
    fn read(reader: &mut impl BufRead) -> IoResult<Line> {
        let mut beginning = Vec::new();
        let mut length = reader.by_ref().take(BEGINNING).read_until(b'\n', &mut beginning)? as u64;
        let mut is_whole = beginning.ends_with(b"\n");
        while !is_whole {
            let bytes = reader.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            let line_break = bytes.iter().position(|&byte| byte == b'\n');
            let count = line_break.map_or(bytes.len(), |place| place + 1);
            is_whole = line_break.is_some();
            length += count as u64;
            reader.consume(count);
        }
        Ok(Line { beginning, length, is_whole })
    }
}

/// The number that a line begins with after `before`.
fn epoch_of(line: &[u8], before: &str) -> Option<usize> {
    let digits = line.strip_prefix(before.as_bytes())?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// A name as logs have it, which people read in terminals.
pub(crate) fn shown(name: &str) -> String {
    data::escaped(name).to_string()
}
