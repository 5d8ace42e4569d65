//! Metrics: what is measured besides the loss, a batch at a time.
//!
//! | metric | is |
//! |---|---|
//! | [`Accuracy`] | the share of right predictions |
//! | [`BinaryAccuracy`] | the same where each of several numbers is a decision of its own |
//! | [`TopKCategoricalAccuracy`] | the share of targets among the k greatest predictions |
//! | [`Precision`], [`Recall`], [`FBeta`] | how right and how complete the positives are |
//! | [`RocAuc`], [`AveragePrecision`] | the same over all thresholds |
//! | [`MatthewsCorrelation`], [`CohenKappa`] | agreement beyond chance |
//! | [`ConfusionMatrix`] | which classes are taken for which; a matrix, so it is no [`Metric`] |
//! | [`Mean`] | the mean of a loss or of any function |
//! | [`RootMeanSquaredError`], [`R2Score`] | of regressions |
//! | [`Perplexity`] | of language models |
//! | [`Named`] | another metric under a name of its own |

/// The methods of a [`Metric`] that concern what it has gathered, all of which lies in one field.
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

/// [`Metric::set_logits`] of a metric whose threshold lies in one field.
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

/// A number that sums up how predictions compare with targets, gathered batch by batch.
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

    /// Says before the first batch whether predictions are logits: by default they are probabilities. Metrics that
    /// compare predictions with a threshold then take 0 in place of 0.5, unless a threshold was stated; most metrics
    /// ignore it.
    ///
    /// A [`Trainer`](crate::Trainer) says it to its metrics, as it knows [its loss](nn::Loss::takes_logits). A loop of
    /// your own says it itself:
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

    /// Takes a batch into account. The first axis of both counts samples. Weights, Keras'
    /// `sample_weight`, have the shape of what is counted (`[batch]` mostly, `[batch, time]` for
    /// sequences) or of its leading axes, and are 1 if not given; what has the weight 0 is left out.
    ///
    /// # Errors
    /// Returns an error if shapes, types or values do not suit the metric, or a weight is negative or not finite.
    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()>;

    /// The metric over all batches since the beginning or the last [`reset`](Metric::reset); NaN
    /// where that is not defined.
    fn result(&self) -> f64;

    /// Forgets all batches.
    fn reset(&mut self);

    /// All numbers that it has gathered: what a checkpoint in the middle of an epoch keeps. A metric that gives none
    /// counts, after such a checkpoint, only the rest of that epoch.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Goes on from a state, which [`state`](Metric::state) gave.
    ///
    /// # Errors
    /// Returns an error if it is not the state of such a metric; then nothing was changed.
    fn restore(&mut self, state: &[f64]) -> Result<()> {
        if state.is_empty() { Ok(()) } else { Err(not_the_state(self.name(), state)) }
    }

    /// The same metric under another name, so that a trainer can have two of a kind.
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

/// The error of a metric for numbers that are not its state.
fn not_the_state(metric: &str, state: &[f64]) -> Error {
    TrainError::trainer(format!("{} numbers are no state of {metric}", state.len()))
}
