//! Text files to which lines are appended.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Error as IoError, Read, Result as IoResult, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tensor::Tensor;

use crate::error::{Error, Result, TrainError};
use crate::state_dict::StateDict;

/// The most bytes of a line that are held in memory, and the most that are cut off as an incomplete line.
const MOST: u64 = 1 << 20;

/// How many bytes of a line are read to find its epoch.
const BEGINNING: u64 = 64;

/// The name of [`LogFile::start`] in a checkpoint.
const START: &str = "start";

/// A file of lines, most of which begin with the number of an epoch. Each line is handed to the operating system before
/// the next one is written.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// The text before the number of the epoch in a line.
    before_epoch: &'static str,
    /// Whether the existing lines will be removed.
    is_replaced: bool,
    /// The length of the file when the training began, if that is known: lines before it belong to other trainings.
    start: Option<u64>,
}

impl LogFile {
    /// Replaces the file if it exists. Its lines are removed when the first line is written or rewound, so a training
    /// that is refused changes nothing.
    pub(super) fn create(path: &Path, before_epoch: &'static str) -> Result<LogFile> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| TrainError::file(path, error))?;
        Ok(LogFile { path: path.to_owned(), file, before_epoch, is_replaced: true, start: None })
    }

    /// Appends to the file, which must begin with `signature` if it exists. A last line without a line break is cut
    /// off: it was being written when its process was killed.
    pub(super) fn append(path: &Path, signature: &str, before_epoch: &'static str) -> Result<LogFile> {
        let failed = |error: IoError| TrainError::file(path, error);
        // Reading from a pipe would block until its other end is opened.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(failed(IoError::other("is not a regular file; a log must be one")));
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed)?;
        let mut log = LogFile { path: path.to_owned(), file, before_epoch, is_replaced: false, start: None };
        let mut begin = Vec::new();
        (&log.file).take(signature.len() as u64).read_to_end(&mut begin).map_err(failed)?;
        if !signature.as_bytes().starts_with(&begin) {
            return Err(failed(IoError::other(format!("does not begin with {signature:?}, so it is not such a log"))));
        }
        log.cut(None)?;
        Ok(log)
    }

    /// Notes that a training begins here.
    pub(super) fn begin(&mut self) -> Result<()> {
        let length = if self.is_replaced { Ok(0) } else { self.file.seek(SeekFrom::End(0)) };
        self.start = Some(length.map_err(|error| self.error(error))?);
        Ok(())
    }

    /// The state for a checkpoint: where the lines of this training begin.
    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = StateDict::default();
        if let Some(start) = self.start {
            state.put_count(START, start as usize);
        }
        state.into_inner()
    }

    pub(super) fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.start = Some(StateDict::from(state).get_count(START)? as u64);
        Ok(())
    }

    /// The first line with its line break, if there is one.
    pub(super) fn first(&mut self) -> Result<Option<Vec<u8>>> {
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

    /// Removes the lines from an epoch on, because the epoch will be repeated. If several trainings have written to the
    /// file one after the other, this concerns only the lines of the last one.
    pub(super) fn rewind(&mut self, epoch: usize) -> Result<()> {
        self.start = match (self.is_replaced, self.start) {
            (true, _) => Some(0),
            (false, Some(start)) if self.is_line_start(start).map_err(|error| self.error(error))? => Some(start),
            // The file was not written by this training, or its state is not known.
            (false, _) => None,
        };
        self.cut(Some(epoch))
    }

    fn is_line_start(&self, offset: u64) -> IoResult<bool> {
        let Some(before) = offset.checked_sub(1) else { return Ok(true) };
        let mut file = &self.file;
        let mut byte = Vec::new();
        file.seek(SeekFrom::Start(before))?;
        file.take(1).read_to_end(&mut byte)?;
        Ok(byte == b"\n")
    }

    /// Cuts the file before the line in which the last training reaches this epoch, and in any case before an
    /// incomplete last line.
    fn cut(&mut self, epoch: Option<usize>) -> Result<()> {
        self.replace()?;
        let end = self.end(epoch).and_then(|end| {
            self.file.set_len(end)?;
            self.file.seek(SeekFrom::Start(end))
        });
        end.map(drop).map_err(|error| self.error(error))
    }

    /// The end of the lines that stay.
    fn end(&self, epoch: Option<usize>) -> IoResult<u64> {
        let mut file = &self.file;
        let mut end = self.start.unwrap_or(0);
        file.seek(SeekFrom::Start(end))?;
        let mut reader = BufReader::new(file);
        let (mut previous, mut reached) = (None, None);
        loop {
            let line = Line::read(&mut reader)?;
            if !line.is_whole {
                if line.length > MOST {
                    let message = format!(
                        "ends with {} bytes without a line break, too many for the incomplete line of a killed process; \
                         nothing was cut off",
                        line.length
                    );
                    return Err(IoError::other(message));
                }
                return Ok(reached.unwrap_or(end));
            }
            if let Some(written) = epoch_of(&line.beginning, self.before_epoch) {
                // Another training begins where the epochs do not increase.
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

    /// Writes a line, which must end with a line break.
    pub(super) fn write(&mut self, line: &[u8]) -> Result<()> {
        self.replace()?;
        self.file.write_all(line).map_err(|error| self.error(error))
    }

    fn replace(&mut self) -> Result<()> {
        match std::mem::take(&mut self.is_replaced) {
            true => self.file.set_len(0).map_err(|error| self.error(error)),
            false => Ok(()),
        }
    }

    pub(super) fn error(&self, error: IoError) -> Error {
        TrainError::file(&self.path, error)
    }
}

/// The beginning and the length of a line.
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

/// The number after `before` at the beginning of a line.
fn epoch_of(line: &[u8], before: &str) -> Option<usize> {
    let digits = line.strip_prefix(before.as_bytes())?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}
