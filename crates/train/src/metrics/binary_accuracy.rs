//! Accuracy of binary decisions.

use tensor::{DType, Tensor};

use crate::error::Result;
use crate::metrics::classes::{above, arranged};
use crate::metrics::threshold::Threshold;
use crate::metrics::{Metric, Running};

/// The fraction of predictions on the correct side of a threshold. Each number is one decision: targets are 0 or 1, in
/// the shape of the predictions, such as `[batch, labels]` if a sample may have several labels.
///
/// Like `BinaryAccuracy` of Keras.
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
    /// Sets the threshold above which a prediction means 1. Predictions are not transformed first. The default is 0.5,
    /// or 0 if predictions are [logits](Metric::set_logits).
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
