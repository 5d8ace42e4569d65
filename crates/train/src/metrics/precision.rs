//! Precision.

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::Metric;
use crate::metrics::positives::{Average, Count, Positives};

/// The fraction of true positives among predicted positives; 0 without predicted positives, as in Keras and
/// scikit-learn.
///
/// | predictions | targets | positive is |
/// |---|---|---|
/// | `[batch, …, 1]`, or `[batch]` | 0 or 1, of that shape or without the last axis | what is above the threshold: 0.5, or 0 for logits, by default |
/// | `[batch, …, classes]` | classes `[batch, …]`, or one-hot rows | the class of the greatest prediction |
/// | `[batch, …, labels]`, with a threshold | 0 or 1, of the same shape | each label above the threshold |
///
/// Predictions of more than two classes need an [`Average`], which also defines what happens to classes without
/// samples. `Precision` of Keras is the third row with [`Average::Micro`].
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::{Average, Precision}};
///
/// let mut precision = Precision::default();
/// precision.update(&tensor![1, 1, 0], &tensor![0.9, 0.2, 0.7], None)?;
/// assert_eq!(precision.result(), 0.5);
///
/// let mut precision = Precision::default().average(Average::Macro);
/// precision.update(&tensor![0, 1], &tensor![[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], None)?;
/// assert_eq!(precision.result(), 0.5 / 3.0);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Precision {
    positives: Positives,
}

impl Precision {
    /// Sets how classes are averaged; [`Average::Binary`] by default.
    #[must_use]
    pub fn average(mut self, average: Average) -> Precision {
        self.positives.average = average;
        self
    }

    /// Sets the threshold above which a prediction is positive. Predictions are not transformed first. With a
    /// threshold, several numbers per sample are independent labels instead of classes. Without it, single numbers are
    /// compared with 0.5, or with 0 if they are [logits](Metric::set_logits).
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Precision {
        self.positives.threshold.state(threshold);
        self
    }
}

impl Metric for Precision {
    fn name(&self) -> &str {
        "precision"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.positives.update("precision", targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        self.positives.average(Count::precision)
    }

    threshold_in!(positives);
    gathered_in!(positives);
}
