//! The normal distribution function `Φ`, the error function, and what is made of them.

use std::f64::consts::SQRT_2;

use super::exponential::{exp, scaled_exp};
use super::logistic::weighted;
use super::{at_most, exact_product, exact_sum, leading, polynomial, single};
use crate::dtype::Element;

/// `erf(x) / x - 1` in `x²` for `|x| ≤ 1`, to 2⁻²⁹ and 2⁻⁶².
const ERF_SHORT: [f64; 7] = [
    0.1283791659138179,
    -0.3761262713637476,
    0.11283600179624406,
    -0.026854444678391765,
    0.005189535424591232,
    -0.0008020841518251459,
    7.889119072085315e-05,
];
const ERF_LONG: [f64; 13] = [
    0.1283791670955126,
    -0.3761263890318375,
    0.11283791670954885,
    -0.02686617064507787,
    0.005223977624828394,
    -0.0008548326981423858,
    0.0001205533113290754,
    -1.4925595771308064e-05,
    1.646100846796314e-06,
    -1.635039615814245e-07,
    1.4660328525181357e-08,
    -1.1374955789778035e-09,
    5.960686654847134e-11,
];

/// `Φ(-y) exp(y²/2) (y + c)` in `(y - c) / (y + c)`, with c = 3 for `0 ≤ y ≤ 16` to 2⁻³⁰ and with
/// c = 6 for `0 ≤ y ≤ 39` to 2⁻⁵⁷, relative.
const TAIL_SHORT: [f64; 11] = [
    0.7290836903797414,
    -0.5093319914114018,
    0.23001769904274053,
    -0.04726268829793661,
    -0.010462507705269715,
    0.006969317790022035,
    0.0010247333402096175,
    -0.0010326084965553651,
    -0.0002447136703981433,
    0.00013138326329084393,
    5.4512869781024035e-05,
];
const TAIL_LONG: [f64; 23] = [
    0.7773517718933622,
    -0.7010090295908655,
    0.5689688918147839,
    -0.4139035857755904,
    0.2679742458416383,
    -0.15268023206449532,
    0.07517191566939063,
    -0.03098531550754133,
    0.010029820634577651,
    -0.0021316052108251386,
    3.287006627697243e-05,
    0.00018136042139953504,
    -6.475223477161211e-05,
    1.0755848950045959e-06,
    6.797131060944081e-06,
    -1.7996772053672645e-06,
    -4.312164300877193e-07,
    3.1028885525536004e-07,
    9.927932306172039e-09,
    -4.296340484425999e-08,
    7.0581741812510156e-12,
    4.724204434520275e-09,
    6.945468117100838e-10,
];

/// `2 √(2/π)`, and that times 0.044715, each in two parts.
const GELU_TANH: [(f64, f64); 2] =
    [(1.5957691216057308, -9.96930880911092e-17), (0.07135481627260025, -6.175149918155315e-19)];

/// `Φ(-y) exp(y²/2)` for `y ≥ 0`.
#[inline(always)]
fn tail<P: Element>(y: f64) -> f64 {
    let c = if single::<P>() { 3.0 } else { 6.0 };
    let inverse = 1.0 / (y + c);
    let t = (y - c) * inverse;
    inverse * if single::<P>() { polynomial(t, &TAIL_SHORT) } else { polynomial(t, &TAIL_LONG) }
}

/// The error function.
#[inline(always)]
pub(crate) fn erf<P: Element>(x: f64) -> f64 {
    // From 6 on the result is 1.
    let size = at_most(x.abs(), 6.0);
    let square = size * size;
    let series = if single::<P>() { polynomial(square, &ERF_SHORT) } else { polynomial(square, &ERF_LONG) };
    let small = size + size * series;
    let large = 1.0 - 2.0 * tail::<P>(size * SQRT_2) * exp::<P>(-square);
    (if size < 1.0 { small } else { large }).copysign(x)
}

/// `x Φ(x)`.
#[inline(always)]
pub(crate) fn gelu<P: Element>(x: f64) -> f64 {
    // Where also the product with x has become 0.
    let size = at_most(x.abs(), if single::<P>() { 17.0 } else { 40.0 });
    // The square is needed exactly: its rounding would be multiplied by itself. That of a float32 is exact.
    let head = if single::<P>() { size } else { leading(size) };
    let (value, scale) = scaled_exp::<P>(-0.5 * head * head, -0.5 * (size - head) * (size + head));
    let tail = tail::<P>(size) * value;
    if x < 0.0 { -size * tail * scale } else { x * (1.0 - tail * scale) }
}

/// `x/2 (1 + tanh y)`, which is `x` times the logistic function of `2y`, with
/// `2y = 2 √(2/π) (x + 0.044715 x³)`.
#[inline(always)]
pub(crate) fn gelu_tanh<P: Element>(x: f64) -> f64 {
    let [linear, cubic] = GELU_TANH;
    // From 40 on the function is x or 0.
    let size = at_most(x.abs(), 40.0);
    if single::<P>() {
        return weighted::<P>(x, size * (linear.0 + cubic.0 * size * size), 0.0);
    }
    // To twice the digits: the exponential multiplies the relative error of its argument by that.
    let (square, square_low) = exact_product(size, size);
    let (term, term_low) = exact_product(cubic.0, square);
    let (sum, sum_low) = exact_sum(linear.0, term);
    let sum_low = sum_low + (linear.1 + term_low + (cubic.0 * square_low + cubic.1 * square));
    let (u, u_low) = exact_product(size, sum);
    weighted::<P>(x, u, u_low + size * sum_low)
}
