//! The exponential function: `eˣ = 2ᵏ eʳ` with an integer `k` and `|r| ≤ ln 2 / 2`.

use std::f64::consts::LOG2_E;

use super::{LN_2, ROUND, at_least, at_most, polynomial};

/// `(eʳ - 1 - r) / r²` for `|r| ≤ ln 2 / 2`; error times `r`: 2⁻⁶⁰.
const EXP: [f64; 11] = [
    0.5,
    0.1666666666666667,
    0.041666666666666685,
    0.008333333333326134,
    0.001388888888887439,
    0.0001984126987482313,
    2.48015873473548e-05,
    2.755725539732177e-06,
    2.755725290039778e-07,
    2.5105218085170505e-08,
    2.0921592925020823e-09,
];

/// `eʳ - 1` as `r + rest`, and `2ᵏ` as the sum `k + ROUND`.
struct Reduced {
    r: f64,
    rest: f64,
    power: f64,
}

/// Reduces `x + low`, where `low` is far smaller than `x`.
#[inline(always)]
fn reduced(x: f64, low: f64) -> Reduced {
    let power = x * LOG2_E + ROUND;
    let k = power - ROUND;
    let (high, low) = (x - k * LN_2.0, low - k * LN_2.1);
    let r = high + low;
    let lost = (high - r) + low;
    Reduced { r, rest: lost + r * r * polynomial(r, &EXP), power }
}

/// `e` to the power `x + low`, as a value and a power of 2 by which it must still be multiplied: the product may be too
/// small to keep all digits.
///
/// Requires `|x| ≤ 1400`.
#[inline(always)]
pub(super) fn scaled_exp(x: f64, low: f64) -> (f64, f64) {
    let Reduced { r, rest, power } = reduced(x, low);
    let sum = 1.0 + r;
    let value = sum + (((1.0 - sum) + r) + rest);
    // 2ᵏ as a product of two powers, because `k` may exceed the range of one exponent.
    let biased = power.to_bits().wrapping_sub(ROUND.to_bits() - 2048);
    let half = biased >> 1;
    (
        value * f64::from_bits(half.wrapping_sub(1) << 52),
        f64::from_bits(biased.wrapping_sub(half).wrapping_sub(1) << 52),
    )
}

/// `eˣ`.
#[inline(always)]
pub(in super::super) fn exp(x: f64) -> f64 {
    // Beyond these limits the result is 0 or infinite.
    let (value, scale) = scaled_exp(at_most(at_least(x, -746.0), 710.0), 0.0);
    value * scale
}

/// `eˣ - 1`.
#[inline(always)]
pub(in super::super) fn expm1(x: f64) -> f64 {
    // Below -50 the result is -1.
    let Reduced { r, rest, power } = reduced(at_most(at_least(x, -50.0), 710.0), 0.0);
    // All terms are halved until the end, because 2ᵏ may overflow before the result does.
    let half = f64::from_bits((power.to_bits() << 52).wrapping_add(0.5f64.to_bits()));
    let (whole, part) = (half - 0.5, half * r);
    let sum = whole + part;
    let result = 2.0 * (sum + (((whole - sum) + part) + half * rest));
    // Keeps the sign of 0 and the last digit of subnormal numbers.
    if x.abs() < f64::EPSILON / 4.0 { x } else { result }
}
