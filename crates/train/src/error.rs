//! Errors of training.

use std::path::{Path, PathBuf};

pub use tensor::{Error, Result};
use tensor::{Escaped, escaped};

/// An error of a training. Functions return it as the [other](tensor::Error::other) error in an [`Error`];
/// [`downcast_ref`](tensor::Error::downcast_ref) gives it back:
///
/// ```
/// use train::{Result, TrainError};
///
/// fn diverged<T>(result: &Result<T>) -> bool {
///     let error = result.as_ref().err().and_then(|error| error.downcast_ref::<TrainError>());
///     matches!(error, Some(TrainError::Loss { .. }))
/// }
/// # assert!(!diverged(&Ok(())));
/// ```
///
/// It prints as one line of bounded length. Names, paths and text from files are [`escaped`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss is NaN or infinite. The optimizer made no step with this batch, so weights and optimizer are unchanged.
    #[error(
        "the loss became {loss} in epoch {epoch}, batch {batch}, with the learning rate {learning_rate:?}; {}",
        line(.origin)
    )]
    Loss {
        /// NaN or an infinity.
        loss: f64,
        /// The epoch, from 0.
        epoch: usize,
        /// The batch of that epoch, from 0.
        batch: usize,
        /// The current learning rate.
        learning_rate: f64,
        /// Where the first NaN or infinite element is: in the data, a weight, the output of a layer, or the loss.
        origin: String,
    },
    /// A checkpoint cannot be written, read or used.
    #[error("{}: {}", line(.file), line(.message))]
    Checkpoint {
        /// The file or its folder.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {}", line(&.path.to_string_lossy()), line(&.source.to_string()))]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system or of the reader.
        source: std::io::Error,
    },
    /// An option, a model or a value that a training cannot use.
    #[error("{}", line(.0))]
    Trainer(String),
}

/// A message on one line. Texts that it quotes are usually shortened already; this bounds lists of them.
fn line(message: &str) -> Escaped<'_> {
    escaped(message).at_most(4000)
}

impl TrainError {
    /// A [`TrainError::Checkpoint`] about a file or a folder.
    pub(crate) fn checkpoint(file: &Path, message: impl Into<String>) -> Error {
        TrainError::Checkpoint { file: file.display().to_string(), message: message.into() }.into()
    }

    /// A [`TrainError::File`].
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Error {
        TrainError::File { path: path.to_owned(), source }.into()
    }

    /// A [`TrainError::Trainer`].
    pub(crate) fn trainer(message: String) -> Error {
        TrainError::Trainer(message).into()
    }
}

impl From<TrainError> for Error {
    fn from(error: TrainError) -> Error {
        Error::other(error)
    }
}
