//! The logistic function and functions derived from it.

use super::exponential::{LOWER, raised_exp};
use super::logarithm::log1p_of_unit;
use super::{MultiplyAdd, at_least, at_most, polynomial};

/// From here on both `e⁻ˣ` and `x e⁻ˣ` are 0.
const END: f32 = 110.0;

/// `(tanh x / x - 1) / x²` in `x²` for `|x| ≤ 0.625`; error times `x²`: 2⁻²⁷.
const TANH: [f32; 5] = [-0.333_332_84, 0.133_314_83, -0.053_742_815, 0.020_648_235, -0.005_714_29];

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub(in super::super) fn sigmoid<M: MultiplyAdd>(x: f32) -> f32 {
    let small = raised_exp::<M>(-at_most(x.abs(), END), -0.0) * LOWER;
    // `small / (1 + small)` for negative numbers, but less is lost to rounding if this quotient is subtracted.
    let whole = if x < 0.0 { small } else { 1.0 };
    M::multiply_add(-whole, small / (1.0 + small), whole)
}

/// `x` times the logistic function of a number with the sign of `x` and the absolute value `u + low`. The positive and
/// the negative side differ by `x`.
///
/// Requires `size = |x|`, or a number from which on the product is `x` or 0.
#[inline(always)]
pub(super) fn weighted<M: MultiplyAdd>(x: f32, size: f32, u: f32, low: f32) -> f32 {
    let raised = raised_exp::<M>(-u, -low);
    M::multiply_add(size * raised / M::multiply_add(raised, LOWER, 1.0), -LOWER, at_least(x, -0.0))
}

/// `x / (1 + e⁻ˣ)`.
#[inline(always)]
pub(in super::super) fn silu<M: MultiplyAdd>(x: f32) -> f32 {
    let size = at_most(x.abs(), END);
    weighted::<M>(x, size, size, 0.0)
}

/// The derivative of the product in [`weighted`], where `rest` is `1 - u' |x|`. The slopes at `x` and `-x` add up to 1.
#[inline(always)]
pub(super) fn weighted_slope<M: MultiplyAdd>(x: f32, u: f32, low: f32, rest: f32) -> f32 {
    let raised = raised_exp::<M>(-u, -low);
    let small = raised * LOWER;
    // The logistic function of `-u`; with it the slope is `logistic (1 - u' |x| (1 - logistic))`.
    let logistic = small / (1.0 + small);
    // The first factor as in `sigmoid`.
    let below = M::multiply_add(-raised, logistic, raised) * M::multiply_add(1.0 - rest, logistic, rest) * LOWER;
    if x < 0.0 { below } else { 1.0 - below }
}

/// The derivative of `x / (1 + e⁻ˣ)`.
#[inline(always)]
pub(in super::super) fn silu_slope<M: MultiplyAdd>(x: f32) -> f32 {
    let size = at_most(x.abs(), END);
    weighted_slope::<M>(x, size, 0.0, 1.0 - size)
}

/// `ln(1 + eˣ)`.
#[inline(always)]
pub(in super::super) fn softplus<M: MultiplyAdd>(x: f32) -> f32 {
    at_least(x, 0.0) + log1p_of_unit::<M>(raised_exp::<M>(-at_most(x.abs(), END), -0.0) * LOWER)
}

/// The hyperbolic tangent: a polynomial near 0, and elsewhere `1 - 2 / (1 + exp(2 |x|))`.
#[inline(always)]
pub(in super::super) fn tanh<M: MultiplyAdd>(x: f32) -> f32 {
    // From 10 on the result is 1.
    let size = at_most(x.abs(), 10.0);
    let square = size * size;
    let near = M::multiply_add(size * square, polynomial::<M, _>(square, &TANH), size);
    let far = 1.0 - 2.0 / M::multiply_add(raised_exp::<M>(2.0 * size, -0.0), LOWER, 1.0);
    (if size < 0.625 { near } else { far }).copysign(x)
}
