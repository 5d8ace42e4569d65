//! Inverse time decay.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// Inverse time decay: `η / (1 + decay_rate · step / decay_steps)`.
///
/// Keras' `InverseTimeDecay`; `lr_decay` of PyTorch's `Adagrad` is the decay rate with `decay_steps` 1.
pub struct InverseTime {
    learning_rate: f64,
    decay_steps: u64,
    decay_rate: f64,
    staircase: bool,
}

impl InverseTime {
    /// With this initial rate, 0 or more, `decay_steps` of at least 1 and a `decay_rate` of at least 0.
    pub fn new(learning_rate: f64, decay_steps: u64, decay_rate: f64) -> InverseTime {
        InverseTime { learning_rate, decay_steps, decay_rate, staircase: false }
    }

    /// Changes the rate only every `decay_steps` steps.
    #[must_use]
    pub fn staircase(self) -> InverseTime {
        InverseTime { staircase: true, ..self }
    }
}

impl Schedule for InverseTime {
    fn name(&self) -> &'static str {
        "inverse_time"
    }

    fn rate(&self, step: u64) -> f64 {
        let periods = step as f64 / self.decay_steps as f64;
        self.learning_rate / (1.0 + self.decay_rate * if self.staircase { periods.floor() } else { periods })
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("learning_rate", self.learning_rate, Range::NonNegative),
            Hyperparameter::new("decay_steps", self.decay_steps as f64, Range::AtLeastOne),
            Hyperparameter::new("decay_rate", self.decay_rate, Range::NonNegative),
        ]
    }
}
