//! Jacobians and hessians, computed row by row.

use tensor::{DType, Error, Result, Shape, Tensor};

use super::inputs::Inputs;
use super::record::{pull_back, record, scalar_value_and_gradients, with_new_ids};
use crate::gradients::Unconnected;
use crate::tape::{GradientTape, PersistentTape};

/// The derivatives of all elements of a function's value with respect to all elements of each input, `[out…, in…]`. It
/// takes one reverse pass for each output element. An input that the function does not use gets zeros.
///
/// ```
/// # use autograd::jacobian;
/// # use tensor::tensor;
/// let a = tensor![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
/// let j = jacobian(|x| a.matmul(x), &tensor![0.5, 0.5])?;
/// assert_eq!(j.to_vec::<f32>()?, a.to_vec::<f32>()?);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the function fails, if its value or an input is not floating, or if an operation in between has no
/// derivative.
pub fn jacobian<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, inputs: &I) -> Result<I::Of<Tensor>> {
    let x = with_new_ids(inputs, "jacobian")?;
    let (tape, y) = record(f, &x)?;
    I::arrange(rows(&tape, &y, &x, 0).map_err(|error| error.context("jacobian"))?)
}

/// The jacobian of each example of a batch, `[batch, out…, in…]`, for a function from `[batch, in…]` to `[batch, out…]` in
/// which the examples do not depend on each other. It takes one reverse pass for each output element of one example,
/// whatever the batch size.
///
/// It is not checked whether the examples are independent. If they are not, as after batch normalization, each entry is
/// the sum of the derivatives of all examples' outputs.
///
/// ```
/// # use autograd::batch_jacobian;
/// # use tensor::tensor;
/// let j = batch_jacobian(|x| Ok(x.square()), &tensor![[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!(j.shape(), &[2, 2, 2]);
/// assert_eq!(j.to_vec::<f32>()?, [2.0, 0.0, 0.0, 4.0, 6.0, 0.0, 0.0, 8.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// As [`jacobian`], and if the first axes of the value and an input differ.
pub fn batch_jacobian<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, inputs: &I) -> Result<I::Of<Tensor>> {
    let x = with_new_ids(inputs, "batch_jacobian")?;
    let (tape, y) = record(f, &x)?;
    for (k, x) in x.iter().enumerate() {
        if y.rank() == 0 || y.shape().first() != x.shape().first() {
            let message = format!("input {k} {} and the value {} differ in their first axis", x.shape(), y.shape());
            return Err(Error::argument("batch_jacobian", message));
        }
    }
    I::arrange(rows(&tape, &y, &x, 1).map_err(|error| error.context("batch_jacobian"))?)
}

/// The second derivatives of a function that returns one number, `[in…, in…]`. For several inputs there is one block for
/// each pair, `hessian[i][j]` of shape `[in_i…, in_j…]`. Where the function is linear or does not use an input, they are
/// zeros.
///
/// It takes one reverse pass for the gradient, and one through it for each input element. If these are too many, use
/// products with vectors: [`hvp`](super::hvp).
///
/// ```
/// # use autograd::hessian;
/// # use tensor::{Tensor, tensor};
/// let h = hessian(|x| Ok(x.pow(3.0)?.sum()), &tensor![1.0, 2.0])?;
/// assert_eq!(h.to_vec::<f32>()?, [6.0, 0.0, 0.0, 12.0]);
///
/// let [[_, ab], [_, bb]] = hessian(|[a, b]| Ok(a * b), &[Tensor::scalar(2.0), Tensor::scalar(3.0)])?;
/// assert_eq!((ab.item()?, bb.item()?), (1.0, 0.0));
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the function fails or does not return one element, if an input is not floating, or if an operation
/// in between has no second derivative.
pub fn hessian<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, inputs: &I) -> Result<I::Of<I::Of<Tensor>>> {
    let x = with_new_ids(inputs, "hessian")?;
    let tape = GradientTape::persistent();
    x.iter().for_each(|x| tape.watch(x));
    let (_, gradients) = scalar_value_and_gradients(f, &x, "hessian", Unconnected::Zeros)?;
    tape.stop();
    let blocks = |gradient: &Tensor| I::arrange(rows(&tape, gradient, &x, 0)?);
    let blocks: Result<Vec<I::Of<Tensor>>> = gradients.iter().map(blocks).collect();
    I::arrange(blocks.map_err(|error| error.context("hessian"))?)
}

/// The jacobian of `y` for each of `x`, by one reverse pass for each element of `y`. The first `shared` axes are common to
/// both and appear once: each pass handles all positions along them.
fn rows(tape: &PersistentTape, y: &Tensor, x: &[Tensor], shared: usize) -> Result<Vec<Tensor>> {
    let own: Shape = y.shape()[shared..].into();
    let pass = |k: usize| pull_back(tape, y, x, &one_hot(&own, k, y.dtype())?.expand(y.shape())?);
    let passes: Vec<Vec<Tensor>> = (0..own.size()).map(pass).collect::<Result<_>>()?;
    let of_input = |(k, x): (usize, &Tensor)| {
        let shape: Shape = y.shape().iter().chain(&x.shape()[shared..]).copied().collect();
        let rows: Vec<&Tensor> = passes.iter().map(|pass| &pass[k]).collect();
        if rows.is_empty() {
            return Ok(Tensor::full_of(shape, 0.0, x.dtype()));
        }
        Tensor::stack(&rows, shared)?.reshape(shape)
    };
    x.iter().enumerate().map(of_input).collect()
}

/// Zeros with a one as element `k`.
fn one_hot(shape: &Shape, k: usize, dtype: DType) -> Result<Tensor> {
    Tensor::arange(0, shape.size(), 1)?.equal(k)?.cast(dtype).reshape(shape)
}
