//! A learning rate for each epoch.

use optim::schedules::Schedule;

use super::Callback;
use crate::error::Result;
use crate::training::Training;

/// Sets the learning rate of each epoch from a schedule that counts epochs. As Keras' `LearningRateScheduler`.
///
/// An optimizer takes schedules itself, which count steps; this is for those that are known by epochs.
///
/// ```
/// use optim::schedules::Exponential;
/// use train::{EpochSchedule, Fit};
///
/// let fit = Fit::epochs(20).callback(EpochSchedule::new(Exponential::new(1e-3, 1, 0.9)));
/// ```
pub struct EpochSchedule(Box<dyn Schedule>);

impl EpochSchedule {
    /// The rate of epoch `n` is that of the schedule's step `n`.
    pub fn new(schedule: impl Schedule + 'static) -> EpochSchedule {
        EpochSchedule(Box::new(schedule))
    }
}

impl Callback for EpochSchedule {
    fn name(&self) -> &str {
        "epoch_schedule"
    }

    fn on_begin(&mut self, _training: &mut Training<'_>) -> Result<()> {
        self.0.validate()
    }

    fn on_epoch_begin(&mut self, training: &mut Training<'_>) -> Result<()> {
        training.optimizer.set_learning_rate(self.0.rate(training.epoch as u64))
    }
}
