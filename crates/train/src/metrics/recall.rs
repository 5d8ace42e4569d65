//! How many of the samples sought are found.

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::Metric;
use crate::metrics::positives::{Average, Count, Positives};

/// The share of positives that are predicted to be: true positives over all positives; 0 where
/// there is none, as in Keras and scikit-learn.
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

    /// Sets the threshold above which a prediction is positive; predictions are compared with it as they are. With it,
    /// predictions of several numbers are several labels rather than classes of which one is chosen. Without it,
    /// predictions of one number are cut at 0.5, or at 0 if they are [logits](Metric::set_logits).
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
