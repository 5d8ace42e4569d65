//! Products of jacobian and hessian with a vector, without the matrices.

use tensor::{DType, Error, Result, Tensor};

use super::{Inputs, pulled, recorded, renewed, slope};
use crate::gradients::{GradientOptions, Unconnected};
use crate::tape::GradientTape;

/// The value of a function, `[out…]`, and its derivative in the direction of `tangents`, `J v`, of
/// the same shape: what forward mode computes. The tangents have form, shapes and types of the
/// inputs.
///
/// It is made of reverse mode twice: `Jᵀu` is linear in `u`, and the gradient of `⟨Jᵀu, v⟩` for `u`
/// is `J v`. That costs two reverse passes whatever the sizes, about twice what rules of its own
/// would, and keeps the intermediate values of `f` meanwhile.
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
/// If the function fails, an input is not floating, or a tangent has a different shape or type than its
/// input; if an operation on the way has no derivative, or one that has none in turn.
pub fn jvp<I: Inputs + ?Sized>(
    f: impl FnOnce(&I) -> Result<Tensor>,
    inputs: &I,
    tangents: &I,
) -> Result<(Tensor, Tensor)> {
    let x = renewed(inputs, "jvp")?;
    check_tangents(&x, tangents.tensors(), "jvp")?;
    let (tape, y) = recorded(f, &x)?;
    let u = y.zeros_like();
    // This tape sees the walk backwards and nothing of `f`: of that, `u` alone matters.
    let transposed = GradientTape::new();
    transposed.watch(&u);
    let derivative = pulled(&tape, &y, &x, &u)
        .and_then(|gradients| inner_product(&gradients, tangents.tensors(), y.dtype()))
        .and_then(|product| transposed.gradient_with(&product, &u, zeros()))
        .map_err(|error| error.context("jvp"))?;
    Ok((y, derivative))
}

/// The hessian of a function that returns one number, times `vectors`: `[in…]` for each input, by
/// reverse mode over reverse mode. The vectors have form, shapes and types of the inputs. It costs a
/// reverse pass through the gradient, about two or three times what the gradient does, and no
/// matrix.
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
/// If the function fails or does not return one element; if an input is not floating, or a vector
/// has a different shape or type than its input; if an operation on the way has no second derivative.
pub fn hvp<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, inputs: &I, vectors: &I) -> Result<I::Of<Tensor>> {
    let x = renewed(inputs, "hvp")?;
    check_tangents(&x, vectors.tensors(), "hvp")?;
    let tape = GradientTape::new();
    x.iter().for_each(|x| tape.watch(x));
    let (y, gradients) = slope(f, &x, "hvp", Unconnected::Zeros)?;
    let products = inner_product(&gradients, vectors.tensors(), y.dtype())
        .and_then(|product| tape.gradient_with(&product, &x, zeros()))
        .map_err(|error| error.context("hvp"))?;
    I::arrange(products)
}

fn zeros() -> GradientOptions {
    GradientOptions::default().unconnected(Unconnected::Zeros)
}

/// An error unless there is a tangent for each input, of its shape and type.
fn check_tangents(inputs: &[Tensor], tangents: &[Tensor], operation: &str) -> Result<()> {
    if inputs.len() != tangents.len() {
        let message = format!("{} vectors for {} inputs", tangents.len(), inputs.len());
        return Err(Error::argument(operation, message));
    }
    for (k, (x, v)) in inputs.iter().zip(tangents).enumerate() {
        if x.shape() != v.shape() || x.dtype() != v.dtype() {
            let message = format!("vector {k} is {} {}, its input {} {}", v.dtype(), v.shape(), x.dtype(), x.shape());
            return Err(Error::argument(operation, message));
        }
    }
    Ok(())
}

/// The sum of all products of elements, as a number of type `dtype`.
fn inner_product(a: &[Tensor], b: &[Tensor], dtype: DType) -> Result<Tensor> {
    let mut sum = Tensor::full_of([], 0.0, dtype);
    for (a, b) in a.iter().zip(b) {
        // Inputs may be of both floating types.
        sum = sum.try_add(a.try_mul(b)?.sum().cast(dtype))?;
    }
    Ok(sum)
}
