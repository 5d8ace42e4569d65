//! Metrics: what is measured besides the loss, a batch at a time.

mod accuracy;
mod mean;

pub use accuracy::Accuracy;
pub use mean::Mean;

use tensor::Tensor;

use crate::error::Result;
use crate::state::Entries;

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
pub trait Metric {
    /// The name in histories and scores.
    fn name(&self) -> &str;

    /// Takes a batch into account. The first axis of both counts samples.
    ///
    /// # Errors
    /// If shapes or types do not suit the metric.
    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()>;

    /// The metric over all batches since the beginning or the last [`reset`](Metric::reset); NaN
    /// where that is not defined.
    fn result(&self) -> f64;

    /// Forgets all batches.
    fn reset(&mut self);

    /// What a checkpoint in the middle of an epoch keeps of it, by name. A metric that keeps nothing counts, after such
    /// a checkpoint, only the rest of that epoch.
    fn state(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Goes on from a state, which [`state`](Metric::state) gave.
    ///
    /// # Errors
    /// If it is not the state of such a metric; then nothing was changed.
    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let _ = state;
        Ok(())
    }
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

    /// What a checkpoint keeps of it.
    pub(crate) fn state(self) -> Vec<(String, Tensor)> {
        vec![("sum".into(), Tensor::from(self.sum)), ("weight".into(), Tensor::from(self.weight))]
    }

    /// What [`state`](Running::state) was taken of.
    pub(crate) fn restored(state: &[(String, Tensor)]) -> Result<Running> {
        let state = Entries::from(state);
        Ok(Running { sum: state.get_number("sum")?, weight: state.get_number("weight")? })
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
