//! What can go wrong while training.

use data::Batch;
use nn::{Layer, Mode, first_non_finite};
use tensor::{DType, Tensor};

use crate::fit::BatchEnd;
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
        "the loss became {loss} in epoch {epoch}, batch {batch}, with the learning rate {learning_rate:?}; {origin}"
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
        /// What has the first such elements: the data, a weight, a layer or the loss itself.
        origin: String,
    },
    /// A checkpoint that cannot be written, read or used.
    #[error("{file}: {message}")]
    Checkpoint {
        /// The file or its folder.
        file: String,
        /// What is wrong with it.
        message: String,
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
    /// Any of these, in the part of a training that is named.
    #[error("{part}: {error}")]
    Within {
        /// The part: a callback, for example.
        part: String,
        /// What went wrong there.
        error: Box<Error>,
    },
}

impl Error {
    /// The same with the part of the training in front in which it happened.
    pub(crate) fn context(self, part: impl Into<String>) -> Error {
        Error::Within { part: part.into(), error: Box::new(self) }
    }

    /// An [`Error::Loss`]; looks for where it comes from.
    pub(crate) fn loss(end: &BatchEnd, learning_rate: f64, model: &dyn Layer, batch: &Batch) -> Error {
        let origin = if !batch.targets.all_finite() {
            "the targets have NaN or infinite elements".into()
        } else if let Some(weights) = batch.weights.as_ref().filter(|weights| !weights.all_finite()) {
            not_finite_weight(weights)
        } else {
            first_non_finite(model, &batch.features, batch.mask.as_ref(), Mode::Training)
                .unwrap_or_else(|| "the predictions are finite".into())
        };
        Error::Loss { loss: end.loss, epoch: end.epoch, batch: end.batch, learning_rate, origin }
    }

    /// What went wrong with this file.
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Error {
        Error::File { path: path.to_owned(), source }
    }
}

/// The first weight of a sample that is NaN or infinite.
fn not_finite_weight(weights: &Tensor) -> String {
    let values = weights.cast(DType::F64).to_vec::<f64>().unwrap_or_default();
    match values.iter().position(|weight| !weight.is_finite()) {
        Some(flat) => {
            let sample = weights.shape().unravel_index(flat).first().copied().unwrap_or(0);
            format!("the weight of sample {sample} of the batch is {}", values[flat])
        }
        None => "the sample weights have NaN or infinite elements".into(),
    }
}

// `unwrap` and `fn main() -> Result<()>` print this: the sentence, not the structure.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
