//! The logistic function and functions derived from it.

use super::exponential::{expm1, scaled_exp};
use super::logarithm::usual_log1p;
use super::{at_least, at_most, quotient};

/// From here on both `e⁻ˣ` and `x e⁻ˣ` are 0.
const END: f64 = 800.0;

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub(in super::super) fn sigmoid(x: f64) -> f64 {
    let (value, scale) = scaled_exp(-at_most(x.abs(), END), 0.0);
    let small = value * scale;
    let numerator = if x < 0.0 { small } else { 1.0 };
    quotient(numerator, 1.0, small, 0.75)
}

/// `x` times the logistic function of a number with the sign of `x` and the absolute value
/// `size + low`.
#[inline(always)]
pub(super) fn weighted(x: f64, size: f64, low: f64) -> f64 {
    let (value, scale) = scaled_exp(-at_most(size, END), -low);
    let (factor, scale_left) = if x < 0.0 { (value, scale) } else { (1.0, 1.0) };
    // A finite factor: the limit toward minus infinity is 0.
    at_least(x, -END) * factor / (1.0 + value * scale) * scale_left
}

/// `x / (1 + e⁻ˣ)`.
#[inline(always)]
pub(in super::super) fn silu(x: f64) -> f64 {
    weighted(x, x.abs(), 0.0)
}

/// The derivative of `x σ(u)` for a number `u` with the sign of `x` and the absolute value `size`, whose
/// derivative is `slope`: `s + x s (1 - s) slope` with `s = σ(u)`.
#[inline(always)]
pub(super) fn weighted_slope(x: f64, size: f64, slope: f64) -> f64 {
    let (value, scale) = scaled_exp(-at_most(size, END), 0.0);
    let small = value * scale;
    let inverse = 1.0 / (1.0 + small);
    let s = if x < 0.0 { small * inverse } else { inverse };
    // A finite factor, as above: where it differs from `x`, `s (1 - s)` is 0.
    let x = at_most(x.abs(), END).copysign(x);
    s + x * slope * (small * inverse * inverse)
}

/// The derivative of `x / (1 + e⁻ˣ)`.
#[inline(always)]
pub(in super::super) fn silu_slope(x: f64) -> f64 {
    weighted_slope(x, x.abs(), 1.0)
}

/// `ln(1 + eˣ)`.
#[inline(always)]
pub(in super::super) fn softplus(x: f64) -> f64 {
    let (value, scale) = scaled_exp(-at_most(x.abs(), END), 0.0);
    at_least(x, 0.0) + usual_log1p(value * scale)
}

/// The hyperbolic tangent. With `s = exp(-2 |x|) - 1` it is `-s / (2 + s)`, and also `1 - (2 + 2s) / (2 + s)`. The form
/// whose quotient is at most about a half is used, to keep rounding errors small.
#[inline(always)]
pub(in super::super) fn tanh(x: f64) -> f64 {
    let shrunk = expm1(-2.0 * x.abs());
    let far = shrunk < -0.7;
    let part = quotient(if far { 2.0 + 2.0 * shrunk } else { -shrunk }, 2.0, shrunk, 0.75);
    (if far { 1.0 - part } else { part }).copysign(x)
}
