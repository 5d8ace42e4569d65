//! Linear change.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// Linear change from one rate to another in `steps` steps, constant afterwards.
///
/// Keras' `PolynomialDecay` with power 1; PyTorch's `LinearLR` from `start_factor` to `end_factor` times the
/// rate.
pub struct Linear {
    start: f64,
    end: f64,
    steps: u64,
}

impl Linear {
    /// From `start` to `end`, both 0 or more, in `steps` steps, at least 1.
    pub fn new(start: f64, end: f64, steps: u64) -> Linear {
        Linear { start, end, steps }
    }
}

impl Schedule for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn rate(&self, step: u64) -> f64 {
        let share = (step as f64 / self.steps as f64).min(1.0);
        self.start + (self.end - self.start) * share
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("start", self.start, Range::NonNegative),
            Hyperparameter::new("end", self.end, Range::NonNegative),
            Hyperparameter::new("steps", self.steps as f64, Range::AtLeastOne),
        ]
    }
}
