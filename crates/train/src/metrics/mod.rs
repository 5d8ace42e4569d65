//! Metrics: what is measured besides the loss, a batch at a time.

mod accuracy;
mod mean;

pub use accuracy::Accuracy;
pub use mean::Mean;

use tensor::Tensor;

use crate::error::Result;

/// A number that sums up how predictions compare with targets, gathered batch by batch.
///
/// ```
/// use tensor::tensor;
/// use train::{Accuracy, Metric};
///
/// let mut accuracy = Accuracy::default();
/// accuracy.update(&tensor![0, 1], &tensor![[0.9, 0.1], [0.8, 0.2]])?;
/// accuracy.update(&tensor![1], &tensor![[0.3, 0.7]])?;
/// assert_eq!(accuracy.result(), 2.0 / 3.0);
/// # Ok::<(), train::Error>(())
/// ```
pub trait Metric {
    /// The name in histories and scores.
    fn name(&self) -> &str;

    /// Takes a batch into account. The first axis of both counts samples.
    ///
    /// # Errors
    /// If shapes or types do not suit the metric.
    fn update(&mut self, targets: &Tensor, predictions: &Tensor) -> Result<()>;

    /// The metric over all batches since the beginning or the last [`reset`](Metric::reset); NaN
    /// where that is not defined.
    fn result(&self) -> f64;

    /// Forgets all batches.
    fn reset(&mut self);
}

/// A mean that grows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Running {
    sum: f64,
    weight: f64,
}

impl Running {
    /// Adds the mean of `weight` values.
    pub(crate) fn add(&mut self, mean: f64, weight: usize) {
        // The mean of nothing is NaN, and counts nothing.
        if weight > 0 {
            self.sum += mean * weight as f64;
            self.weight += weight as f64;
        }
    }

    /// Whether no values were added.
    pub(crate) fn is_empty(self) -> bool {
        self.weight == 0.0
    }

    /// The mean of all values; NaN if there are none.
    pub(crate) fn mean(self) -> f64 {
        self.sum / self.weight
    }
}
