//! What can be wrong with data.

use std::io;

pub use tensor::{Error, Result};

/// What is wrong with data from outside, and where. Functions return it as the [other](tensor::Error::other) error in
/// an [`Error`], which [`downcast_ref`](tensor::Error::downcast_ref) takes out again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file that cannot be read or written.
    #[error("{file}: {action}: {source}")]
    File {
        /// The file.
        file: String,
        /// What was being done, such as `cannot open`.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file whose content is not what its format says.
    #[error("{file}: at byte {offset}: {expected}")]
    Format {
        /// The file, or the name under which the bytes were given.
        file: String,
        /// Where, in bytes from the start (of what was unpacked, if the file is compressed).
        offset: u64,
        /// What was found, and what was expected.
        expected: String,
    },
    /// A table in text, such as CSV, with something wrong in a row.
    #[error("{file}: line {line}{}: {problem}", column.as_ref().map_or(String::new(), |name| format!(", column {name}")))]
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
    #[error("{0}")]
    Dataset(String),
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

impl From<DataError> for Error {
    fn from(error: DataError) -> Error {
        Error::other(error)
    }
}
