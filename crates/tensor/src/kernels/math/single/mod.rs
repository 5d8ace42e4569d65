//! The functions in float32 arithmetic, to 2 units in the last place (4 for composed ones), with results down to the
//! smallest subnormal number.
//!
//! `M` is how the loop multiplies and adds; see [`MultiplyAdd`].

mod exponential;
mod logarithm;
mod logistic;
mod normal;

pub(super) use exponential::{exp, exp_of_negative, expm1};
pub(super) use logarithm::{log, log_of_normal, log1p};
pub(super) use logistic::{sigmoid, silu, silu_slope, softplus, tanh};
pub(super) use normal::{erf, erf_slope, gelu, gelu_slope, gelu_tanh, gelu_tanh_slope};

/// How a loop computes `a · b + c` in float32: a function does not know for which instruction set the loop that it is
/// inlined into is compiled.
pub(crate) trait MultiplyAdd {
    fn multiply_add(a: f32, b: f32, c: f32) -> f32;

    /// The rounding error of `product`, which is `a * b`.
    fn product_error(a: f32, b: f32, product: f32) -> f32;
}

/// With one rounding, for instruction sets that have fused multiply-adds. Elsewhere they are computed in software.
pub(crate) struct Fused;

/// With two roundings.
pub(crate) struct Separate;

impl MultiplyAdd for Fused {
    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn product_error(a: f32, b: f32, product: f32) -> f32 {
        a.mul_add(b, -product)
    }
}

impl MultiplyAdd for Separate {
    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }

    /// Dekker's product.
    #[inline(always)]
    fn product_error(a: f32, b: f32, product: f32) -> f32 {
        // The first 12 bits; products of such numbers are exact.
        let leading = |x: f32| f32::from_bits(x.to_bits() & !0xfff);
        let (a_high, b_high) = (leading(a), leading(b));
        let (a_low, b_low) = (a - a_high, b - b_high);
        ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    }
}

/// `Σ coefficients[k] xᵏ`.
#[inline(always)]
fn polynomial<M: MultiplyAdd, const N: usize>(x: f32, coefficients: &[f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    for &coefficient in coefficients[..N - 1].iter().rev() {
        sum = M::multiply_add(sum, x, coefficient);
    }
    sum
}

/// `x`, or `limit` if `x` is above it; NaN stays NaN.
#[inline(always)]
fn at_most(x: f32, limit: f32) -> f32 {
    if x > limit { limit } else { x }
}

/// `x`, or `limit` if `x` is below it; NaN stays NaN.
#[inline(always)]
fn at_least(x: f32, limit: f32) -> f32 {
    if x < limit { limit } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_return_their_rounding_errors() {
        let x = 1.0 + f32::EPSILON;
        let (product, error) = (1.0 + 2.0 * f32::EPSILON, f32::EPSILON * f32::EPSILON);
        assert_eq!(x * x, product);
        assert_eq!(Fused::product_error(x, x, product), error);
        assert_eq!(Separate::product_error(x, x, product), error);
    }
}
