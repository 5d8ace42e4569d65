//! The normal distribution function `Φ`, the error function, and functions derived from them.

use std::f32::consts::FRAC_2_SQRT_PI;

use super::exponential::{LOWER, raised_exp};
use super::logistic::{weighted, weighted_slope};
use super::{MultiplyAdd, at_least, at_most, polynomial};

/// `erf(x) / x - 1` in `x²` for `|x| ≤ 0.85`; error: 2⁻²⁵.
const ERF: [f32; 6] = [0.128_379_17, -0.376_125_93, 0.112_828_92, -0.026_808_493, 0.005_059_759_6, -0.000_636_045_6];

/// `ln(1 - erf(x)) / x + 1` for `0.85 ≤ x ≤ 4`; error times `x (1 - erf(x)) / erf(x)`: 2⁻²⁸.
const LOG_ERFC: [f32; 7] =
    [-0.128_608_9, -0.635_316_1, -0.105_958_05, 0.023_516_63, -0.003_524_038_5, 0.000_293_124_18, -8.213_721e-6];

/// `1 / √(2π) - y Φ(-y) exp(y²/2)` for `1 ≤ y ≤ 15` as the quotient of two polynomials; error over `y Φ(-y) exp(y²/2)`:
/// 2⁻²⁹.
const TAIL: ([f32; 4], [f32; 6]) = (
    [0.399_063_1, 0.240_546_26, 0.070_046_31, 0.010_229_586],
    [1.0, 1.858_097_4, 1.499_234_1, 0.682_273_3, 0.175_464_11, 0.025_644_165],
);

/// `(Φ(x) - ½) / x` in `x²` for `|x| ≤ 1`; error times `x / Φ(-x)`: 2⁻²⁷.
const CENTRE: [f32; 6] = [0.398_942_3, -0.066_490_54, 0.009_974_163, -0.001_188_017_5, 0.000_115_014_41, -8.167_163e-6];

/// `(Φ(x) + x φ(x) - ½) / x` in `x²` for `|x| ≤ 1`; error times `x` over the larger of the terms at `-x`: 2⁻²⁶.
const CENTRE_SLOPE: [f32; 6] =
    [0.797_884_5, -0.265_960_63, 0.059_834_9, -0.009_477_854, 0.001_120_763_4, -8.623_383_5e-5];

/// `1 / √(2π)`.
const DENSITY: f32 = 0.398_942_3;

/// `2 √(2/π)`, and its product with 0.044715, each as a sum of two parts.
const GELU_TANH: [(f32, f32); 2] = [(1.595_769_2, -4.534_068e-8), (0.071_354_814, 2.398_832e-9)];

/// `x²` and its rounding error, which the exponential would multiply by `x²`.
#[inline(always)]
fn exact_square<M: MultiplyAdd>(x: f32) -> (f32, f32) {
    let square = x * x;
    (square, M::product_error(x, x, square))
}

/// The error function.
#[inline(always)]
pub(in super::super) fn erf<M: MultiplyAdd>(x: f32) -> f32 {
    // From 4 on the result is 1.
    let size = at_most(x.abs(), 4.0);
    let near = M::multiply_add(size, polynomial::<M, _>(size * size, &ERF), size);
    let raised = raised_exp::<M>(M::multiply_add(size, polynomial::<M, _>(size, &LOG_ERFC), -size), -0.0);
    let far = M::multiply_add(raised, -LOWER, 1.0);
    (if size < 0.85 { near } else { far }).copysign(x)
}

/// The derivative of the error function.
#[inline(always)]
pub(in super::super) fn erf_slope<M: MultiplyAdd>(x: f32) -> f32 {
    // From 10.5 on the result is 0.
    let (square, low) = exact_square::<M>(at_most(x.abs(), 10.5));
    FRAC_2_SQRT_PI * raised_exp::<M>(-square, -low) * LOWER
}

