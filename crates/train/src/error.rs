//! What can go wrong while training.

use data::Batch;
use nn::{Layer, Mode, first_non_finite};
use tensor::{DType, Tensor};

use crate::fit::BatchEnd;
use std::path::{Path, PathBuf};

pub use tensor::{Error, Result};

/// What is wrong with a training. Functions return it as the [other](tensor::Error::other) error in an [`Error`], which
/// [`downcast_ref`](tensor::Error::downcast_ref) takes out again:
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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss is NaN or infinite. No step was taken with the batch: weights and optimizer are as before it.
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
}

impl TrainError {
    /// A [`TrainError::Loss`]; looks for where it comes from.
    pub(crate) fn loss(end: &BatchEnd, learning_rate: f64, model: &dyn Layer, batch: &Batch) -> Error {
        let origin = if !batch.targets.all_finite() {
            "the targets have NaN or infinite elements".into()
        } else if let Some(weights) = batch.weights.as_ref().filter(|weights| !weights.all_finite()) {
            not_finite_weight(weights)
        } else {
            first_non_finite(model, &batch.features, batch.mask.as_ref(), Mode::Training)
                .unwrap_or_else(|| "the predictions are finite".into())
        };
        TrainError::Loss { loss: end.loss, epoch: end.epoch, batch: end.batch, learning_rate, origin }.into()
    }

    /// What is wrong with a checkpoint, or with the folder of checkpoints.
    pub(crate) fn checkpoint(file: &Path, message: impl Into<String>) -> Error {
        TrainError::Checkpoint { file: file.display().to_string(), message: message.into() }.into()
    }

    /// What went wrong with this file.
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
