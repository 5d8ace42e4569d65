//! The natural logarithm: `ln x = e ln 2 + ln m` with an integer `e` and `√½ ≤ m < √2`.

use super::{LN_2, exact_sum, polynomial};

/// `(2 artanh s - 2 s) / s³` in `s²` for `|s| ≤ (√2 - 1) / (√2 + 1)`; error times `s² / 2`: 2⁻⁵⁹.
const SERIES: [f64; 7] = [
    0.6666666666666734,
    0.39999999999414776,
    0.28571428742389693,
    0.22222198571181034,
    0.18183564505110922,
    0.1531404434431379,
    0.14796026169103704,
];

const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
const ONE: u64 = 1.0f64.to_bits();
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// `m` and the biased exponent `e + 1023` of a positive normal number.
#[inline(always)]
fn split(x: f64) -> (f64, u64) {
    let bits = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    (f64::from_bits((bits & ((1 << 52) - 1)).wrapping_add(SQRT_HALF)), bits >> 52)
}

/// `e ln 2 + ln(1 + f) + low`, with the exponent `e + bias`.
#[inline(always)]
fn joined(exponent: u64, bias: f64, f: f64, low: f64) -> f64 {
    let e = f64::from_bits(exponent | TWO_52.to_bits()) - (TWO_52 + bias);
    let s = f / (2.0 + f);
    let z = s * s;
    let series = z * polynomial(z, &SERIES);
    // 2 artanh s = f - f²/2 + s (f²/2 + series), in which f is exact.
    let half = 0.5 * f * f;
    e * LN_2.0 + (f - (half - (s * (half + series) + (low + e * LN_2.1))))
}

/// `ln x` for positive normal numbers.
#[inline(always)]
pub(in super::super) fn log_of_normal(x: f64) -> f64 {
    let (m, exponent) = split(x);
    joined(exponent, 1023.0, m - 1.0, 0.0)
}

/// `ln x`.
#[inline(always)]
pub(in super::super) fn log(x: f64) -> f64 {
    let subnormal = x < f64::MIN_POSITIVE;
    let (m, exponent) = split(if subnormal { x * 2f64.powi(54) } else { x });
    let result = joined(exponent, if subnormal { 1023.0 + 54.0 } else { 1023.0 }, m - 1.0, 0.0);
    let special = if x < 0.0 { f64::NAN } else { x };
    let special = if x == 0.0 { f64::NEG_INFINITY } else { special };
    if x > 0.0 && x < f64::INFINITY { result } else { special }
}

/// `ln(1 + x)` for `x > -1` and finite.
#[inline(always)]
pub(super) fn usual_log1p(x: f64) -> f64 {
    let (sum, lost) = exact_sum(1.0, x);
    let (m, exponent) = split(sum);
    // The rounding error of the sum, divided by 2ᵉ: halved, then multiplied by 2¹⁻ᵉ, whose bits at the largest exponent
    // are those of 0 instead of invalid.
    let lost = 0.5 * lost * f64::from_bits(2047u64.wrapping_sub(exponent) << 52);
    let f = (m - 1.0) + lost;
    joined(exponent, 1023.0, f, ((m - 1.0) - f) + lost)
}

/// `ln(1 + x)`.
#[inline(always)]
pub(in super::super) fn log1p(x: f64) -> f64 {
    let result = usual_log1p(x);
    let special = if x < -1.0 { f64::NAN } else { x };
    let special = if x == -1.0 { f64::NEG_INFINITY } else { special };
    // If `x` is smaller, it is the result itself: this keeps the sign of 0 and the last digit of subnormal numbers.
    if x > -1.0 && x < f64::INFINITY && x.abs() > f64::EPSILON / 4.0 { result } else { special }
}
