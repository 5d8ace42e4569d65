//! Code that runs at the ends of batches and epochs.
//!
//! | callback | does |
//! |---|---|
//! | [`EarlyStopping`] | ends the training when a value no longer improves; can restore the best weights |
//! | [`Plateau`] | lowers the learning rate when a value no longer improves |
//! | [`EpochSchedule`] | sets the learning rate of each epoch |
//! | [`CsvLog`](crate::CsvLog), [`JsonLines`](crate::JsonLines), [`TensorBoard`](crate::TensorBoard) | write the values and the learning rate of each epoch |
//! | [`SavePlot`] | draws the history after each epoch |
//! | [`OnBatchEnd`], [`OnEpochEnd`] | call a function |
//!
//! Checkpoints are not a callback but an option of a fit, [`Checkpoints`](crate::Checkpoints), because they store the
//! states of all callbacks. A loss that is not finite ends every fit.

mod closures;
mod early_stopping;
mod epoch_schedule;
mod monitor;
mod plateau;
mod save_plot;

pub use closures::{OnBatchEnd, OnEpochEnd};
pub use early_stopping::EarlyStopping;
pub use epoch_schedule::EpochSchedule;
pub use monitor::Monitor;
pub use plateau::Plateau;
pub use save_plot::SavePlot;

use tensor::Tensor;

use crate::batch_end::BatchEnd;
use crate::error::Result;
use crate::training_state::TrainingState;

/// A hook into a training, which may also change its state. Each method does nothing by default. An error ends the
/// training.
///
/// ```
/// use train::{Callback, Result, TrainingState};
///
/// /// Stops in time for lunch.
/// struct Hungry;
///
/// impl Callback for Hungry {
///     fn name(&self) -> &str {
///         "hungry"
///     }
///
///     fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, _values: &[(String, f64)]) -> Result<()> {
///         if training.epoch() >= 12 {
///             training.stop("lunch");
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Callback {
    /// The name in errors and checkpoints.
    fn name(&self) -> &str;

    /// Runs before the first epoch of a training, or of the rest of a resumed one.
    ///
    /// # Errors
    /// May return any error.
    fn on_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// Runs before the first batch of an epoch.
    ///
    /// # Errors
    /// May return any error.
    fn on_epoch_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// Runs after each batch of the training data.
    ///
    /// # Errors
    /// May return any error.
    fn on_batch_end(&mut self, training: &mut TrainingState<'_>, end: &BatchEnd) -> Result<()> {
        let _ = (training, end);
        Ok(())
    }

    /// Runs after an epoch and its validation. `values` is the row of the epoch in the history.
    ///
    /// # Errors
    /// May return any error.
    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
        let _ = (training, values);
        Ok(())
    }

    /// Runs after the last epoch, or after the training was [stopped](TrainingState::stop).
    ///
    /// # Errors
    /// May return any error.
    fn on_end(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// The state that a checkpoint stores, by name: everything that affects the rest of a training. A callback that is
    /// not [optional](Callback::is_optional) has either always a state or never.
    fn state(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Continues from a state that [`state`](Callback::state) returned.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if `state` is not a state of such a callback.
    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Whether a training can be resumed without the state of this callback, as with logs. Other callbacks that have a
    /// state must be those of the checkpoint.
    fn is_optional(&self) -> bool {
        false
    }
}

impl<C: Callback + ?Sized> Callback for &mut C {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn on_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        (**self).on_begin(training)
    }

    fn on_epoch_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        (**self).on_epoch_begin(training)
    }

    fn on_batch_end(&mut self, training: &mut TrainingState<'_>, end: &BatchEnd) -> Result<()> {
        (**self).on_batch_end(training, end)
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
        (**self).on_epoch_end(training, values)
    }

    fn on_end(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        (**self).on_end(training)
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        (**self).state()
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        (**self).restore(state)
    }

    fn is_optional(&self) -> bool {
        (**self).is_optional()
    }
}
