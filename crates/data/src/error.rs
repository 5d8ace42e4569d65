//! What can be wrong with data.

use std::io;
use std::ops::Range;

pub use tensor::{Error, Result};
use tensor::{Escaped, escaped};

/// What is wrong with data from outside, and where. Functions return it as the [other](tensor::Error::other) error in
/// an [`Error`], which [`downcast_ref`](tensor::Error::downcast_ref) takes out again.
///
/// It prints as one line of bounded length, in which whatever comes from a file is [`escaped`](crate::escaped).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file that cannot be read or written.
    #[error("{}: {action}: {}", escaped(.file), line(&.source.to_string()))]
    File {
        /// The file.
        file: String,
        /// What was being done, such as `cannot open`.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file whose content is not what its format says.
    #[error("{}: at byte {offset}: {}", escaped(.file), line(.expected))]
    Format {
        /// The file, or the name under which the bytes were given.
        file: String,
        /// Where, in bytes from the start (of what was unpacked, if the file is compressed).
        offset: u64,
        /// What was found, and what was expected.
        expected: String,
    },
    /// A table in text, such as CSV, with something wrong in a row.
    #[error("{}: line {line}{}: {}", escaped(.file), in_column(.column), self::line(.problem))]
    Row {
        /// The file, or the name under which the bytes were given.
        file: String,
        /// The line on which the row begins, from 1.
        line: u64,
        /// The column, if it is one that is wrong.
        column: Option<String>,
        /// What was found, and what would be right.
        problem: String,
    },
    /// A data set that cannot be used as it is asked to be.
    #[error("{}", line(.0))]
    Dataset(String),
}

/// A message on one line. What it quotes from files is bounded where it is quoted; this bounds what lists many of these.
fn line(message: &str) -> Escaped<'_> {
    escaped(message).at_most(4000)
}

fn in_column(column: &Option<String>) -> String {
    column.as_ref().map_or(String::new(), |name| format!(", column {}", escaped(name)))
}

impl DataError {
    /// A [`DataError::File`].
    pub(crate) fn file(file: impl Into<String>, action: &'static str, source: io::Error) -> Error {
        DataError::File { file: file.into(), action, source }.into()
    }

    /// A [`DataError::Dataset`].
    pub(crate) fn dataset(message: String) -> Error {
        DataError::Dataset(message).into()
    }

    /// A [`DataError::Dataset`] about something that a file of a format has no room for.
    pub(crate) fn cannot_hold(file: &str, what: &str) -> Error {
        DataError::dataset(format!("{file}: cannot hold {what}"))
    }

    /// A [`DataError::Format`].
    pub(crate) fn format(file: &str, offset: u64, expected: impl Into<String>) -> Error {
        DataError::Format { file: file.into(), offset, expected: expected.into() }.into()
    }
}

/// The error for the number of a sample that a data set of `count` samples does not have.
pub(crate) fn no_sample(sample: usize, count: usize) -> Error {
    DataError::dataset(format!("there is no sample {sample} among {count}"))
}

/// The error for a range that exceeds a data set of `count` samples.
pub(crate) fn no_range(range: Range<usize>, count: usize) -> Error {
    DataError::dataset(format!("there are no samples {range:?} among {count}"))
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Error {
        Error::other(error)
    }
}

/// Names from a file, for a message: as many as fit into one.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>) -> String {
    const MOST: usize = 20;
    let count = names.len();
    let shown: Vec<String> = names.take(MOST).map(|name| escaped(name.as_ref()).at_most(50).to_string()).collect();
    let shown = shown.join(", ");
    match count {
        0 => "none".into(),
        count if count > MOST => format!("{shown} and {} more", count - MOST),
        _ => shown,
    }
}

/// A text from a file for a message: as much as fits into one.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
