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
//! | [`RmsProp`], with momentum or centered on request | a mean square; a velocity; a mean |
//! | [`Adam`], AMSGrad on request | two moments; the largest second moment |
//!
//! Formulas, names and defaults are those of Keras 3. An optimizer is one file: [`Optimizer`] asks
//! for a name, hyperparameters, the states and the formula, and provides the rest.

mod adagrad;
mod adam;
mod hyperparameter;
mod memory;
mod optimizer;
mod rmsprop;
mod sgd;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use hyperparameter::{Hyperparameter, Range};
pub use memory::{Memory, OptimizerState, Slot, VariableState};
pub use optimizer::{Optimizer, Step};
pub use rmsprop::RmsProp;
pub use sgd::Sgd;
