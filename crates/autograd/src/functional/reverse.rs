//! Gradients, and products of a row vector with a jacobian.

use std::marker::PhantomData;

use tensor::{Result, Tensor};

use super::inputs::Inputs;
use super::record::{record, scalar_value_and_gradients, with_new_ids};
use crate::gradients::{GradientOptions, Unconnected};
use crate::tape::PersistentTape;

/// The gradient of a function that returns one number: `[in…]` for each input.
///
/// ```
/// # use autograd::grad;
/// # use tensor::{Tensor, tensor};
/// let x = tensor![1.0, 2.0, 3.0];
/// assert_eq!(grad(|x| Ok(x.square().sum()), &x)?.to_vec::<f32>()?, [2.0, 4.0, 6.0]);
///
/// // The third derivative of x⁴ is 24 x.
/// let third = grad(|x| grad(|x| grad(|x| x.pow(4.0), x), x), &Tensor::scalar(2.0))?;
/// assert_eq!(third.item()?, 48.0);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the function fails, does not return one element or does not use an input, if an input is not
/// floating, or if an operation in between has no derivative.
pub fn grad<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, inputs: &I) -> Result<I::Of<Tensor>> {
    let x = with_new_ids(inputs, "grad")?;
    let (_, gradients) = scalar_value_and_gradients(f, &x, "grad", Unconnected::Error)?;
    I::arrange(gradients)
}

/// The value of a function that returns one number, and its gradient as [`grad`] returns it.
///
/// ```
/// # use autograd::value_and_grad;
/// # use tensor::tensor;
/// let (value, gradient) = value_and_grad(|x| Ok(x.square().sum()), &tensor![3.0, 4.0])?;
/// assert_eq!((value.item()?, gradient.to_vec::<f32>()?), (25.0, vec![6.0, 8.0]));
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// As [`grad`].
pub fn value_and_grad<I: Inputs + ?Sized>(
    f: impl FnOnce(&I) -> Result<Tensor>,
    inputs: &I,
) -> Result<(Tensor, I::Of<Tensor>)> {
    let x = with_new_ids(inputs, "value_and_grad")?;
    let (value, gradients) = scalar_value_and_gradients(f, &x, "value_and_grad", Unconnected::Error)?;
    Ok((value, I::arrange(gradients)?))
}

/// The value of a function, `[out…]`, and a [`Pullback`], which maps any `u` of that shape to `Jᵀu`, the product of the
/// row vector `u` with the jacobian.
///
/// ```
/// # use autograd::vjp;
/// # use tensor::tensor;
/// let (y, pullback) = vjp(|x| Ok(x.square()), &tensor![1.0, 2.0])?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 4.0]);
/// assert_eq!(pullback.apply(&tensor![1.0, 0.0])?.to_vec::<f32>()?, [2.0, 0.0]);
/// assert_eq!(pullback.apply(&tensor![0.0, 10.0])?.to_vec::<f32>()?, [0.0, 40.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the function fails or an input is not floating.
pub fn vjp<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, inputs: &I) -> Result<(Tensor, Pullback<I>)> {
    let inputs = with_new_ids(inputs, "vjp")?;
    let (tape, value) = record(f, &inputs)?;
    Ok((value.clone(), Pullback { tape, value, inputs, form: PhantomData }))
}

/// The recorded function that [`vjp`] returns. It keeps the values that the backward pass needs until it is dropped.
pub struct Pullback<I: Inputs + ?Sized> {
    tape: PersistentTape,
    value: Tensor,
    inputs: Vec<Tensor>,
    form: PhantomData<fn(&I)>,
}

impl<I: Inputs + ?Sized> Pullback<I> {
    /// Computes `Jᵀu`, `[in…]` for each input, by one reverse pass, which running tapes record. `u` has the shape and type
    /// of the function's value.
    ///
    /// # Errors
    /// Returns an error if `u` has a different shape or type than the value, if the function does not use an input, or if
    /// an operation in between has no derivative.
    pub fn apply(&self, u: &Tensor) -> Result<I::Of<Tensor>> {
        let options = GradientOptions::default().output_gradient(u);
        let gradients = self.tape.gradient_with(&self.value, &self.inputs, options);
        I::arrange(gradients.map_err(|error| error.context("vjp"))?)
    }
}
