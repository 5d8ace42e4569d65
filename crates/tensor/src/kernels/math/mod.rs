//! Mathematical functions as straight-line code, which the compiler vectorizes.
//!
//! Every function computes in float64, and its type parameter selects the accuracy: for `f64` to the last digits; for
//! `f32` with shorter polynomials and without compensation of rounding errors, so the final rounding to float32 is
//! nearly the only error. There are no branches, tables or calls, and no fused multiply-add, which not every processor
//! has: each element gets the same bits at every position of a slice and on every machine. Arithmetic on bits wraps,
//! because it overflows for NaN.
//!
//! The polynomials are minimax approximations, computed with the Remez algorithm in 50 digits and rounded to float64.
//! The comment on each gives its function, argument, range and largest error, or the largest product of the error and a
//! weight. Those for `f32` aim at 2⁻²⁹ or below (float32 rounds by 2⁻²⁴), those for `f64` at 2⁻⁵⁶ (float64 rounds by
//! 2⁻⁵³).

mod exponential;
mod logarithm;
mod logistic;
mod normal;
mod trigonometric;

pub(crate) use exponential::{exp, exp_of_negative, expm1};
pub(crate) use logarithm::{log, log1p};
pub(crate) use logistic::{sigmoid, silu, silu_slope, softplus, tanh};
pub(crate) use normal::{erf, gelu, gelu_slope, gelu_tanh, gelu_tanh_slope};
pub(crate) use trigonometric::{REDUCIBLE, cos, sin, tan};

use crate::dtype::{DType, Element};

/// ln 2 as a sum of two parts. Products of the first, which has 42 bits, with exponents are exact.
const LN_2: (f64, f64) = (f64::from_bits(0x3fe6_2e42_fefa_3800), 5.497_923_018_708_371e-14);

/// 1.5 · 2⁵². Adding it to a number below 2⁵¹ rounds that to an integer, which is in the low bits of the sum (in two's
/// complement).
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Whether results need only the precision of float32.
#[inline(always)]
fn single<P: Element>() -> bool {
    P::DTYPE == DType::F32
}

/// `Σ coefficients[k] xᵏ`.
#[inline(always)]
fn polynomial<const N: usize>(x: f64, coefficients: &[f64; N]) -> f64 {
    let mut sum = coefficients[N - 1];
    for &coefficient in coefficients[..N - 1].iter().rev() {
        sum = sum * x + coefficient;
    }
    sum
}

/// `x`, or `limit` if `x` is above it; NaN stays NaN.
#[inline(always)]
fn at_most(x: f64, limit: f64) -> f64 {
    if x > limit { limit } else { x }
}

/// `x`, or `limit` if `x` is below it; NaN stays NaN.
#[inline(always)]
fn at_least(x: f64, limit: f64) -> f64 {
    if x < limit { limit } else { x }
}

/// `a + b` and its rounding error (Knuth's two-sum).
#[inline(always)]
fn exact_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let added = sum - a;
    (sum, (a - (sum - added)) + (b - added))
}

/// `numerator / (a + b)` with `a ≥ |b|`. The rounding error of the sum is compensated to the accuracy of `inverse`, an
/// approximate reciprocal of the sum.
#[inline(always)]
fn quotient<P: Element>(numerator: f64, a: f64, b: f64, inverse: f64) -> f64 {
    let sum = a + b;
    let quotient = numerator / sum;
    if single::<P>() { quotient } else { quotient - quotient * ((b - (sum - a)) * inverse) }
}

/// The first 26 bits of `x`; the square of that number is exact.
#[inline(always)]
fn leading(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & !0x7ff_ffff)
}

/// `a · b` and its rounding error (Dekker's product).
#[inline(always)]
fn exact_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let (a_high, b_high) = (leading(a), leading(b));
    let (a_low, b_low) = (a - a_high, b - b_high);
    (product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low)
}

#[cfg(test)]
mod tests;
