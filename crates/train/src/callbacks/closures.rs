//! Closures as callbacks.

use super::Callback;
use crate::batch_end::BatchEnd;
use crate::error::Result;
use crate::training_state::TrainingState;

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

impl<F: FnMut(&mut TrainingState<'_>, &BatchEnd) -> Result<()>> OnBatchEnd<F> {
    /// A callback that calls `function`.
    pub fn new(function: F) -> OnBatchEnd<F> {
        OnBatchEnd(function)
    }
}

impl<F: FnMut(&mut TrainingState<'_>, &BatchEnd) -> Result<()>> Callback for OnBatchEnd<F> {
    fn name(&self) -> &str {
        "on_batch_end"
    }

    fn on_batch_end(&mut self, training: &mut TrainingState<'_>, end: &BatchEnd) -> Result<()> {
        (self.0)(training, end)
    }
}

/// Calls a function with the row of the history after each epoch.
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

impl<F: FnMut(&mut TrainingState<'_>, &[(String, f64)]) -> Result<()>> OnEpochEnd<F> {
    /// A callback that calls `function`.
    pub fn new(function: F) -> OnEpochEnd<F> {
        OnEpochEnd(function)
    }
}

impl<F: FnMut(&mut TrainingState<'_>, &[(String, f64)]) -> Result<()>> Callback for OnEpochEnd<F> {
    fn name(&self) -> &str {
        "on_epoch_end"
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
        (self.0)(training, values)
    }
}
