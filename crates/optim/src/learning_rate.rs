//! The learning rate: a number or a schedule.

use std::sync::Arc;

use tensor::Result;

use crate::hyperparameter::{Hyperparameter, Range};
use crate::schedules::Schedule;

/// The learning rate of an optimizer: a number, or a schedule that gives one for each step. Both convert to it, so
/// constructors accept both: `Adam::new(1e-3)`, `Adam::new(Cosine::new(1e-3, 1000))`.
#[derive(Clone)]
pub enum LearningRate {
    /// A constant.
    Constant(f64),
    /// A schedule, evaluated at the number of previous steps.
    Schedule(Arc<dyn Schedule>),
}

impl LearningRate {
    /// The learning rate of a step; the first step is 0.
    pub fn at(&self, step: u64) -> f64 {
        match self {
            LearningRate::Constant(rate) => *rate,
            LearningRate::Schedule(schedule) => schedule.rate(step),
        }
    }

    /// # Errors
    /// Returns an error if a hyperparameter of the schedule, or the rate of this step, is out of range.
    pub(crate) fn check(&self, step: u64, optimizer: &str) -> Result<()> {
        if let LearningRate::Schedule(schedule) = self {
            schedule.validate().map_err(|error| error.context(optimizer))?;
        }
        Hyperparameter::new("learning_rate", self.at(step), Range::NonNegative).check(optimizer)
    }
}

impl Default for LearningRate {
    fn default() -> LearningRate {
        LearningRate::Constant(0.0)
    }
}

impl From<f64> for LearningRate {
    fn from(rate: f64) -> LearningRate {
        LearningRate::Constant(rate)
    }
}

impl<S: Schedule + 'static> From<S> for LearningRate {
    fn from(schedule: S) -> LearningRate {
        LearningRate::Schedule(Arc::new(schedule))
    }
}
