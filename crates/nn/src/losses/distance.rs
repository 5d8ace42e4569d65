//! Distances of embeddings.

use tensor::{Error, Result, Tensor};

use super::checks::power;

/// Added to each difference, as in PyTorch, so that the distance of equal vectors is differentiable.
const DISTANCE_EPSILON: f64 = 1e-6;

/// `‖a - b + 1e-6‖ₚ` along the last axis, like PyTorch's function of that name: two tensors `[…, n]` give `[…]`. The
/// exponent `p` is at least 1: 2 for the Euclidean distance, infinity for the largest difference. By convention the
/// gradient of a norm of 0 is 0.
///
/// # Errors
/// Returns an error if shapes or types differ, the types are not floating, there is no axis, or `p` is below 1.
///
/// ```
/// # use nn::pairwise_distance;
/// # use tensor::tensor;
/// let distances = pairwise_distance(&tensor![[3.0, 4.0]], &tensor![[0.0, 0.0]], 2.0)?;
/// assert!((distances.item()? - 5.0).abs() < 1e-5);
/// # Ok::<(), tensor::Error>(())
/// ```
#[track_caller]
pub fn pairwise_distance(a: &Tensor, b: &Tensor, p: f64) -> Result<Tensor> {
    const NAME: &str = "pairwise_distance";
    if a.shape() != b.shape() {
        return Err(Error::shape(NAME, b.shape(), format!("must be that of the first operand, {}", a.shape())));
    }
    if !a.dtype().is_float() {
        return Err(Error::dtype(NAME, a.dtype(), "a floating type"));
    }
    let difference = a.try_sub(b)?.try_add(DISTANCE_EPSILON)?;
    if p == 2.0 {
        difference.norm_axis(-1)
    } else if p == f64::INFINITY {
        difference.abs().max_axis(-1)
    } else if p >= 1.0 {
        power(&difference.abs().pow(p)?.sum_axis(-1)?, 1.0 / p)
    } else {
        Err(Error::argument(NAME, format!("p = {p:?} does not define a distance; it must be at least 1")))
    }
}
