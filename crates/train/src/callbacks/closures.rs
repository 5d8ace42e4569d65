//! Functions as callbacks.

use super::Callback;
use crate::error::Result;
use crate::fit::BatchEnd;
use crate::training::Training;

/// Calls a function after each batch.
///
/// ```
/// use train::{Fit, OnBatchEnd};
///
/// let fit = Fit::epochs(1).callback(OnBatchEnd::new(|training, end| {
///     if end.loss < 0.1 {
///         training.stop("good enough");
///     }
///     Ok(())
/// }));
/// ```
pub struct OnBatchEnd<F>(F);

impl<F: FnMut(&mut Training<'_>, &BatchEnd) -> Result<()>> OnBatchEnd<F> {
    /// A callback that calls `function`.
    pub fn new(function: F) -> OnBatchEnd<F> {
        OnBatchEnd(function)
    }
}

impl<F: FnMut(&mut Training<'_>, &BatchEnd) -> Result<()>> Callback for OnBatchEnd<F> {
    fn name(&self) -> &str {
        "on_batch_end"
    }

    fn on_batch_end(&mut self, training: &mut Training<'_>, end: &BatchEnd) -> Result<()> {
        (self.0)(training, end)
    }
}

/// Calls a function after each epoch, with its row of the history.
///
/// ```
/// use train::{Fit, OnEpochEnd};
///
/// let fit = Fit::epochs(1).callback(OnEpochEnd::new(|training, values| {
///     println!("{} {values:?} {}", training.epoch(), training.optimizer.learning_rate());
///     Ok(())
/// }));
/// ```
pub struct OnEpochEnd<F>(F);

impl<F: FnMut(&mut Training<'_>, &[(String, f64)]) -> Result<()>> OnEpochEnd<F> {
    /// A callback that calls `function`.
    pub fn new(function: F) -> OnEpochEnd<F> {
        OnEpochEnd(function)
    }
}

impl<F: FnMut(&mut Training<'_>, &[(String, f64)]) -> Result<()>> Callback for OnEpochEnd<F> {
    fn name(&self) -> &str {
        "on_epoch_end"
    }

    fn on_epoch_end(&mut self, training: &mut Training<'_>, values: &[(String, f64)]) -> Result<()> {
        (self.0)(training, values)
    }
}
