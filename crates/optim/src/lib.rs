//! Optimizers: how a gradient changes a parameter.
//!
//! ```
//! use autograd::{GradientTape, Variable};
//! use optim::{Optimizer, Sgd};
//! use tensor::Tensor;
//!
//! let x = Variable::new(Tensor::scalar(3.0));
//! let mut optimizer = Sgd::new(0.1);
//! let tape = GradientTape::new();
//! let loss = &x * &x;
//! let gradient = tape.gradient(&loss, &x)?;
//! optimizer.apply(&[x.clone()], &[gradient])?;
//! assert!((x.value().item()? - 2.4).abs() < 1e-6);
//! # Ok::<(), tensor::Error>(())
//! ```
//!
//! | optimizer | states of a parameter |
//! |---|---|
//! | [`Sgd`], with momentum or Nesterov momentum on request | none, or a velocity |
//! | [`Adagrad`] | the sum of squared gradients |
//! | [`Adadelta`] | mean squares of gradients and of steps |
//! | [`RmsProp`], with momentum or centered on request | a mean square; a velocity; a mean |
//! | [`Adam`], AMSGrad on request | two moments; the largest second moment |
//! | [`AdamW`] | as Adam |
//! | [`Adamax`] | a mean and a maximum |
//! | [`Nadam`] | two moments |
//! | [`Lion`] | a mean |
//! | [`Adafactor`] | mean squares over rows and columns |
//! | [`Lamb`] | two moments |
//! | [`Muon`] | a momentum of matrices, two moments of the rest |
//!
//! All of them take [weight decay](Optimizer::weight_decay), an [L2 penalty](Optimizer::l2_penalty),
//! [limits](Clip) on gradients and [parameter groups](Group), and a number or one of the
//! [`schedules`] as learning rate:
//!
//! ```
//! use optim::schedules::{Cosine, Schedule};
//! use optim::{AdamW, Group, Optimizer};
//!
//! let optimizer = AdamW::new(Cosine::new(1e-3, 9_000).warm_up(1_000))
//!     .weight_decay(0.05)
//!     .clip_global_norm(1.0)
//!     .group(Group::vectors().weight_decay(0.0));
//! optimizer.validate()?;
//! # Ok::<(), tensor::Error>(())
//! ```
//!
//! [`GradientAccumulator`] makes one step of several batches, [`WeightAverage`] keeps a running mean of
//! the weights. State of all these can be read and restored; what goes on from it gives the same bits.
//!
//! Formulas, names and defaults are those of Keras 3; where PyTorch differs, an option gives its form
//! (`docs/optimizers.md` has the table). An optimizer is one file: [`Optimizer`] asks for a name,
//! hyperparameters, the states and the formula, and provides the rest.

mod accumulate;
mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod adamw;
mod average;
mod base;
mod clip;
mod epsilon;
mod group;
mod hyperparameter;
mod lamb;
mod learning_rate;
mod lion;
mod muon;
mod nadam;
mod optimizer;
mod rmsprop;
pub mod schedules;
mod sgd;
mod state;
mod step;

pub use accumulate::{AccumulatorState, GradientAccumulator};
pub use adadelta::Adadelta;
pub use adafactor::Adafactor;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use adamw::AdamW;
pub use average::{WeightAverage, WeightAverageState};
pub use base::OptimizerBase;
pub use clip::{Clip, Norm};
pub use group::Group;
pub use hyperparameter::{Hyperparameter, Range};
pub use lamb::Lamb;
pub use learning_rate::LearningRate;
pub use lion::Lion;
pub use muon::Muon;
pub use nadam::Nadam;
pub use optimizer::Optimizer;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;
pub use state::{OptimizerState, Slot, StateStore, VariableState};
pub use step::Step;

/// The program in the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
