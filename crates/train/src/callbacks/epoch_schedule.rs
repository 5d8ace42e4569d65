//! A learning rate for each epoch.

use optim::schedules::Schedule;

use super::Callback;
use crate::error::Result;
use crate::training_state::TrainingState;

/// Sets the learning rate of each epoch from a schedule that counts epochs. Like `LearningRateScheduler` of Keras.
///
/// For schedules that count steps, pass the schedule to the optimizer instead.
///
/// ```
/// use optim::schedules::Exponential;
/// use train::{EpochSchedule, Fit};
///
/// let fit = Fit::epochs(20).callback(EpochSchedule::new(Exponential::new(1e-3, 1, 0.9)));
/// ```
pub struct EpochSchedule(Box<dyn Schedule>);

impl EpochSchedule {
    /// Uses the learning rate of step `n` of the schedule in epoch `n`.
    pub fn new(schedule: impl Schedule + 'static) -> EpochSchedule {
        EpochSchedule(Box::new(schedule))
    }
}

impl Callback for EpochSchedule {
    fn name(&self) -> &str {
        "epoch_schedule"
    }

    fn on_begin(&mut self, _training: &mut TrainingState<'_>) -> Result<()> {
        self.0.validate()
    }

    fn on_epoch_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        training.optimizer.set_learning_rate(self.0.rate(training.epoch as u64))
    }
}
