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
//! | module | holds |
//! |---|---|
//! | [`Variable`] | trainable state with an identity of its own |
//! | [`GradientTape`], [`PersistentTape`] | recording, and the walk backwards |
//! | [`functional`] | derivatives of functions: [`grad`], [`vjp`], [`jvp`], [`jacobian`], [`hessian`], [`hvp`] |
//! | [`gradcheck()`] | gradients against finite differences |
//! | [`custom()`] | your own operations, with their gradients |
//! | [`checkpoint()`] | recomputing instead of keeping |
//!
//! The crate `tensor` is re-exported, so that this one suffices as a dependency.

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