/// `exp(-y²/2)`, times 2⁶⁴, for `0 ≤ y ≤ 15`.
#[inline(always)]
fn raised_density<M: MultiplyAdd>(y: f32) -> f32 {
    let (square, low) = exact_square::<M>(y);
    raised_exp::<M>(-0.5 * square, -0.5 * low)
}

/// `x Φ(x)`.
#[inline(always)]
pub(in super::super) fn gelu<M: MultiplyAdd>(x: f32) -> f32 {
    // From 15 on the result is x or 0.
    let size = at_most(x.abs(), 15.0);
    let near = x * M::multiply_add(x, polynomial::<M, _>(size * size, &CENTRE), 0.5);
    let tail = DENSITY - polynomial::<M, _>(size, &TAIL.0) / polynomial::<M, _>(size, &TAIL.1);
    let far = M::multiply_add(raised_density::<M>(size) * tail, -LOWER, at_least(x, -0.0));
    if size < 1.0 { near } else { far }
}

/// The derivative of `x Φ(x)`, which is `Φ(x) + x φ(x)` with the density `φ`.
#[inline(always)]
pub(in super::super) fn gelu_slope<M: MultiplyAdd>(x: f32) -> f32 {
    let size = at_most(x.abs(), 15.0);
    let near = M::multiply_add(x, polynomial::<M, _>(size * size, &CENTRE_SLOPE), 0.5);
    let product = DENSITY - polynomial::<M, _>(size, &TAIL.0) / polynomial::<M, _>(size, &TAIL.1);
    // The slopes at `x` and `-x` add up to 1.
    let below = raised_density::<M>(size) * M::multiply_add(size, -DENSITY, product / size) * LOWER;
    let far = if x < 0.0 { below } else { 1.0 - below };
    if size < 1.0 { near } else { far }
}

/// `2 √(2/π) (y + 0.044715 y³)` with its rounding error: the exponential multiplies its relative error by it.
#[inline(always)]
fn gelu_tanh_argument<M: MultiplyAdd>(y: f32) -> (f32, f32) {
    let [linear, cubic] = GELU_TANH;
    let (square, square_low) = exact_square::<M>(y);
    let term = cubic.0 * square;
    let term_low = M::multiply_add(cubic.0, square_low, M::product_error(cubic.0, square, term));
    let term_low = M::multiply_add(cubic.1, square, term_low);
    // Knuth's two-sum.
    let sum = linear.0 + term;
    let added = sum - linear.0;
    let sum_low = ((linear.0 - (sum - added)) + (term - added)) + (linear.1 + term_low);
    let u = y * sum;
    (u, M::multiply_add(y, sum_low, M::product_error(y, sum, u)))
}

/// `x/2 (1 + tanh y)`, which is `x` times the logistic function of `2y`, with `2y = 2 √(2/π) (x + 0.044715 x³)`.
#[inline(always)]
pub(in super::super) fn gelu_tanh<M: MultiplyAdd>(x: f32) -> f32 {
    // From 11 on the result is x or 0.
    let size = at_most(x.abs(), 11.0);
    let (u, low) = gelu_tanh_argument::<M>(size);
    weighted::<M>(x, size, u, low)
}

/// The derivative of `x/2 (1 + tanh y)`.
#[inline(always)]
pub(in super::super) fn gelu_tanh_slope<M: MultiplyAdd>(x: f32) -> f32 {
    /// Three times the second coefficient.
    const CUBIC: f32 = 0.214_064_45;
    let size = at_most(x.abs(), 11.0);
    let (u, low) = gelu_tanh_argument::<M>(size);
    let (square, square_low) = exact_square::<M>(size);
    let slope = M::multiply_add(CUBIC, square, M::multiply_add(CUBIC, square_low, GELU_TANH[0].1)) + GELU_TANH[0].0;
    let product = size * slope;
    weighted_slope::<M>(x, u, low, (1.0 - product) - M::product_error(size, slope, product))
}
