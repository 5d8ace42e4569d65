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
//! | [`categorical_generalized_cross_entropy`] | [`CategoricalGeneralizedCrossEntropy`] | class numbers `[…]` |
//! | [`categorical_crossentropy`], …`_from_logits` | [`CategoricalCrossentropy`] | probabilities `[…, classes]` |
//! | [`categorical_focal_crossentropy`] | [`CategoricalFocalCrossentropy`] | probabilities `[…, classes]` |
//! | [`binary_crossentropy`], …`_from_logits` | [`BinaryCrossentropy`] | probabilities `[…, n]` |
//! | [`binary_focal_crossentropy`] | [`BinaryFocalCrossentropy`] | probabilities `[…, n]` |
//! | [`kl_divergence`] | [`KlDivergence`] | probabilities `[…, n]` |
//! | [`mean_squared_error`], [`mean_absolute_error`], [`huber`], [`log_cosh`] | of the same names | `[…, n]` |
//! | [`mean_absolute_percentage_error`], [`mean_squared_logarithmic_error`] | of the same names | `[…, n]` |
//! | [`poisson`] | [`Poisson`] | counts `[…, n]` |
//! | [`cosine_similarity`] | [`CosineSimilarity`] | vectors `[…, n]` |
//! | [`hinge`], [`squared_hinge`] | [`Hinge`], [`SquaredHinge`] | signs or truth values `[…, n]` |
//! | [`categorical_hinge`] | [`CategoricalHinge`] | one-hot rows `[…, classes]` |
//! | [`dice`], [`tversky`] | [`Dice`], [`Tversky`] | masks of any shape |
//! | [`ctc`] | [`Ctc`] | sequences of class numbers `[batch, labels]` |
//! | [`contrastive`] | [`Contrastive`] | whether alike `[…]`, for distances |
//! | [`triplet_margin`] | [`TripletMargin`] | none |
//! | [`circle`] | [`Circle`] | class numbers `[batch]`, for embeddings |
//!
//! [`Loss::reduce`] weights samples and reduces by any [`Reduction`]; [`Loss::class_weights`] gives
//! weights to classes. [`pairwise_distance`] measures what contrastive and triplet losses compare.
//!
//! Predictions are floating. Targets that are compared element by element have the shape of the
//! predictions, or lack or have beside it a last axis of size 1, and their type; integers and truth
//! values are converted to it. Errors name the loss and both shapes, and a batch without samples
//! is one of them.
//!
//! A class whose target is 0 does not count, and neither does a sample whose weight is 0: there 0 · ∞
//! is 0. So a logit may be -∞, to exclude a class, if the target of that class is 0.

mod binary_crossentropy;
mod binary_focal_crossentropy;
mod categorical_crossentropy;
mod categorical_focal_crossentropy;
mod categorical_generalized_cross_entropy;
mod circle;
mod class_weighted;
mod contrastive;
mod cosine_similarity;
mod ctc;
mod distance;
mod hinge;
mod kl_divergence;
mod overlap;
mod plain;
mod reduction;
mod regression;
mod sparse_categorical_crossentropy;
mod triplet_margin;

use std::panic::Location;

use tensor::{Error, Result, Tensor};

