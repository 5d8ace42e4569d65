//! One rate for all steps.

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// The same rate in every step. An optimizer takes the number as well; this is for schedules put
/// together with [`Schedule::then`].
///
/// PyTorch's `ConstantLR` is `Constant::new(factor * rate).then(total_iters, Constant::new(rate))`.
pub struct Constant(f64);

impl Constant {
    /// This rate, 0 or more.
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
