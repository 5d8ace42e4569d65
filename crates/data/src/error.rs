//! Errors of data.

use std::io;
use std::ops::Range;

pub use tensor::{Error, Result};
use tensor::{Escaped, escaped};

/// An error in external data, with its position. Functions return it as the [other](tensor::Error::other) error in an
/// [`Error`]; [`downcast_ref`](tensor::Error::downcast_ref) gives it back.
///
/// It prints as one line of bounded length. Text from files is [`escaped`](crate::escaped).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file cannot be read or written.
    #[error("{}: {action}: {}", escaped(.file), line(&.source.to_string()))]
    File {
        /// The file.
        file: String,
        /// The failed action, such as `cannot open`.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The content of a file does not have the expected format.
    #[error("{}: at byte {offset}: {}", escaped(.file), line(.expected))]
    Format {
        /// The file, or the name that was given with the bytes.
        file: String,
        /// The offset in bytes from the start; in a compressed file, of the unpacked content.
        offset: u64,
        /// What was found, and what was expected.
        expected: String,
    },
    /// A row of a text table such as CSV is invalid.
    #[error("{}: line {line}{}: {}", escaped(.file), in_column(.column), self::line(.problem))]
    Row {
        /// The file, or the name that was given with the bytes.
        file: String,
        /// The line on which the row begins, from 1.
        line: u64,
        /// The column, if the error concerns a single one.
        column: Option<String>,
        /// What was found, and what would be right.
        problem: String,
    },
    /// A data set cannot be used in the requested way.
    #[error("{}", line(.0))]
    Dataset(String),
}

/// A message on one line. Quoted texts are shortened where they are quoted; this bounds lists of them.
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

    /// A [`DataError::Dataset`] for something that a file format cannot represent.
    pub(crate) fn cannot_hold(file: &str, what: &str) -> Error {
        DataError::dataset(format!("{file}: cannot hold {what}"))
    }

    /// A [`DataError::Format`].
    pub(crate) fn format(file: &str, offset: u64, expected: impl Into<String>) -> Error {
        DataError::Format { file: file.into(), offset, expected: expected.into() }.into()
    }
}

/// The error for an index outside a data set of `count` samples.
pub(crate) fn no_sample(sample: usize, count: usize) -> Error {
    DataError::dataset(format!("there is no sample {sample} among {count}"))
}

/// The error for a range outside a data set of `count` samples.
pub(crate) fn no_range(range: Range<usize>, count: usize) -> Error {
    DataError::dataset(format!("there are no samples {range:?} among {count}"))
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Error {
        Error::other(error)
    }
}

/// Lists names from a file in a message. At most 20 are shown.
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

/// Quotes a text from a file in a message, shortened to 40 characters.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
