//! Sine, cosine and tangent: `x = n π + r` with an integer `n` (for the cosine, one and a half) and
//! `|r| ≤ π/2`, so that `sin x = (-1)ⁿ sin r`.

use std::f64::consts::FRAC_1_PI;

use super::{ROUND, polynomial, single};
use crate::dtype::Element;

/// `(sin r - r) / r³` in `r²` for `|r| ≤ π/2`; times `r²`, to 2⁻³⁵ and 2⁻⁶².
const SHORT: [f64; 5] =
    [-0.1666666663192474, 0.00833333133029582, -0.00019840894875300217, 2.7526654233224823e-06, -2.390981432988985e-08];
const LONG: [f64; 8] = [
    -0.16666666666666666,
    0.008333333333333214,
    -0.0001984126984121554,
    2.7557319212170253e-06,
    -2.5052106963366648e-08,
    1.6058944078086346e-10,
    -7.643101039891003e-13,
    2.7222879513226396e-15,
];

/// π in three parts. Products of the first two, of 33 digits, with integers up to 2²⁰ are exact.
const PI: [f64; 3] = [3.1415926534682512, 1.2154201012607932e-10, 4.044532497591901e-21];

/// The largest absolute value that these functions take. The digits of π that larger ones need are
/// not at hand here.
pub(crate) const REDUCIBLE: f64 = 3e6;

/// The sine of `x + shift π`, where the shift is 0 or a half.
#[inline(always)]
fn shifted_sin<P: Element>(x: f64, shift: f64) -> f64 {
    let rounded = (x * FRAC_1_PI + shift) + ROUND;
    let n = (rounded - ROUND) - shift;
    let head = x - n * PI[0];
    let (r, lost) = if single::<P>() {
        (head - n * (PI[1] + PI[2]), 0.0)
    } else {
        let middle = n * PI[1];
        let r = head - middle;
        (r, ((head - r) - middle) - n * PI[2])
    };
    let z = r * r;
    let series = r * (z * if single::<P>() { polynomial(z, &SHORT) } else { polynomial(z, &LONG) });
    // What r has lost counts by cos r, for which a parabola will do.
    let sine = r + (series + lost * (1.0 - z * (4.0 * FRAC_1_PI * FRAC_1_PI)));
    // The last bit of n is the sign.
    f64::from_bits(sine.to_bits() ^ (rounded.to_bits() << 63))
}

/// The sine, for `|x| ≤ REDUCIBLE`.
#[inline(always)]
pub(crate) fn sin<P: Element>(x: f64) -> f64 {
    // Keeps the sign of 0.
    if x == 0.0 { x } else { shifted_sin::<P>(x, 0.0) }
}

/// The cosine, for `|x| ≤ REDUCIBLE`.
#[inline(always)]
pub(crate) fn cos<P: Element>(x: f64) -> f64 {
    shifted_sin::<P>(x, 0.5)
}

/// The tangent, for `|x| ≤ REDUCIBLE`.
#[inline(always)]
pub(crate) fn tan<P: Element>(x: f64) -> f64 {
    sin::<P>(x) / cos::<P>(x)
}
