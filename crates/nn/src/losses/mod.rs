//! Losses, as functions and as objects.
//!
//! A function such as [`mean_squared_error`] returns one number per sample: targets and predictions `[batch, …, n]` give
//! losses `[batch, …]`, reduced over the last axis as in Keras. An object, such as [`MeanSquaredError`], is a [`Loss`]
//! with settings. Training minimizes its [mean](Loss::mean).
//!
//! The guides construct losses in one way, as Keras does: the object with its default settings
//! (`MeanSquaredError`, `SparseCategoricalCrossentropy::default()`), or with `from_logits()` or `new(…)` where there is
//! something to set.
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
//! [`Loss::reduce`] weights samples and applies any [`Reduction`]; [`Loss::class_weights`] weights classes.
//! [`pairwise_distance`] computes the distances that contrastive and triplet losses compare.
//!
//! Predictions are floating. Targets that are compared element by element have the type and the shape of the
//! predictions, where a last axis of size 1 may be present in only one of them; integers and booleans are converted.
//! Errors name the loss and both shapes. A batch without samples is an error.
//!
//! A class whose target is 0 and a sample whose weight is 0 do not count: there 0 · ∞ is 0. So a logit may be -∞, to
//! exclude a class, if the target of that class is 0.

mod binary_crossentropy;
mod binary_focal_crossentropy;
mod categorical_crossentropy;
mod categorical_focal_crossentropy;
mod categorical_generalized_cross_entropy;
mod checks;
mod circle;
mod class_weighted;
mod contrastive;
mod cosine_similarity;
mod ctc;
mod distance;
mod hinge;
mod kl_divergence;
mod loss;
mod overlap;
mod plain;
mod reduction;
mod regression;
mod sparse_categorical_crossentropy;
mod triplet_margin;

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
pub use loss::Loss;
pub use overlap::{Dice, Tversky, dice, tversky};
pub use reduction::Reduction;
pub use regression::{
    Huber, LogCosh, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError,
    Poisson, huber, log_cosh, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error,
    mean_squared_logarithmic_error, poisson,
};
pub use sparse_categorical_crossentropy::{
    SparseCategoricalCrossentropy, sparse_categorical_crossentropy, sparse_categorical_crossentropy_from_logits,
};
pub use triplet_margin::{TripletMargin, triplet_margin};
