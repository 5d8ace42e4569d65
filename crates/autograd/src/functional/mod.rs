//! Derivatives of functions, where a tape gives derivatives of values.
//!
//! All of these take a closure and the point at which it is differentiated: one tensor, an array
//! of tensors, or a slice or vector of them ([`Inputs`]). What comes back has the same form. The
//! closure is called once.
//!
//! | function | of `f` | gives | costs, beside `f` |
//! |---|---|---|---|
//! | [`grad`], [`value_and_grad`] | `… → 1` | the gradient, `[in…]` | a reverse pass |
//! | [`vjp`] | `… → [out…]` | the value, and `Jᵀu` for any `u` | a reverse pass for each `u` |
//! | [`jvp`] | `… → [out…]` | the value, and `J v` | two reverse passes |
//! | [`jacobian`] | `… → [out…]` | `[out…, in…]` | a reverse pass for each output element |
//! | [`batch_jacobian`] | `[batch, …] → [batch, out…]` | `[batch, out…, in…]` | a reverse pass for each output element of one example |
//! | [`hvp`] | `… → 1` | `H v`, `[in…]` | two or three reverse passes |
//! | [`hessian`] | `… → 1` | `[in…, in…]` | a reverse pass, and one through it for each input element |
//!
//! They nest: `grad(|x| grad(f, x), &x)` is the second derivative. The function sees its inputs
//! under a new identity, so that an inner derivative never mistakes what an outer function captured
//! for its own input; and every tape that already runs follows through it, so that gradients of
//! derivatives reach inputs and captured variables alike, as a gradient penalty needs.
//!
//! # What does not depend on an input
//!
//! [`grad`], [`value_and_grad`] and [`vjp`] fail if the function does not use an input, as a tape
//! does: mostly that is a mistake. The others give zeros, because there it is the right answer to an
//! ordinary question: the hessian of a linear function, a jacobian whose outputs depend on some of
//! the inputs only. For the derivative of a derivative that may be constant, use [`jacobian`] or
//! [`hessian`] rather than a [`grad`] of a [`grad`].

mod inputs;
mod jacobians;
mod products;
mod reverse;

use tensor::{Error, Result, Tensor};

use crate::gradients::{GradientOptions, Unconnected};
use crate::tape::{GradientTape, PersistentTape};

pub use inputs::Inputs;
pub use jacobians::{batch_jacobian, hessian, jacobian};
pub use products::{hvp, jvp};
pub use reverse::{Pullback, grad, value_and_grad, vjp};

/// The inputs under new identities. Whoever records already follows them through a reshape to the
/// shape they have; whoever starts to record now tells them from what the function captured.
fn renewed<I: Inputs + ?Sized>(inputs: &I, operation: &str) -> Result<Vec<Tensor>> {
    let renew = |(k, x): (usize, &Tensor)| {
        if !x.dtype().is_float() {
            let expected = format!(
                "a floating type, which input {k} must be; cast it, as in `x.cast(DType::F32)`, or let the function \
                 capture it"
            );
            return Err(Error::dtype(operation, x.dtype(), expected));
        }
        x.reshape(x.shape())
    };
    inputs.tensors().iter().enumerate().map(renew).collect()
}

/// `f` of these tensors.
fn call<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, x: &[Tensor]) -> Result<Tensor> {
    f(I::borrow(&I::arrange(x.to_vec())?))
}

/// A tape that has recorded `f`, and its value.
fn recorded<I: Inputs + ?Sized>(
    f: impl FnOnce(&I) -> Result<Tensor>,
    x: &[Tensor],
) -> Result<(PersistentTape, Tensor)> {
    let tape = GradientTape::persistent();
    x.iter().for_each(|x| tape.watch(x));
    let y = call(f, x)?;
    tape.stop();
    Ok((tape, y))
}

/// The value and the gradients of `f`, which must be one number.
fn slope<I: Inputs + ?Sized>(
    f: impl FnOnce(&I) -> Result<Tensor>,
    x: &[Tensor],
    operation: &str,
    unconnected: Unconnected,
) -> Result<(Tensor, Vec<Tensor>)> {
    let tape = GradientTape::new();
    x.iter().for_each(|x| tape.watch(x));
    let y = call(f, x)?;
    if y.size() != 1 {
        let expected = "the function must return one number; take the sum, or ask for its `jacobian`";
        return Err(Error::shape(operation, y.shape(), expected));
    }
    let options = GradientOptions::default().unconnected(unconnected);
    let gradients = tape.gradient_with(&y, x, options).map_err(|error| error.context(operation))?;
    Ok((y, gradients))
}

/// `Jᵀu` for the value of a recorded function, zeros where it does not depend on an input.
fn pulled(tape: &PersistentTape, y: &Tensor, x: &[Tensor], u: &Tensor) -> Result<Vec<Tensor>> {
    let options = GradientOptions::default().output_gradient(u).unconnected(Unconnected::Zeros);
    tape.gradient_with(y, x, options)
}
