//! What can go wrong while training.

use std::path::{Path, PathBuf};

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong: in the training itself, in its data, or in an operation.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation on tensors, a layer or an optimizer failed.
    #[error(transparent)]
    Tensor(#[from] tensor::Error),
    /// Data that cannot be read or used.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The loss is NaN or infinite. The weights are those from before the batch.
    #[error(
        "the loss became {loss} in epoch {epoch}, batch {batch}; lower the learning rate (now {learning_rate:?}), \
         or look for NaN and infinite values in the data"
    )]
    Loss {
        /// NaN or an infinity.
        loss: f64,
        /// The epoch, from 0.
        epoch: usize,
        /// The batch of that epoch, from 0.
        batch: usize,
        /// The learning rate in force.
        learning_rate: f64,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system, or whoever reads it, says.
        source: std::io::Error,
    },
    /// A trainer that cannot do what it is asked to.
    #[error("{0}")]
    Trainer(String),
}

impl Error {
    /// What went wrong with this file.
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Error {
        Error::File { path: path.to_owned(), source }
    }
}

// `unwrap` and `fn main() -> Result<()>` print this: the sentence, not the structure.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
