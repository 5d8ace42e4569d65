//! Recall.

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::Metric;
use crate::metrics::positives::{Average, Count, Positives};

/// The fraction of positives that are predicted as such; 0 without positives, as in Keras and scikit-learn.
///
/// Shapes, threshold and averages are those of [`Precision`](crate::metrics::Precision). The recall
/// with [`Average::Macro`] is also called the balanced accuracy.
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::Recall};
///
/// let mut recall = Recall::default();
/// recall.update(&tensor![1, 1, 1, 0], &tensor![0.9, 0.2, 0.6, 0.7], None)?;
/// assert_eq!(recall.result(), 2.0 / 3.0);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recall {
    positives: Positives,
}

impl Recall {
    /// Sets how classes are averaged; [`Average::Binary`] by default.
    #[must_use]
    pub fn average(mut self, average: Average) -> Recall {
        self.positives.average = average;
        self
    }

    /// Sets the threshold above which a prediction is positive. Predictions are not transformed first. With a
    /// threshold, several numbers per sample are independent labels instead of classes. Without it, single numbers are
    /// compared with 0.5, or with 0 if they are [logits](Metric::set_logits).
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Recall {
        self.positives.threshold.state(threshold);
        self
    }
}

impl Metric for Recall {
    fn name(&self) -> &str {
        "recall"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.positives.update("recall", targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        self.positives.average(Count::recall)
    }

    threshold_in!(positives);
    gathered_in!(positives);
}
