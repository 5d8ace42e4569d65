//! Products of a jacobian or hessian with a vector, without computing the matrix.

use tensor::{DType, Error, Result, Tensor};

use super::inputs::Inputs;
use super::record::{pull_back, record, scalar_value_and_gradients, with_new_ids};
use crate::gradients::{GradientOptions, Unconnected};
use crate::tape::GradientTape;

/// The value of a function, `[out…]`, and its derivative in the direction of `tangents`, `J v`, of the same shape. The
/// tangents have the same form, shapes and types as the inputs.
///
/// The product is computed by reverse mode twice: `Jᵀu` is linear in `u`, and the gradient of `⟨Jᵀu, v⟩` with respect to
/// `u` is `J v`. This costs two reverse passes, about twice as much as forward mode, and keeps the intermediate values
/// of `f` in memory.
///
/// ```
/// # use autograd::jvp;
/// # use tensor::tensor;
/// let (y, dy) = jvp(|x| Ok(x.square()), &tensor![1.0, 2.0], &tensor![1.0, 10.0])?;
/// assert_eq!((y.to_vec::<f32>()?, dy.to_vec::<f32>()?), (vec![1.0, 4.0], vec![2.0, 40.0]));
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the function fails, if an input is not floating, if a tangent has a different shape or type than
/// its input, or if an operation in between has no first or second derivative.
pub fn jvp<I: Inputs + ?Sized>(
    f: impl FnOnce(&I) -> Result<Tensor>,
    inputs: &I,
    tangents: &I,
) -> Result<(Tensor, Tensor)> {
    let x = with_new_ids(inputs, "jvp")?;
    check_tangents(&x, tangents.tensors(), "jvp")?;
    let (tape, y) = record(f, &x)?;
    let u = y.zeros_like();
    // This tape records the backward pass but not `f`, which does not depend on `u`.
    let transposed = GradientTape::new();
    transposed.watch(&u);
    let derivative = pull_back(&tape, &y, &x, &u)
        .and_then(|gradients| inner_product(&gradients, tangents.tensors(), y.dtype()))
        .and_then(|product| transposed.gradient_with(&product, &u, zeros()))
        .map_err(|error| error.context("jvp"))?;
    Ok((y, derivative))
}

/// The product of the hessian of a function that returns one number with `vectors`: `[in…]` for each input. The vectors
/// have the same form, shapes and types as the inputs.
///
/// It is computed by reverse mode over reverse mode, which costs about two or three times as much as the gradient.
///
/// ```
/// # use autograd::hvp;
/// # use tensor::tensor;
/// let product = hvp(|x| Ok(x.pow(3.0)?.sum()), &tensor![1.0, 2.0], &tensor![1.0, 10.0])?;
/// assert_eq!(product.to_vec::<f32>()?, [6.0, 120.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the function fails or does not return one element, if an input is not floating, if a vector has a
/// different shape or type than its input, or if an operation in between has no second derivative.
pub fn hvp<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, inputs: &I, vectors: &I) -> Result<I::Of<Tensor>> {
    let x = with_new_ids(inputs, "hvp")?;
    check_tangents(&x, vectors.tensors(), "hvp")?;
    let tape = GradientTape::new();
    x.iter().for_each(|x| tape.watch(x));
    let (y, gradients) = scalar_value_and_gradients(f, &x, "hvp", Unconnected::Zeros)?;
    let products = inner_product(&gradients, vectors.tensors(), y.dtype())
        .and_then(|product| tape.gradient_with(&product, &x, zeros()))
        .map_err(|error| error.context("hvp"))?;
    I::arrange(products)
}

fn zeros() -> GradientOptions {
    GradientOptions::default().unconnected(Unconnected::Zeros)
}

/// Checks that there is one tangent for each input, of the same shape and type.
fn check_tangents(inputs: &[Tensor], tangents: &[Tensor], operation: &str) -> Result<()> {
    if inputs.len() != tangents.len() {
        let message = format!("{} vectors for {} inputs", tangents.len(), inputs.len());
        return Err(Error::argument(operation, message));
    }
    for (k, (x, v)) in inputs.iter().zip(tangents).enumerate() {
        if x.shape() != v.shape() || x.dtype() != v.dtype() {
            let message =
                format!("vector {k} is {} {}, but its input is {} {}", v.dtype(), v.shape(), x.dtype(), x.shape());
            return Err(Error::argument(operation, message));
        }
    }
    Ok(())
}

/// The sum of the products of all elements, as a scalar of type `dtype`.
fn inner_product(a: &[Tensor], b: &[Tensor], dtype: DType) -> Result<Tensor> {
    let mut sum = Tensor::full_of([], 0.0, dtype);
    for (a, b) in a.iter().zip(b) {
        // Inputs may be of both floating types.
        sum = sum.try_add(a.try_mul(b)?.sum().cast(dtype))?;
    }
    Ok(sum)
}
