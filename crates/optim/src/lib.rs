//! Optimizers, learning rate schedules, and gradient clipping.
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
//! | optimizer | states of a variable |
//! |---|---|
//! | [`Sgd`], optionally with momentum or Nesterov momentum | none, or a velocity |
//! | [`Adagrad`] | the sum of squared gradients |
//! | [`Adadelta`] | mean squares of gradients and of steps |
//! | [`RmsProp`], optionally with momentum or centered | a mean square; a velocity; a mean |
//! | [`Adam`], optionally AMSGrad | two moments; the largest second moment |
//! | [`AdamW`] | those of Adam |
//! | [`Adamax`] | a mean and a maximum |
//! | [`Nadam`] | two moments |
//! | [`Lion`] | a mean |
//! | [`Adafactor`] | mean squares over rows and columns |
//! | [`Lamb`] | two moments |
//! | [`Muon`] | a momentum for matrices, two moments for other variables |
//!
//! All of them support [weight decay](Optimizer::weight_decay), an [L2 penalty](Optimizer::l2_penalty),
//! [gradient clipping](Clip) and [parameter groups](Group). The learning rate is a number or one of the [`schedules`]:
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
//! [`GradientAccumulator`] combines several batches into one step, and [`WeightAverage`] computes a moving average of the
//! weights. The state of each of them can be saved and restored, and training continues with the same bits.
//!
//! Formulas, names and defaults are those of Keras 3. Where PyTorch differs, an option selects its form
//! (`docs/optimizers.md` has a table). An optimizer is one file that implements [`Optimizer`]: a name, hyperparameters,
//! states and the formula.

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
