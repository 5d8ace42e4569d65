//! Sine, cosine and tangent: `x = n π/2 + r` with an integer `n` and `|r| ≤ π/4`.
//!
//! They compute in float64 without fused multiply-adds, for float32 (`P = f32`) with shorter polynomials, so their bits
//! are the same on every instruction set.

use std::f64::consts::FRAC_2_PI;

use super::double::{ROUND, polynomial};
use crate::dtype::{DType, Element};

/// `(sin r - r) / r³` in `r²` for `|r| ≤ π/4`; error times `r²`: 2⁻³⁷ and 2⁻⁶⁸.
const SIN_SHORT: [f64; 4] =
    [-0.16666666641755648, 0.008333329393247402, -0.00019839335827498202, 2.7183124737161174e-06];
const SIN_LONG: [f64; 7] = [
    -0.16666666666666666,
    0.008333333333333323,
    -0.00019841269841255234,
    2.7557319214262585e-06,
    -2.5052104927705697e-08,
    1.6058368429254166e-10,
    -7.578777578744615e-13,
];

/// `(cos r - 1 + r²/2) / r⁴` in `r²` for `|r| ≤ π/4`; error times `r⁴`: 2⁻³³ and 2⁻⁶⁴.
const COS_SHORT: [f64; 3] = [0.04166664706475525, -0.001388737505267689, 2.4439139645842115e-05];
const COS_LONG: [f64; 6] = [
    0.041666666666666616,
    -0.0013888888888876074,
    2.480158729053702e-05,
    -2.755731462234359e-07,
    2.0875756341865188e-09,
    -1.1361209977996494e-11,
];

/// π/2 as a sum of three parts. Products of the first two, which have 33 bits, with integers up to 2²⁰ are exact.
const HALF_PI: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];

/// The largest absolute value that these functions accept. Larger ones would need more digits of π.
pub(crate) const REDUCIBLE: f64 = 1.5e6;

/// Whether results need only the precision of float32.
#[inline(always)]
fn single<P: Element>() -> bool {
    P::DTYPE == DType::F32
}

/// Sine and cosine of `r`, each as a sum whose second part is small, and `n`, in the low bits of a number.
struct Reduced {
    sin: (f64, f64),
    cos: (f64, f64),
    n: u64,
}

#[inline(always)]
fn reduced<P: Element>(x: f64) -> Reduced {
    let rounded = x * FRAC_2_PI + ROUND;
    let n = rounded - ROUND;
    let head = x - n * HALF_PI[0];
    let (r, lost) = if single::<P>() {
        (head - n * (HALF_PI[1] + HALF_PI[2]), 0.0)
    } else {
        let middle = n * HALF_PI[1];
        let r = head - middle;
        (r, ((head - r) - middle) - n * HALF_PI[2])
    };
    let z = r * r;
    let half = 0.5 * z;
    let near_one = 1.0 - half;
    let (sin, cos) = if single::<P>() {
        (r * (z * polynomial(z, &SIN_SHORT)), z * (z * polynomial(z, &COS_SHORT)))
    } else {
        // The rounding error of r contributes to the sine times cos r, for which a parabola is accurate enough, and to
        // the cosine times -sin r, for which -r is.
        let sin = r * (z * polynomial(z, &SIN_LONG)) + lost * near_one;
        (sin, ((1.0 - near_one) - half) + (z * (z * polynomial(z, &COS_LONG)) - r * lost))
    };
    Reduced { sin: (r, sin), cos: (near_one, cos), n: rounded.to_bits() }
}

/// The sine of `x` plus a number of right angles.
#[inline(always)]
fn turned_sin<P: Element>(x: f64, right_angles: u64) -> f64 {
    let Reduced { sin, cos, n } = reduced::<P>(x);
    let quadrant = n.wrapping_add(right_angles);
    let (sin, cos) = (sin.0 + sin.1, cos.0 + cos.1);
    let value = if quadrant & 1 == 0 { sin } else { cos };
    f64::from_bits(value.to_bits() ^ (quadrant >> 1 << 63))
}

/// The sine, for `|x| ≤ REDUCIBLE`.
#[inline(always)]
pub(super) fn sin<P: Element>(x: f64) -> f64 {
    // Keeps the sign of 0.
    if x == 0.0 { x } else { turned_sin::<P>(x, 0) }
}

/// The cosine, for `|x| ≤ REDUCIBLE`.
#[inline(always)]
pub(super) fn cos<P: Element>(x: f64) -> f64 {
    turned_sin::<P>(x, 1)
}

/// The tangent, for `|x| ≤ REDUCIBLE`.
#[inline(always)]
pub(super) fn tan<P: Element>(x: f64) -> f64 {
    let Reduced { sin, cos, n } = reduced::<P>(x);
    let even = n & 1 == 0;
    let (above, below) = (if even { sin.0 } else { cos.0 }, if even { cos.0 } else { sin.0 });
    let (above_tail, below_tail) = (if even { sin.1 } else { cos.1 }, if even { cos.1 } else { sin.1 });
    let (numerator, denominator) = (above + above_tail, below + below_tail);
    let quotient = numerator / denominator;
    let value = if single::<P>() {
        quotient
    } else {
        // The rounding errors of three results would add up. Those of numerator and denominator are compensated.
        let above_lost = (above - numerator) + above_tail;
        let below_lost = (below - denominator) + below_tail;
        quotient + (above_lost - quotient * below_lost) / denominator
    };
    let signed = f64::from_bits(value.to_bits() ^ (n << 63));
    if x == 0.0 { x } else { signed }
}
