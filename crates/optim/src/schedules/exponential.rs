//! Exponential decay.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// Exponential decay by the factor `decay_rate` every `decay_steps` steps: `η · decay_rate^(step / decay_steps)`.
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
    /// With this initial rate, 0 or more, `decay_steps` of at least 1 and a `decay_rate` of at least 0.
    pub fn new(learning_rate: f64, decay_steps: u64, decay_rate: f64) -> Exponential {
        Exponential { learning_rate, decay_steps, decay_rate, staircase: false }
    }

    /// Changes the rate only every `decay_steps` steps.
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
