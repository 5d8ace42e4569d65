//! Decay with the root of the steps.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// The rate over the root of the steps: `η · √(decay_steps / (step + decay_steps))`.
///
/// After [a warm-up](Schedule::warm_up) of `decay_steps` steps it is `η · √(decay_steps / step)`, that of
/// Vaswani and others, "Attention Is All You Need" (2017), section 5.3. Keras and PyTorch have none.
pub struct InverseSquareRoot {
    learning_rate: f64,
    decay_steps: u64,
}

impl InverseSquareRoot {
    /// This rate at first, 0 or more; `decay_steps` is 1 or more.
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
