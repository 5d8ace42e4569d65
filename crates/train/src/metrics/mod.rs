//! Metrics, gathered batch by batch.
//!
//! | metric | measures |
//! |---|---|
//! | [`Accuracy`] | the fraction of correct predictions |
//! | [`BinaryAccuracy`] | the same if each number is an independent decision |
//! | [`TopKCategoricalAccuracy`] | the fraction of targets among the k greatest predictions |
//! | [`Precision`], [`Recall`], [`FBeta`] | how correct and how complete predicted positives are |
//! | [`RocAuc`], [`AveragePrecision`] | the same over all thresholds |
//! | [`MatthewsCorrelation`], [`CohenKappa`] | agreement beyond chance |
//! | [`ConfusionMatrix`] | the counts of confused classes; a matrix, so not a [`Metric`] |
//! | [`Mean`] | the mean of a loss or of any function |
//! | [`RootMeanSquaredError`], [`R2Score`] | the quality of regressions |
//! | [`Perplexity`] | the quality of language models |
//! | [`Named`] | a renamed metric |

/// The methods of a [`Metric`] about its state, which is in one field.
macro_rules! gathered_in {
    ($field:ident) => {
        fn reset(&mut self) {
            self.$field.reset();
        }

        fn state(&self) -> Vec<f64> {
            self.$field.state()
        }

        fn restore(&mut self, state: &[f64]) -> Result<()> {
            self.$field.restore(state)
        }
    };
}

/// [`Metric::set_logits`] of a metric whose threshold is in one field.
macro_rules! threshold_in {
    ($field:ident) => {
        fn set_logits(&mut self, logits: bool) {
            self.$field.set_logits(logits);
        }
    };
}

mod accuracy;
mod average_precision;
mod binary_accuracy;
mod classes;
mod cohen_kappa;
mod confusion_matrix;
mod f_beta;
mod matthews_correlation;
mod mean;
mod named;
mod perplexity;
mod positives;
mod precision;
mod r2_score;
mod rankings;
mod recall;
mod roc_auc;
mod root_mean_squared_error;
mod running;
mod scores;
mod threshold;
mod top_k_categorical_accuracy;
mod weights;

pub use accuracy::Accuracy;
pub use average_precision::AveragePrecision;
pub use binary_accuracy::BinaryAccuracy;
pub use cohen_kappa::{CohenKappa, Disagreement};
pub use confusion_matrix::{ClassReport, ConfusionMatrix, Report};
pub use f_beta::FBeta;
pub use matthews_correlation::MatthewsCorrelation;
pub use mean::Mean;
pub use named::Named;
pub use perplexity::Perplexity;
pub use positives::Average;
pub use precision::Precision;
pub use r2_score::R2Score;
pub use recall::Recall;
pub use roc_auc::RocAuc;
pub use root_mean_squared_error::RootMeanSquaredError;
pub(crate) use running::Running;
pub use top_k_categorical_accuracy::TopKCategoricalAccuracy;

use tensor::Tensor;

use crate::error::{Error, Result, TrainError};

/// A number that compares predictions with targets, gathered batch by batch.
///
/// ```
/// use tensor::tensor;
/// use train::{Accuracy, Metric};
///
/// let mut accuracy = Accuracy::default();
/// accuracy.update(&tensor![0, 1], &tensor![[0.9, 0.1], [0.8, 0.2]], None)?;
/// accuracy.update(&tensor![1], &tensor![[0.3, 0.7]], None)?;
/// assert_eq!(accuracy.result(), 2.0 / 3.0);
/// # Ok::<(), train::Error>(())
/// ```
///
/// `docs/metrics.md` shows how to write a metric.
pub trait Metric: Send + Sync {
    /// The name in histories and scores.
    fn name(&self) -> &str;

    /// Tells the metric, before the first batch, whether predictions are logits; by default they are probabilities.
    /// Metrics with a threshold then use 0 instead of 0.5, unless a threshold was set. Most metrics ignore this.
    ///
    /// A [`Trainer`](crate::Trainer) calls this, because it knows [its loss](nn::Loss::takes_logits). A hand-written
    /// loop must call it itself:
    ///
    /// ```
    /// use tensor::tensor;
    /// use train::{Metric, metrics::BinaryAccuracy};
    ///
    /// let mut accuracy = BinaryAccuracy::default();
    /// accuracy.set_logits(true);
    /// accuracy.update(&tensor![1, 1, 0], &tensor![2.0, 0.3, -1.0], None)?;
    /// assert_eq!(accuracy.result(), 1.0);
    /// # Ok::<(), train::Error>(())
    /// ```
    fn set_logits(&mut self, logits: bool) {
        let _ = logits;
    }

    /// Adds a batch. The first axis of both tensors is that of the samples. Weights, `sample_weight` of Keras, have the
    /// shape of what is counted (usually `[batch]`, or `[batch, time]` for sequences) or of its leading axes; the
    /// default is 1. A weight of 0 excludes a value.
    ///
    /// # Errors
    /// Returns an error if shapes, types or values do not fit the metric, or a weight is negative or not finite.
    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()>;

    /// The metric over all batches since the start or the last [`reset`](Metric::reset); NaN if it is undefined.
    fn result(&self) -> f64;

    /// Discards all batches.
    fn reset(&mut self);

    /// The gathered numbers, for a checkpoint in the middle of an epoch. After such a checkpoint, a metric without a
    /// state covers only the rest of the epoch.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Continues from a state that [`state`](Metric::state) returned.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if `state` is not a state of such a metric.
    fn restore(&mut self, state: &[f64]) -> Result<()> {
        if state.is_empty() { Ok(()) } else { Err(not_the_state(self.name(), state)) }
    }

    /// Renames the metric, so that a trainer can have two of the same kind.
    fn named(self, name: impl Into<String>) -> Named<Self>
    where
        Self: Sized,
    {
        Named::new(self, name.into())
    }
}

impl<M: Metric + ?Sized> Metric for &mut M {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn set_logits(&mut self, logits: bool) {
        (**self).set_logits(logits);
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        (**self).update(targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        (**self).result()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn state(&self) -> Vec<f64> {
        (**self).state()
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        (**self).restore(state)
    }
}

/// The error for numbers that are not a state of the metric.
fn not_the_state(metric: &str, state: &[f64]) -> Error {
    TrainError::trainer(format!("{} numbers are not a state of {metric}", state.len()))
}
