//! The normal distribution function `Φ`, the error function, and functions derived from them.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use super::exponential::{exp, scaled_exp};
use super::logistic::{weighted, weighted_slope};
use super::{at_most, exact_product, exact_sum, leading, polynomial};

/// `erf(x) / x - 1` in `x²` for `|x| ≤ 1`; error: 2⁻⁶².
const ERF: [f64; 13] = [
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

/// `Φ(-y) exp(y²/2) (y + 4)` in `(y - 4) / (y + 4)` for `1 ≤ y ≤ 39`; relative error: 2⁻⁶⁰.
const TAIL: [f64; 22] = [
    0.7552851304157515,
    -0.6078966419718921,
    0.3871374007422142,
    -0.18652185795965795,
    0.060396574890965816,
    -0.007540188966712551,
    -0.003479692368370698,
    0.0016308184576877209,
    0.00013334432895128337,
    -0.00023109494239265284,
    -1.9084193984020006e-06,
    3.5144796759926605e-05,
    7.176174984040691e-07,
    -5.921039566362661e-06,
    -6.331426222208612e-07,
    1.0254702321063344e-06,
    2.7912684120416465e-07,
    -1.6531649217781573e-07,
    -9.319639036413705e-08,
    2.8268148009959678e-08,
    2.123657208613476e-08,
    -7.626056387568464e-09,
];

/// `(Φ(x) - ½) / x` in `x²` for `|x| ≤ 1`; error: 2⁻⁵⁶.
const CENTRE: [f64; 10] = [
    0.39894228040143265,
    -0.06649038006690389,
    0.009973557009984086,
    -0.0011873282148151588,
    0.00011543468326792673,
    -9.444639915746036e-06,
    6.659318719760969e-07,
    -4.117326877745587e-08,
    2.2271721923656074e-09,
    -9.028234316389635e-11,
];

/// `2 √(2/π)`, and its product with 0.044715, each as a sum of two parts.
const GELU_TANH: [(f64, f64); 2] =
    [(1.5957691216057308, -9.96930880911092e-17), (0.07135481627260025, -6.175149918155315e-19)];

/// `Φ(-y) exp(y²/2)` for `y ≥ 1`.
#[inline(always)]
fn tail(y: f64) -> f64 {
    let inverse = 1.0 / (y + 4.0);
    inverse * polynomial((y - 4.0) * inverse, &TAIL)
}

/// The error function.
#[inline(always)]
pub(in super::super) fn erf(x: f64) -> f64 {
    // From 6 on the result is 1.
    let size = at_most(x.abs(), 6.0);
    let square = size * size;
    let small = size + size * polynomial(square, &ERF);
    let large = 1.0 - 2.0 * tail(size * SQRT_2) * exp(-square);
    (if size < 1.0 { small } else { large }).copysign(x)
}

/// `x Φ(x)`.
#[inline(always)]
pub(in super::super) fn gelu(x: f64) -> f64 {
    // From here on the product with `x` is 0, too.
    let size = at_most(x.abs(), 40.0);
    // The square must be exact: the exponential multiplies its rounding error by the square.
    let head = leading(size);
    let (value, scale) = scaled_exp(-0.5 * head * head, -0.5 * (size - head) * (size + head));
    let tail = tail(size) * value;
    let (below, above) = (-size * tail * scale, x * (1.0 - tail * scale));
    let far = if x < 0.0 { below } else { above };
    let near = x * (0.5 + x * polynomial(x * x, &CENTRE));
    if size < 1.0 { near } else { far }
}

/// The derivative of the error function.
#[inline(always)]
pub(in super::super) fn erf_slope(x: f64) -> f64 {
    FRAC_2_SQRT_PI * exp(-(x * x))
}

/// The derivative of `x Φ(x)`, which is `Φ(x) + x φ(x)` with the density `φ`.
#[inline(always)]
pub(in super::super) fn gelu_slope(x: f64) -> f64 {
    // From here on the product with `x` is 0, too.
    let size = at_most(x.abs(), 40.0);
    let head = leading(size);
    let (value, scale) = scaled_exp(-0.5 * head * head, -0.5 * (size - head) * (size + head));
    let exponential = value * scale;
    let density = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * exponential;
    // The slopes at `x` and `-x` add up to 1.
    let below = tail(size) * exponential - size * density;
    let far = if x < 0.0 { below } else { 1.0 - below };
    let near = 0.5 + x * (polynomial(x * x, &CENTRE) + density);
    if size < 1.0 { near } else { far }
}

/// `x/2 (1 + tanh y)`, which is `x` times the logistic function of `2y`, with
/// `2y = 2 √(2/π) (x + 0.044715 x³)`.
#[inline(always)]
pub(in super::super) fn gelu_tanh(x: f64) -> f64 {
    let [linear, cubic] = GELU_TANH;
    // From 40 on the function is x or 0.
    let size = at_most(x.abs(), 40.0);
    // In twice the precision: the exponential multiplies the relative error of its argument by the argument.
    let (square, square_low) = exact_product(size, size);
    let (term, term_low) = exact_product(cubic.0, square);
    let (sum, sum_low) = exact_sum(linear.0, term);
    let sum_low = sum_low + (linear.1 + term_low + (cubic.0 * square_low + cubic.1 * square));
    let (u, u_low) = exact_product(size, sum);
    weighted(x, u, u_low + size * sum_low)
}

/// The derivative of `x/2 (1 + tanh y)`.
#[inline(always)]
pub(in super::super) fn gelu_tanh_slope(x: f64) -> f64 {
    let [(linear, _), (cubic, _)] = GELU_TANH;
    // From 40 on it is 1 or 0.
    let size = at_most(x.abs(), 40.0);
    let square = size * size;
    weighted_slope(x, size * (linear + cubic * square), linear + 3.0 * cubic * square)
}
