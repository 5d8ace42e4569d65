//! Schedules: learning rates that change from step to step.
//!
//! A schedule is a function of the number of steps. It has no state: a restored optimizer continues at the right place.
//! Optimizers accept a schedule wherever they accept a learning rate.
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
//! | [`Constant`] | is constant |
//! | [`Piecewise`] | is constant between boundaries |
//! | [`Linear`], [`Polynomial`] | changes linearly, or like a power, from one value to another |
//! | [`Exponential`], [`InverseTime`], [`InverseSquareRoot`] | decays towards 0 |
//! | [`Cosine`], [`CosineRestarts`] | decays like half a cosine wave, once or repeatedly |
//! | [`OneCycle`] | rises and falls |
//! | [`WarmUp`], [`Then`], [`Scaled`] | combines other schedules; made by the methods of [`Schedule`] |
//! | [`ReduceOnPlateau`] | is reduced when a metric stops improving; it has a state and is not a `Schedule` |

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
