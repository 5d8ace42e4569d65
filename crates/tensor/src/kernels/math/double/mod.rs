//! The functions in float64 arithmetic, to the last digits. They use no fused multiply-add, so each element gets the
//! same bits on every instruction set.

mod exponential;
mod logarithm;
mod logistic;
mod normal;

pub(super) use exponential::{exp, exp as exp_of_negative, expm1};
pub(super) use logarithm::{log, log_of_normal, log1p};
pub(super) use logistic::{sigmoid, silu, silu_slope, softplus, tanh};
pub(super) use normal::{erf, erf_slope, gelu, gelu_slope, gelu_tanh, gelu_tanh_slope};

/// ln 2 as a sum of two parts. Products of the first, which has 42 bits, with exponents are exact.
const LN_2: (f64, f64) = (f64::from_bits(0x3fe6_2e42_fefa_3800), 5.497_923_018_708_371e-14);

/// 1.5 · 2⁵². Adding it to a number below 2⁵¹ rounds that to an integer, which is in the low bits of the sum (in two's
/// complement).
pub(super) const ROUND: f64 = 6_755_399_441_055_744.0;

/// `Σ coefficients[k] xᵏ`.
#[inline(always)]
pub(super) fn polynomial<const N: usize>(x: f64, coefficients: &[f64; N]) -> f64 {
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
fn quotient(numerator: f64, a: f64, b: f64, inverse: f64) -> f64 {
    let sum = a + b;
    let quotient = numerator / sum;
    quotient - quotient * ((b - (sum - a)) * inverse)
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
mod tests {
    use super::*;

    #[test]
    fn sums_and_products_return_their_rounding_errors() {
        let tiny = f64::EPSILON / 4.0;
        assert_eq!(exact_sum(1.0, tiny), (1.0, tiny));
        assert_eq!(exact_sum(tiny, -1.0), (-1.0, tiny));
        let x = 1.0 + f64::EPSILON;
        assert_eq!(exact_product(x, x), (1.0 + 2.0 * f64::EPSILON, f64::EPSILON * f64::EPSILON));
    }
}
