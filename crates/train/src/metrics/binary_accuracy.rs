//! The share of right yes-or-no decisions.

use tensor::{DType, Tensor};

use crate::error::Result;
use crate::metrics::classes::{above, arranged};
use crate::metrics::threshold::Threshold;
use crate::metrics::{Metric, Running};

/// The share of predictions on the right side of a threshold, each number being a decision of its
/// own: for targets 0 or 1 and predictions of one shape, such as `[batch, labels]` where a sample
/// may have several labels.
///
/// As Keras' `BinaryAccuracy`.
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::BinaryAccuracy};
///
/// let mut accuracy = BinaryAccuracy::default();
/// accuracy.update(&tensor![[1, 1, 0], [0, 1, 0]], &tensor![[0.9, 0.4, 0.1], [0.2, 0.8, 0.3]], None)?;
/// assert_eq!(accuracy.result(), 5.0 / 6.0);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct BinaryAccuracy {
    threshold: Threshold,
    running: Running,
}

impl BinaryAccuracy {
    /// Sets the threshold above which a prediction stands for 1; predictions are compared with it as they are. The
    /// default is 0.5, or 0 if predictions are [logits](Metric::set_logits).
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> BinaryAccuracy {
        self.threshold.state(threshold);
        self
    }
}

impl Metric for BinaryAccuracy {
    fn name(&self) -> &str {
        "binary_accuracy"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        let targets = arranged(self.name(), targets, predictions.shape(), predictions.shape())?.cast(DType::F64);
        let matches = above(self.name(), predictions, self.threshold.value())?.cast(DType::F64).equal(&targets)?;
        self.running.add_values(&matches, weights).map_err(|error| error.context("binary_accuracy"))
    }

    fn result(&self) -> f64 {
        self.running.mean()
    }

    threshold_in!(threshold);
    gathered_in!(running);
}
