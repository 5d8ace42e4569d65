//! Inverse square root decay.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// Decay with the inverse square root of the steps: `η · √(decay_steps / (step + decay_steps))`.
///
/// After [a warm-up](Schedule::warm_up) of `decay_steps` steps it is `η · √(decay_steps / step)`, the
/// schedule of Vaswani and others, "Attention Is All You Need" (2017), section 5.3. Keras and PyTorch do not have it.
pub struct InverseSquareRoot {
    learning_rate: f64,
    decay_steps: u64,
}

impl InverseSquareRoot {
    /// With this initial rate, 0 or more, and `decay_steps` of at least 1.
    pub fn new(learning_rate: f64, decay_steps: u64) -> InverseSquareRoot {
        InverseSquareRoot { learning_rate, decay_steps }
    }
}

impl Schedule for InverseSquareRoot {
    fn name(&self) -> &'static str {
        "inverse_square_root"
    }

    fn rate(&self, step: u64) -> f64 {
        let decay_steps = self.decay_steps as f64;
        self.learning_rate * (decay_steps / (step as f64 + decay_steps)).sqrt()
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("learning_rate", self.learning_rate, Range::NonNegative),
            Hyperparameter::new("decay_steps", self.decay_steps as f64, Range::AtLeastOne),
        ]
    }
}
