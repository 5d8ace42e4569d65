//! The exponential function.
//!
//! Where `x` is not large: `eˣ = 2ᵏ eʳ` with an integer `k` and `|r| ≤ ln 2 / 2`. Otherwise `eˣ = 4ʲ eʳ` with an integer
//! `j` and `|r| ≤ ln 2`: 4ʲ is the square of a power of 2, whose exponent neither overflows nor underflows.

use std::f32::consts::LOG2_E;

use super::{MultiplyAdd, at_least, at_most, polynomial};

/// `(eʳ - 1 - r) / r²` for `|r| ≤ ln 2 / 2`; error times `r² / (eʳ - 1)`: 2⁻²⁸.
const SHORT: [f32; 6] = [0.5, 0.166_666_36, 0.041_666_51, 0.008_341_614, 0.001_393_036_7, 0.000_149_225_42];

/// The same for `|r| ≤ ln 2`; error times `r² / (eʳ - 1)`: 2⁻²⁸.
const LONG: [f32; 7] = [0.5, 0.166_666_73, 0.041_666_687, 0.008_332_581, 0.001_388_745, 0.000_201_011_44, 2.513_236e-5];

/// ln 4 as a sum of two parts. Products of the first, which has 15 bits, with `j` are exact.
const LN_4: (f32, f32) = (22_713.0 / 16_384.0, 2.857_213_6e-6);

/// ln 2 as a sum of two parts. Products of the first, which has 9 bits, with exponents are exact.
pub(super) const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);

/// Adding 1.5 · 2²³ rounds a number to an integer, which is then in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// 2⁻⁶⁴.
pub(super) const LOWER: f32 = f32::from_bits((127 - 64) << 23);

/// `e` to the power `x + low`, times 2⁶⁴, because the power may be too small to keep all digits; `low` is far smaller
/// than `x`. If it is the constant -0, adding it costs nothing; the compiler keeps additions of +0.
///
/// Requires `-125 ≤ x ≤ 43`.
#[inline(always)]
pub(super) fn raised_exp<M: MultiplyAdd>(x: f32, low: f32) -> f32 {
    // The low bits of the sum are the exponent of 2ᵏ⁺⁶⁴.
    const EXPONENT: f32 = ROUND + 127.0 + 64.0;
    let sum = M::multiply_add(x, LOG2_E, EXPONENT);
    let k = sum - EXPONENT;
    let r = M::multiply_add(k, -LN_2.1, M::multiply_add(k, -LN_2.0, x)) + low;
    let rest = M::multiply_add(r * r, polynomial::<M, _>(r, &SHORT), r);
    let power = f32::from_bits(sum.to_bits() << 23);
    // Rounds as `(1 + rest) · power`: products with a power of 2 are exact.
    M::multiply_add(rest, power, power)
}

/// `eʳ - 1` and 2ʲ.
///
/// Requires `|x| ≤ 170`.
#[inline(always)]
fn parts<M: MultiplyAdd>(x: f32) -> (f32, f32) {
    const EXPONENT: f32 = ROUND + 127.0;
    let sum = M::multiply_add(x, 0.5 * LOG2_E, EXPONENT);
    let j = sum - EXPONENT;
    let r = M::multiply_add(j, -LN_4.1, M::multiply_add(j, -LN_4.0, x));
    (M::multiply_add(r * r, polynomial::<M, _>(r, &LONG), r), f32::from_bits(sum.to_bits() << 23))
}

/// `eˣ`.
#[inline(always)]
pub(in super::super) fn exp<M: MultiplyAdd>(x: f32) -> f32 {
    // Below -104 the result is 0, above 89 infinite.
    let (rest, root) = parts::<M>(at_most(at_least(x, -104.0), 89.0));
    M::multiply_add(rest, root, root) * root
}

/// `eˣ` for `x ≤ 0`.
#[inline(always)]
pub(in super::super) fn exp_of_negative<M: MultiplyAdd>(x: f32) -> f32 {
    raised_exp::<M>(at_least(x, -104.0), -0.0) * LOWER
}

/// `eˣ - 1`.
#[inline(always)]
pub(in super::super) fn expm1<M: MultiplyAdd>(x: f32) -> f32 {
    // Below -50 the result is -1, above 89 infinite.
    let (rest, root) = parts::<M>(at_most(at_least(x, -50.0), 89.0));
    // Half of it until the end, because 4ʲ may overflow before the result does.
    let half = 0.5 * root * root;
    // Keeps the sign of 0.
    (2.0 * M::multiply_add(half, rest, half - 0.5)).copysign(x)
}
