//! A constant rate.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// A constant rate. Optimizers also accept a number; this type is for combinations with [`Schedule::then`].
///
/// PyTorch's `ConstantLR` is `Constant::new(factor * rate).then(total_iters, Constant::new(rate))`.
pub struct Constant(f64);

impl Constant {
    /// With this rate, 0 or more.
    pub fn new(learning_rate: f64) -> Constant {
        Constant(learning_rate)
    }
}

impl Schedule for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn rate(&self, _step: u64) -> f64 {
        self.0
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![Hyperparameter::new("learning_rate", self.0, Range::NonNegative)]
    }
}
