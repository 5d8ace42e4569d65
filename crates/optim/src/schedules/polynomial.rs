//! Polynomial decay.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// Polynomial decay: `(η - end) · (1 - step / decay_steps)^power + end`; after `decay_steps` steps the rate
/// is `end`.
///
/// Keras' `PolynomialDecay`: `end` 0.0001, power 1. PyTorch's `PolynomialLR`: `end` 0.
pub struct Polynomial {
    learning_rate: f64,
    decay_steps: u64,
    end: f64,
    power: f64,
    cycle: bool,
}

impl Polynomial {
    /// From this initial rate, 0 or more, in `decay_steps` steps, 1 or more.
    pub fn new(learning_rate: f64, decay_steps: u64) -> Polynomial {
        Polynomial { learning_rate, decay_steps, end: 1e-4, power: 1.0, cycle: false }
    }

    /// Sets the last rate, 0 or more.
    #[must_use]
    pub fn end(self, end: f64) -> Polynomial {
        Polynomial { end, ..self }
    }

    /// Sets the power, above 0.
    #[must_use]
    pub fn power(self, power: f64) -> Polynomial {
        Polynomial { power, ..self }
    }

    /// Starts again from a higher rate at the end of each cycle: the decay extends to the next multiple of `decay_steps`.
    #[must_use]
    pub fn cycle(self) -> Polynomial {
        Polynomial { cycle: true, ..self }
    }
}

impl Schedule for Polynomial {
    fn name(&self) -> &'static str {
        "polynomial"
    }

    fn rate(&self, step: u64) -> f64 {
        let step = step as f64;
        let mut decay_steps = self.decay_steps as f64;
        if self.cycle {
            decay_steps *= (step / decay_steps).ceil().max(1.0);
        }
        let left = 1.0 - (step / decay_steps).min(1.0);
        (self.learning_rate - self.end) * left.powf(self.power) + self.end
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("learning_rate", self.learning_rate, Range::NonNegative),
            Hyperparameter::new("decay_steps", self.decay_steps as f64, Range::AtLeastOne),
            Hyperparameter::new("end", self.end, Range::NonNegative),
            Hyperparameter::new("power", self.power, Range::Positive),
        ]
    }
}
