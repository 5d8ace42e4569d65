//! Schedules: learning rates that change from step to step.
//!
//! A schedule is a function of the number of steps taken, so that it has no state of its own: an
//! optimizer that is restored goes on in the right place. Where an optimizer takes a learning rate it
//! takes a schedule as well.
//!
//! ```
//! use optim::schedules::{Cosine, Schedule};
//! use optim::{Adam, Optimizer};
//!
//! let schedule = Cosine::new(1e-3, 900).warm_up(100);
//! assert_eq!((schedule.rate(0), schedule.rate(50), schedule.rate(100)), (0.0, 5e-4, 1e-3));
//! let optimizer = Adam::new(schedule);
//! assert_eq!(optimizer.learning_rate(), 0.0);
//! ```
//!
//! | schedule | the rate |
//! |---|---|
//! | [`Constant`] | stays |
//! | [`Piecewise`] | has a value for each stretch of steps |
//! | [`Linear`], [`Polynomial`] | goes from one value to another, along a line or a power |
//! | [`Exponential`], [`InverseTime`], [`InverseSquareRoot`] | falls without end |
//! | [`Cosine`], [`CosineRestarts`] | falls along half a wave, once or again and again |
//! | [`OneCycle`] | rises and falls |
//! | [`WarmUp`], [`Then`], [`Scaled`] | is that of others, put together by the methods of [`Schedule`] |
//! | [`ReduceOnPlateau`] | falls when a metric does not get better; it has a state and is no `Schedule` |

mod compose;
mod constant;
mod cosine;
mod cosine_restarts;
mod exponential;
mod inverse_square_root;
mod inverse_time;
mod linear;
mod one_cycle;
mod piecewise;
mod plateau;
mod polynomial;

use tensor::Result;

pub use compose::{Scaled, Then, WarmUp};
pub use constant::Constant;
pub use cosine::Cosine;
pub use cosine_restarts::CosineRestarts;
pub use exponential::Exponential;
pub use inverse_square_root::InverseSquareRoot;
pub use inverse_time::InverseTime;
pub use linear::Linear;
pub use one_cycle::OneCycle;
pub use piecewise::Piecewise;
pub use plateau::{PlateauState, ReduceOnPlateau};
pub use polynomial::Polynomial;

use crate::hyperparameter::Hyperparameter;

/// A learning rate for each step.
pub trait Schedule: Send + Sync {
    /// The name under which errors show it.
    fn name(&self) -> &'static str;

    /// The rate of a step, the first being 0. Optimizers call it for a schedule that passes
    /// [`validate`](Schedule::validate); the result for another, NaN for example, has no meaning.
    fn rate(&self, step: u64) -> f64;

    /// What is checked before it is used.
    fn hyperparameters(&self) -> Vec<Hyperparameter>;

    /// Checks all hyperparameters, as every step of an optimizer does.
    ///
    /// # Errors
    /// Names the schedule, the hyperparameter that is out of its range, its value and the range.
    fn validate(&self) -> Result<()> {
        self.hyperparameters().into_iter().try_for_each(|hyperparameter| hyperparameter.check(self.name()))
    }

    /// Rises first, in `steps` steps, from 0 to the first rate of this schedule along a line. As
    /// Keras' `warmup_steps`: the steps come before, not out of, those of the schedule.
    fn warm_up(self, steps: u64) -> WarmUp<Self>
    where
        Self: Sized,
    {
        WarmUp::new(steps, self)
    }

    /// Gives way to another schedule in the step `at`, which is step 0 of that one. As PyTorch's
    /// `SequentialLR`.
    fn then<S: Schedule>(self, at: u64, next: S) -> Then<Self, S>
    where
        Self: Sized,
    {
        Then::new(self, at, next)
    }

    /// Multiplies every rate.
    fn scaled(self, factor: f64) -> Scaled<Self>
    where
        Self: Sized,
    {
        Scaled::new(self, factor)
    }
}
