//! What can be wrong with data.

use std::io;

use tensor::{Escaped, escaped};

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with data from outside, and where.
///
/// It prints as one line of bounded length, in which whatever comes from a file is [`escaped`](crate::escaped).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// An operation on tensors that failed.
    #[error(transparent)]
    Tensor(#[from] tensor::Error),
}

/// A message on one line. What it quotes from files is bounded where it is quoted; this bounds what lists many of these.
fn line(message: &str) -> Escaped<'_> {
    escaped(message).at_most(4000)
}

fn in_column(column: &Option<String>) -> String {
    column.as_ref().map_or(String::new(), |name| format!(", column {}", escaped(name)))
}

impl Error {
    /// An [`Error::File`].
    pub(crate) fn file(file: impl Into<String>, action: &'static str, source: io::Error) -> Error {
        Error::File { file: file.into(), action, source }
    }

    /// An [`Error::Dataset`] about something that a file of a format has no room for.
    pub(crate) fn cannot_hold(file: &str, what: &str) -> Error {
        Error::Dataset(format!("{file}: cannot hold {what}"))
    }

    /// An [`Error::Format`].
    pub(crate) fn format(file: &str, offset: u64, expected: impl Into<String>) -> Error {
        Error::Format { file: file.into(), offset, expected: expected.into() }
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
