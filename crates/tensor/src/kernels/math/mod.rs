//! Mathematical functions in straight-line code, which the compiler turns into vector instructions.
//!
//! Every function computes in float64, and its type parameter says how exactly: for `f64` to the
//! last digits, for `f32` with shorter polynomials and without compensation of roundings, so that
//! the final rounding to float32 is nearly the only error. There are no branches, tables or calls,
//! and no fused multiply-add, which not every processor has: each element gets the same bits
//! wherever it stands in a slice, on whatever machine. Arithmetic on bits wraps, as it does for NaN.
//!
//! The polynomials are minimax approximations, computed with the Remez algorithm in 50 digits and
//! rounded to float64; the comment on each gives its argument, range and largest error. Those for
//! `f32` aim at 2⁻²⁹ or below (float32 rounds by 2⁻²⁴), those for `f64` at 2⁻⁵⁶ (2⁻⁵³).

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

/// ln 2 in two parts. Products of the first, of 42 digits, with exponents are exact.
const LN_2: (f64, f64) = (f64::from_bits(0x3fe6_2e42_fefa_3800), 5.497_923_018_708_371e-14);

/// 1.5 · 2⁵²: a number below 2⁵¹ that is added to it is rounded to an integer, which stands in the
/// low bits of the sum (in two's complement).
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Whether results are needed to the digits of float32 only.
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

/// `x`, or `limit` where `x` is above; NaN stays.
#[inline(always)]
fn at_most(x: f64, limit: f64) -> f64 {
    if x > limit { limit } else { x }
}

/// `x`, or `limit` where `x` is below; NaN stays.
#[inline(always)]
fn at_least(x: f64, limit: f64) -> f64 {
    if x < limit { limit } else { x }
}

/// `a + b` and what rounding took from it (Knuth's two-sum).
#[inline(always)]
fn exact_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let added = sum - a;
    (sum, (a - (sum - added)) + (b - added))
}

/// `numerator / (a + b)` with `a ≥ |b|`, and with the rounding of the sum made good as far as
/// `inverse`, a number near that of the sum, allows.
#[inline(always)]
fn quotient<P: Element>(numerator: f64, a: f64, b: f64, inverse: f64) -> f64 {
    let sum = a + b;
    let quotient = numerator / sum;
    if single::<P>() { quotient } else { quotient - quotient * ((b - (sum - a)) * inverse) }
}

/// The first 26 digits of `x`, whose square is exact.
#[inline(always)]
fn leading(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & !0x7ff_ffff)
}

/// `a · b` and what rounding took from it (Dekker's product).
#[inline(always)]
fn exact_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let (a_high, b_high) = (leading(a), leading(b));
    let (a_low, b_low) = (a - a_high, b - b_high);
    (product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low)
}

#[cfg(test)]
mod tests;
