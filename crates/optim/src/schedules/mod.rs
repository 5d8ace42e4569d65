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
mod schedule;

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
pub use schedule::Schedule;
