//! Losses, as functions and as objects.
//!
//! A function such as [`mean_squared_error`] gives one number a sample: targets and predictions
//! `[batch, …, n]` give `[batch, …]`, reduced over the last axis as in Keras. An object, such as
//! [`MeanSquaredError`], is the same with its settings, as a [`Loss`]; whoever trains takes the
//! [mean](Loss::mean).
//!
//! | function | object | targets |
//! |---|---|---|
//! | [`sparse_categorical_crossentropy`], …`_from_logits` | [`SparseCategoricalCrossentropy`] | class numbers `[…]` |
//! | [`categorical_crossentropy`], …`_from_logits` | [`CategoricalCrossentropy`] | probabilities `[…, classes]` |
//! | [`binary_crossentropy`], …`_from_logits` | [`BinaryCrossentropy`] | probabilities `[…, n]` |
//! | [`mean_squared_error`], [`mean_absolute_error`], [`huber`], [`log_cosh`] | of the same names | `[…, n]` |
//! | [`kl_divergence`] | [`KlDivergence`] | probabilities `[…, n]` |
//!
//! Predictions are floating. Targets that are compared element by element have the shape of the
//! predictions, or lack or have beside it a last axis of size 1, and their type; integers and truth
//! values are converted to it. Errors name the loss and both shapes, and a batch without samples
//! is one of them.

mod binary_crossentropy;
mod categorical_crossentropy;
mod kl_divergence;
mod regression;
mod sparse_categorical_crossentropy;

use tensor::{Error, Result, Tensor};

pub use binary_crossentropy::{BinaryCrossentropy, binary_crossentropy, binary_crossentropy_from_logits};
pub use categorical_crossentropy::{
    CategoricalCrossentropy, categorical_crossentropy, categorical_crossentropy_from_logits,
};
pub use kl_divergence::{KlDivergence, kl_divergence};
pub use regression::{
    Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, huber, log_cosh, mean_absolute_error, mean_squared_error,
};
pub use sparse_categorical_crossentropy::{
    SparseCategoricalCrossentropy, sparse_categorical_crossentropy, sparse_categorical_crossentropy_from_logits,
};

/// How far predictions are from targets. Any function or closure of targets and predictions is one
/// (for which a boxed loss, which could be such a function too, is none: wrap it in a closure):
///
/// ```
/// use nn::{Loss, mean_squared_error};
/// use tensor::{Result, Tensor, tensor};
///
/// fn doubled(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
///     mean_squared_error(targets, predictions)?.try_mul(2)
/// }
///
/// let (targets, predictions) = (tensor![[1.0], [2.0]], tensor![[1.0], [4.0]]);
/// assert_eq!(doubled.loss(&targets, &predictions)?.to_vec::<f32>()?, [0.0, 8.0]);
/// assert_eq!(doubled.mean(&targets, &predictions)?.item()?, 4.0);
/// # Ok::<(), tensor::Error>(())
/// ```
pub trait Loss: Send + Sync {
    /// The loss of each sample.
    ///
    /// # Errors
    /// If shapes or types do not suit.
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor>;

    /// The mean over all samples, a scalar: what training makes small.
    ///
    /// # Errors
    /// As [`Loss::loss`].
    fn mean(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        Ok(self.loss(targets, predictions)?.mean())
    }

    /// What it is called in a history.
    fn name(&self) -> &str {
        "loss"
    }
}

impl<F: Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync> Loss for F {
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        self(targets, predictions)
    }
}

/// How far Keras keeps probabilities from 0 and 1 before it takes logarithms.
const EPSILON: f64 = 1e-7;

/// Puts the name of the loss and both shapes in front of whatever goes wrong in it.
fn named(
    name: &str,
    targets: &Tensor,
    predictions: &Tensor,
    compute: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    let checked = || {
        if !predictions.dtype().is_float() {
            return Err(Error::dtype("predictions", predictions.dtype(), "a floating type"));
        }
        match &predictions.shape()[..] {
            [] => Err(Error::shape("predictions", predictions.shape(), "needs at least one axis")),
            [.., 0] => Err(Error::shape("predictions", predictions.shape(), "the last axis has nothing to compare")),
            shape if shape.contains(&0) => Err(Error::argument("predictions", "there is no sample")),
            _ => compute(),
        }
    };
    checked().map_err(|error| {
        error.context(format!("{name} of targets {} and predictions {}", targets.shape(), predictions.shape()))
    })
}

/// Targets to be compared with predictions element by element, in their shape and type.
fn alike(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    let (dtype, shape) = (predictions.dtype(), predictions.shape());
    if targets.dtype().is_float() && targets.dtype() != dtype {
        return Err(Error::dtypes("targets and predictions", targets.dtype(), dtype));
    }
    let targets = targets.cast(dtype);
    // `[batch]` beside `[batch, 1]` would broadcast to all pairs: it is a column, as in Keras.
    let column = |short: &Tensor, long: &Tensor| long.shape().split_last() == Some((&1, &short.shape()[..]));
    if targets.shape() == shape {
        Ok(targets)
    } else if column(&targets, predictions) || column(predictions, &targets) {
        targets.with_shape(shape)
    } else {
        Err(Error::shape("targets", targets.shape(), format!("must be that of the predictions, {shape}")))
    }
}
