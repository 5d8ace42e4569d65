//! Reverse-mode automatic differentiation: a gradient tape over the operations of [`tensor`].
//!
//! ```
//! use autograd::{GradientTape, Result, Variable};
//! use tensor::Tensor;
//!
//! let x = Variable::new(Tensor::scalar(0.0));
//! let tape = GradientTape::new();
//! let y = 2.0 * &x + 3.0;
//! assert_eq!(tape.gradient(&y, &x)?.item()?, 2.0);
//! # Ok::<(), autograd::Error>(())
//! ```
//!
//! | item | purpose |
//! |---|---|
//! | [`Variable`] | trainable state |
//! | [`GradientTape`], [`PersistentTape`] | recording operations and computing gradients |
//! | [`functional`] | derivatives of functions: [`grad`], [`vjp`], [`jvp`], [`jacobian`], [`hessian`], [`hvp`] |
//! | [`gradcheck()`] | comparing gradients with finite differences |
//! | [`custom()`] | user-defined operations with user-defined gradients |
//! | [`checkpoint()`] | recomputing a segment in the backward pass instead of saving its values |
//!
//! The crate `tensor` is re-exported as [`tensor`].

mod backward;
mod captures;
mod checkpoint;
mod custom;
mod display;
pub mod functional;
mod gradcheck;
mod gradients;
mod recorder;
mod recording;
mod request;
mod rules;
mod saved;
mod tape;
mod unbroadcast;
mod variable;

pub use checkpoint::{CheckpointPass, checkpoint, checkpoint_pass};
pub use custom::{CustomOp, custom};
pub use functional::{Inputs, Pullback, batch_jacobian, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp};
pub use gradcheck::{Tolerance, gradcheck, gradgradcheck};
pub use gradients::{Differentiable, GradientOptions, Source, Sources, Unconnected};
pub use tape::{GradientTape, PersistentTape};
pub use tensor;
pub use tensor::{Error, Result, no_record};
pub use variable::{Variable, WeakVariable};

/// The program in the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
