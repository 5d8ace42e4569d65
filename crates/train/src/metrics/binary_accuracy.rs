//! The share of right yes-or-no decisions.

use tensor::{DType, Tensor};

use crate::error::Result;
use crate::metrics::classes::arranged;
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
#[derive(Clone, Debug)]
pub struct BinaryAccuracy {
    threshold: f64,
    running: Running,
}

impl BinaryAccuracy {
    /// Sets the threshold, above which a prediction stands for 1; 0.5 by default, which suits
    /// probabilities (for logits it is 0).
    #[must_use]
    pub fn threshold(self, threshold: f64) -> BinaryAccuracy {
        BinaryAccuracy { threshold, ..self }
    }
}

impl Default for BinaryAccuracy {
    fn default() -> BinaryAccuracy {
        BinaryAccuracy { threshold: 0.5, running: Running::default() }
    }
}

impl Metric for BinaryAccuracy {
    fn name(&self) -> &str {
        "binary_accuracy"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        let targets = arranged(self.name(), targets, predictions.shape(), predictions.shape())?.cast(DType::F64);
        let matches = predictions.greater(self.threshold)?.cast(DType::F64).equal(&targets)?;
        self.running.add_values(&matches, weights).map_err(|error| error.context("binary_accuracy"))
    }

    fn result(&self) -> f64 {
        self.running.mean()
    }

    gathered_in!(running);
}
