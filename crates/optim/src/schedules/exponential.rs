//! Geometric decay.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// The rate times a constant after every `decay_steps` steps: `η · decay_rate^(step / decay_steps)`.
///
/// Keras' `ExponentialDecay`. PyTorch's `ExponentialLR` has `decay_steps` 1; its `StepLR` is the
/// [`staircase`](Exponential::staircase).
pub struct Exponential {
    learning_rate: f64,
    decay_steps: u64,
    decay_rate: f64,
    staircase: bool,
}

impl Exponential {
    /// This rate at first, 0 or more; `decay_steps` is 1 or more, `decay_rate` 0 or more.
    pub fn new(learning_rate: f64, decay_steps: u64, decay_rate: f64) -> Exponential {
        Exponential { learning_rate, decay_steps, decay_rate, staircase: false }
    }

    /// Changes only after whole `decay_steps`.
    #[must_use]
    pub fn staircase(self) -> Exponential {
        Exponential { staircase: true, ..self }
    }
}

impl Schedule for Exponential {
    fn name(&self) -> &'static str {
        "exponential"
    }

    fn rate(&self, step: u64) -> f64 {
        let periods = step as f64 / self.decay_steps as f64;
        self.learning_rate * self.decay_rate.powf(if self.staircase { periods.floor() } else { periods })
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("learning_rate", self.learning_rate, Range::NonNegative),
            Hyperparameter::new("decay_steps", self.decay_steps as f64, Range::AtLeastOne),
            Hyperparameter::new("decay_rate", self.decay_rate, Range::NonNegative),
        ]
    }
}