pub use binary_crossentropy::{BinaryCrossentropy, binary_crossentropy, binary_crossentropy_from_logits};
pub use binary_focal_crossentropy::{BinaryFocalCrossentropy, binary_focal_crossentropy};
pub use categorical_crossentropy::{
    CategoricalCrossentropy, categorical_crossentropy, categorical_crossentropy_from_logits,
};
pub use categorical_focal_crossentropy::{CategoricalFocalCrossentropy, categorical_focal_crossentropy};
pub use categorical_generalized_cross_entropy::{
    CategoricalGeneralizedCrossEntropy, categorical_generalized_cross_entropy,
};
pub use circle::{Circle, circle};
pub use class_weighted::ClassWeighted;
pub use contrastive::{Contrastive, contrastive};
pub use cosine_similarity::{CosineSimilarity, cosine_similarity};
pub use ctc::{Ctc, ctc};
pub use distance::pairwise_distance;
pub use hinge::{CategoricalHinge, Hinge, SquaredHinge, categorical_hinge, hinge, squared_hinge};
pub use kl_divergence::{KlDivergence, kl_divergence};
pub use overlap::{Dice, Tversky, dice, tversky};
pub use reduction::Reduction;
use reduction::{aligned, effective};
pub use regression::{
    Huber, LogCosh, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError,
    Poisson, huber, log_cosh, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error,
    mean_squared_logarithmic_error, poisson,
};
pub use sparse_categorical_crossentropy::{
    SparseCategoricalCrossentropy, sparse_categorical_crossentropy, sparse_categorical_crossentropy_from_logits,
};
pub use triplet_margin::{TripletMargin, triplet_margin};

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
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor>;

    /// Which of the losses that [`Loss::loss`] returned for these targets count in a mean: truth
    /// values in their shape, or nothing if all do.
    ///
    /// # Errors
    /// If the targets do not belong to the losses.
    fn counted(&self, _targets: &Tensor, _losses: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// The losses, each times the weight of its sample, reduced. Weights have the shape of the
    /// losses or of its leading axes, and are 1 if not given. A sample of weight 0 adds nothing to the result or to
    /// gradients of the predictions, even if its loss is NaN or infinite. Its label must still be a class.
    ///
    /// ```
    /// # use nn::{Loss, MeanSquaredError, Reduction};
    /// # use tensor::tensor;
    /// let (targets, predictions) = (tensor![[1.0], [2.0]], tensor![[2.0], [4.0]]);
    /// let weights = tensor![3.0, 1.0];
    /// let loss = |reduction| MeanSquaredError.reduce(&targets, &predictions, Some(&weights), reduction)?.item();
    /// assert_eq!(loss(Reduction::Sum)?, 3.0 * 1.0 + 1.0 * 4.0);
    /// assert_eq!(loss(Reduction::SumOverBatchSize)?, 7.0 / 2.0);
    /// assert_eq!(loss(Reduction::MeanWithSampleWeight)?, 7.0 / 4.0);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Loss::loss`], and if the weights do not suit.
    fn reduce(
        &self,
        targets: &Tensor,
        predictions: &Tensor,
        sample_weights: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let losses = self.loss(targets, predictions)?;
        let counted = self.counted(targets, &losses)?;
        let weights = sample_weights.map(|weights| aligned(weights, &losses)).transpose();
        let weights = weights.map_err(|error| error.context(self.name()))?;
        let (counted, weights) = (counted.as_ref(), weights.as_ref());
        let losses = effective(losses, counted, weights, |zeroed| self.loss(&zeroed(targets)?, &zeroed(predictions)?))?;
        reduction.apply(losses, counted, weights).map_err(|error| error.context(self.name()))
    }

    /// The mean over all samples that count, a scalar: what training makes small.
    ///
    /// # Errors
    /// As [`Loss::loss`].
    fn mean(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        self.reduce(targets, predictions, None, Reduction::SumOverBatchSize)
    }

    /// This loss with a weight for each class, beginning with class 0. Targets are class numbers,
    /// one for each loss, or rows of a number for each class, of which the largest decides.
    ///
    /// ```
    /// # use nn::{Loss, SparseCategoricalCrossentropy};
    /// # use tensor::tensor;
    /// let loss = SparseCategoricalCrossentropy::from_logits().class_weights([1.0, 10.0]);
    /// let losses = loss.loss(&tensor![0, 1], &tensor![[2.0, 2.0], [2.0, 2.0]])?.to_vec::<f32>()?;
    /// assert_eq!(losses[1], 10.0 * losses[0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// As in Keras, they are weights of samples and so do not divide the [mean](Loss::mean);
    /// [`Reduction::MeanWithSampleWeight`] divides by their sum, as PyTorch does. The loss fails if
    /// a class has no weight.
    fn class_weights(self, weights: impl Into<Vec<f64>>) -> ClassWeighted<Self>
    where
        Self: Sized,
    {
        ClassWeighted::new(self, weights.into())
    }

    /// Whether predictions are logits, or other scores whose sign decides, rather than probabilities. A trainer says so
    /// to its metrics, so that those with a threshold cut at 0 and not at 0.5. False by default; a closure cannot say
    /// anything else.
    fn takes_logits(&self) -> bool {
        false
    }

    /// What it is called in a history.
    fn name(&self) -> &str {
        "loss"
    }
}

impl<F: Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync> Loss for F {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        self(targets, predictions)
    }
}

/// How far Keras keeps probabilities from 0 and 1 before it takes logarithms.
const EPSILON: f64 = 1e-7;

/// `xᵉ` for `x ≥ 0`, whose derivatives at 0 are 0 unless `e` is whole.
///
/// From some order on they would be infinite. The losses multiply them by what is 0 there too, and
/// their product tends to 0.
fn power(x: &Tensor, exponent: f64) -> Result<Tensor> {
    if exponent.fract() == 0.0 {
        return x.pow(exponent);
    }
    let zero = x.equal(0.0)?;
    zero.select(0.0, zero.select(1.0, x)?.pow(exponent)?)
}

/// Puts the name of the loss and both shapes in front of whatever goes wrong in it.
#[track_caller]
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
    let place = Location::caller();
    checked().map_err(|error| {
        error.at(place).context(format!(
            "{name} of targets {} and predictions {}",
            targets.shape(),
            predictions.shape()
        ))
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
        targets.reshape(shape)
    } else {
        Err(Error::shape("targets", targets.shape(), format!("must be that of the predictions, {shape}")))
    }
}
