//! The trait of all schedules.

use tensor::Result;

use super::compose::{Scaled, Then, WarmUp};
use crate::hyperparameter::Hyperparameter;

/// A learning rate for each step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a learning rate",
    label = "expected an `f64` such as `1e-3`, or a schedule",
    note = "schedules implement `optim::schedules::Schedule`"
)]
pub trait Schedule: Send + Sync {
    /// The name in errors.
    fn name(&self) -> &'static str;

    /// The learning rate of a step; the first step is 0. Optimizers call it only if [`validate`](Schedule::validate)
    /// succeeds; otherwise the result is meaningless and may be NaN.
    fn rate(&self, step: u64) -> f64;

    /// The hyperparameters that [`validate`](Schedule::validate) checks.
    fn hyperparameters(&self) -> Vec<Hyperparameter>;

    /// Checks all hyperparameters, like every step of an optimizer.
    ///
    /// # Errors
    /// Returns an error if a hyperparameter is out of its range; it names the schedule, the hyperparameter, the value and
    /// the range.
    fn validate(&self) -> Result<()> {
        self.hyperparameters().into_iter().try_for_each(|hyperparameter| hyperparameter.check(self.name()))
    }

    /// Starts with a linear warm-up of `steps` steps from 0 to the first rate of this schedule, like Keras'
    /// `warmup_steps`. The schedule starts after the warm-up.
    fn warm_up(self, steps: u64) -> WarmUp<Self>
    where
        Self: Sized,
    {
        WarmUp::new(steps, self)
    }

    /// Switches to another schedule at step `at`, which is step 0 of that schedule. Like PyTorch's `SequentialLR`.
    fn then<S: Schedule>(self, at: u64, next: S) -> Then<Self, S>
    where
        Self: Sized,
    {
        Then::new(self, at, next)
    }

    /// Multiplies every rate by a factor.
    fn scaled(self, factor: f64) -> Scaled<Self>
    where
        Self: Sized,
    {
        Scaled::new(self, factor)
    }
}
