//! The exponential function: `eˣ = 2ᵏ eʳ` with an integer `k` and `|r| ≤ ln 2 / 2`.

use std::f64::consts::{LN_2 as NEAREST_LN_2, LOG2_E};

use super::{LN_2, ROUND, at_least, at_most, polynomial, single};
use crate::dtype::Element;

/// `(eʳ - 1 - r) / r²` for `|r| ≤ ln 2 / 2`; error times `r`: 2⁻³¹ and 2⁻⁶⁰.
const SHORT: [f64; 6] = [
    0.50000000134689,
    0.16666666756467527,
    0.04166646490335627,
    0.008333286004898466,
    0.001393365196603446,
    0.00019907586007646247,
];
const LONG: [f64; 11] = [
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

/// The same with float32 coefficients; error times `r²`: 2⁻²⁸.
const SHORTEST: [f32; 5] = [0.49999994, 0.1666652, 0.0416684, 0.008368851, 0.001381432];

/// `eʳ - 1` as `r + rest`, and `2ᵏ` as the sum `k + ROUND`.
struct Reduced {
    r: f64,
    rest: f64,
    power: f64,
}

/// Reduces `x + low`, where `low` is far smaller than `x`.
#[inline(always)]
fn reduced<P: Element>(x: f64, low: f64) -> Reduced {
    let power = x * LOG2_E + ROUND;
    let k = power - ROUND;
    if single::<P>() {
        let r = x - k * NEAREST_LN_2;
        return Reduced { r, rest: r * r * polynomial(r, &SHORT), power };
    }
    let (high, low) = (x - k * LN_2.0, low - k * LN_2.1);
    let r = high + low;
    let lost = (high - r) + low;
    Reduced { r, rest: lost + r * r * polynomial(r, &LONG), power }
}

/// `e` to the power `x + low`, as a value and a power of 2 by which it must still be multiplied: the product may be too
/// small to keep all digits. For `f32` the power is 1.
///
/// Requires `|x| ≤ 400` for `f32`, 1400 for `f64`.
#[inline(always)]
pub(super) fn scaled_exp<P: Element>(x: f64, low: f64) -> (f64, f64) {
    let Reduced { r, rest, power } = reduced::<P>(x, low);
    let sum = 1.0 + r;
    let value = if single::<P>() { sum + rest } else { sum + (((1.0 - sum) + r) + rest) };
    if single::<P>() {
        return (value * f64::from_bits((power.to_bits() << 52).wrapping_add(1.0f64.to_bits())), 1.0);
    }
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
pub(crate) fn exp<P: Element>(x: f64) -> f64 {
    // Beyond these limits the result is 0 or infinite in the type `P`.
    let (least, most) = if single::<P>() { (-200.0, 200.0) } else { (-746.0, 710.0) };
    let (value, scale) = scaled_exp::<P>(at_most(at_least(x, least), most), 0.0);
    value * scale
}

/// `eˣ` for `x ≤ 0`, to one unit in the last place. For `f32` it is computed in float32, which takes half the time of
/// [`exp`].
#[inline(always)]
pub(crate) fn exp_of_negative<P: Element>(x: f64) -> f64 {
    if single::<P>() { short_exp_of_negative(x as f32) as f64 } else { exp::<P>(x) }
}

/// A separate function, to hide the conversion when the compiler simplifies the comparison: it would compare in
/// float64.
#[inline(always)]
fn short_exp_of_negative(x: f32) -> f32 {
    /// As [`ROUND`] for float32, plus 192: the low bits of a sum are then `k + 192`, which is the exponent of a normal
    /// number for all `k` here.
    const ROUND: f32 = 12_582_912.0 + 192.0;
    /// As [`super::LN_2`]: products of the first part, which has 9 bits, with exponents are exact.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    // Below this limit the result is 0.
    let x = if x < -104.0 { -104.0 } else { x };
    let power = x * std::f32::consts::LOG2_E + ROUND;
    let k = power - ROUND;
    let r = (x - k * LN_2.0) - k * LN_2.1;
    let [first @ .., last] = &SHORTEST;
    let sum = first.iter().rev().fold(*last, |sum, &coefficient| sum * r + coefficient);
    let value = 1.0 + (r + r * r * sum);
    // 2ᵏ⁺⁶⁵ first, because the result may be subnormal.
    value * f32::from_bits(power.to_bits() << 23) * const { f32::from_bits((127 - 65) << 23) }
}

/// `eˣ - 1`.
#[inline(always)]
pub(crate) fn expm1<P: Element>(x: f64) -> f64 {
    // Below -50 the result is -1.
    let Reduced { r, rest, power } = reduced::<P>(at_most(at_least(x, -50.0), 710.0), 0.0);
    // All terms are halved until the end, because 2ᵏ may overflow before the result does.
    let half = f64::from_bits((power.to_bits() << 52).wrapping_add(0.5f64.to_bits()));
    let (whole, part) = (half - 0.5, half * r);
    let sum = whole + part;
    let result = 2.0 * (sum + (((whole - sum) + part) + half * rest));
    // Keeps the sign of 0 and the last digit of subnormal numbers.
    if x.abs() < f64::EPSILON / 4.0 { x } else { result }
}
