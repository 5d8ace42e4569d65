//! What happens besides training, at the ends of batches and epochs.
//!
//! | callback | does |
//! |---|---|
//! | [`EarlyStopping`] | ends the training when a value no longer becomes better, and restores the best weights |
//! | [`Plateau`] | lowers the learning rate when a value no longer becomes better |
//! | [`EpochSchedule`] | sets the learning rate of each epoch |
//! | [`CsvLog`](crate::CsvLog), [`JsonLines`](crate::JsonLines), [`TensorBoard`](crate::TensorBoard) | write each epoch and its learning rate |
//! | [`SavePlot`] | draws the history after each epoch |
//! | [`OnBatchEnd`], [`OnEpochEnd`] | calls a function |
//!
//! Checkpoints are no callback but an option of a fit, [`Checkpoints`](crate::Checkpoints): they hold the
//! states of all callbacks. A loss that is not finite ends every fit.

mod closures;
mod early_stopping;
mod epoch_schedule;
mod logs;
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

use crate::error::Result;
use crate::fit::BatchEnd;
use crate::training::Training;

/// Something that is told how a training goes, and may change it. Each method does nothing unless it is overridden;
/// an error ends the training.
///
/// ```
/// use train::{Callback, Result, Training};
///
/// /// Stops in time for lunch.
/// struct Hungry;
///
/// impl Callback for Hungry {
///     fn name(&self) -> &str {
///         "hungry"
///     }
///
///     fn on_epoch_end(&mut self, training: &mut Training<'_>, _values: &[(String, f64)]) -> Result<()> {
///         if training.epoch() >= 12 {
///             training.stop("lunch");
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Callback {
    /// What errors and checkpoints call it.
    fn name(&self) -> &str;

    /// The training begins, or goes on.
    ///
    /// # Errors
    /// Whatever is wrong.
    fn on_begin(&mut self, training: &mut Training<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// An epoch begins.
    ///
    /// # Errors
    /// Whatever is wrong.
    fn on_epoch_begin(&mut self, training: &mut Training<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// A batch has been trained on.
    ///
    /// # Errors
    /// Whatever is wrong.
    fn on_batch_end(&mut self, training: &mut Training<'_>, end: &BatchEnd) -> Result<()> {
        let _ = (training, end);
        Ok(())
    }

    /// An epoch has ended and been validated: `values` is its row of the history.
    ///
    /// # Errors
    /// Whatever is wrong.
    fn on_epoch_end(&mut self, training: &mut Training<'_>, values: &[(String, f64)]) -> Result<()> {
        let _ = (training, values);
        Ok(())
    }

    /// The training has ended, after its last epoch or because it was [stopped](Training::stop).
    ///
    /// # Errors
    /// Whatever is wrong.
    fn on_end(&mut self, training: &mut Training<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// What a checkpoint keeps of it, by name: all that decides how it goes on. One that ever has a state always has.
    fn state(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Goes on from a state, which [`state`](Callback::state) gave.
    ///
    /// # Errors
    /// If it is not the state of such a callback; then nothing was changed.
    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let _ = state;
        Ok(())
    }
}

impl<C: Callback + ?Sized> Callback for &mut C {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn on_begin(&mut self, training: &mut Training<'_>) -> Result<()> {
        (**self).on_begin(training)
    }

    fn on_epoch_begin(&mut self, training: &mut Training<'_>) -> Result<()> {
        (**self).on_epoch_begin(training)
    }

    fn on_batch_end(&mut self, training: &mut Training<'_>, end: &BatchEnd) -> Result<()> {
        (**self).on_batch_end(training, end)
    }

    fn on_epoch_end(&mut self, training: &mut Training<'_>, values: &[(String, f64)]) -> Result<()> {
        (**self).on_epoch_end(training, values)
    }

    fn on_end(&mut self, training: &mut Training<'_>) -> Result<()> {
        (**self).on_end(training)
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        (**self).state()
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        (**self).restore(state)
    }
}
