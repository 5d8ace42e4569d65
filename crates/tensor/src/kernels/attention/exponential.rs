//! Weights relative to the largest one.

use crate::dtype::{DType, Float};
use crate::kernels::math::{MultiplyAdd, exp_of_negative};

/// `eˣ` for `x ≤ 0`, or 0 if that is subnormal: beside the largest weight, which is 1, it would change no result. Scores
/// that do not count are minus infinity, and processors take a hundred times as long for a subnormal product.
#[inline(always)]
pub(super) fn exponential<M: MultiplyAdd, T: Float>(x: T) -> T {
    let lowest = T::from_f64(if T::DTYPE == DType::F32 { -87.0 } else { -708.0 });
    let value = exp_of_negative::<M, T>(if x < lowest { lowest } else { x });
    if x < lowest { T::zero() } else { value }
}
