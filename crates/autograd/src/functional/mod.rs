//! Derivatives of functions.
//!
//! Each takes a closure and the point at which to differentiate it: a tensor, or an array, slice or vector of tensors
//! ([`Inputs`]). The result has the same form. The closure is called once.
//!
//! | function | `f` | returns | cost in addition to `f` |
//! |---|---|---|---|
//! | [`grad`], [`value_and_grad`] | `… → 1` | the gradient, `[in…]` | a reverse pass |
//! | [`vjp`] | `… → [out…]` | the value, and `Jᵀu` for any `u` | a reverse pass for each `u` |
//! | [`jvp`] | `… → [out…]` | the value, and `J v` | two reverse passes |
//! | [`jacobian`] | `… → [out…]` | `[out…, in…]` | a reverse pass for each output element |
//! | [`batch_jacobian`] | `[batch, …] → [batch, out…]` | `[batch, out…, in…]` | a reverse pass for each output element of one example |
//! | [`hvp`] | `… → 1` | `H v`, `[in…]` | two or three reverse passes |
//! | [`hessian`] | `… → 1` | `[in…, in…]` | a reverse pass, and one through it for each input element |
//!
//! They nest: `grad(|x| grad(f, x), &x)` is the second derivative. The closure receives its inputs with new identities, so
//! an inner derivative does not confuse its input with the same tensor captured from outside. Tapes that already run
//! record everything, so gradients of derivatives reach inputs and captured variables, as a gradient penalty needs.
//!
//! # Unused inputs
//!
//! [`grad`], [`value_and_grad`] and [`vjp`] return an error if the function does not use an input, as a tape does,
//! because this is usually a mistake. The others return zeros, which is a common correct result: the hessian of a linear
//! function, or a jacobian whose outputs depend on some of the inputs only. To differentiate a derivative that may be
//! constant, use [`jacobian`] or [`hessian`] instead of two nested [`grad`]s.

mod inputs;
mod jacobians;
mod products;
mod record;
mod reverse;

pub use inputs::Inputs;
pub use jacobians::{batch_jacobian, hessian, jacobian};
pub use products::{hvp, jvp};
pub use reverse::{Pullback, grad, value_and_grad, vjp};
