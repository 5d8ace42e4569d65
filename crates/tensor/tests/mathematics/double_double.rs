//! Double-double arithmetic: numbers with twice the digits of float64, as unevaluated sums. They serve as references
//! for float64 functions.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// The sum of two numbers, the second far smaller than the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Double(pub(crate) f64, pub(crate) f64);

const LN_2: Double = Double(std::f64::consts::LN_2, 2.3190468138462996e-17);
const SQRT_PI: Double = Double(1.772453850905516, -7.666586499825799e-17);

/// The sum and its rounding error (Knuth's two-sum).
fn sum(a: f64, b: f64) -> Double {
    let s = a + b;
    let added = s - a;
    Double(s, (a - (s - added)) + (b - added))
}

impl From<f64> for Double {
    fn from(x: f64) -> Self {
        Double(x, 0.0)
    }
}

impl Neg for Double {
    type Output = Self;
    fn neg(self) -> Self {
        Double(-self.0, -self.1)
    }
}

impl Add for Double {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (high, low) = (sum(self.0, other.0), sum(self.1, other.1));
        let first = sum(high.0, high.1 + low.0);
        sum(first.0, first.1 + low.1)
    }
}

impl Sub for Double {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let product = self.0 * other.0;
        let low = self.0.mul_add(other.0, -product) + (self.0 * other.1 + self.1 * other.0);
        sum(product, low)
    }
}

impl Div for Double {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = self.0 / other.0;
        let rest = self - other * first.into();
        let second = rest.0 / other.0;
        let rest = rest - other * second.into();
        sum(first, second) + (rest.0 / other.0).into()
    }
}

impl Double {
    /// The product with a power of 2.
    fn scaled(self, power: i32) -> Self {
        let (half, rest) = (2f64.powi(power / 2), 2f64.powi(power - power / 2));
        Double(self.0 * half * rest, self.1 * half * rest)
    }

    pub(crate) fn abs(self) -> Self {
        if self.0 < 0.0 { -self } else { self }
    }

    /// `(s, k)` with `eˣ = (1 + s) · 2ᵏ`, computed by eight halvings and the Taylor series.
    fn reduced_expm1(self) -> (Self, i32) {
        let k = (self.0 / LN_2.0).round();
        let r = (self - LN_2 * k.into()).scaled(-8);
        let mut series = Double(0.0, 0.0);
        for n in (1..=14).rev() {
            series = r * (Double(1.0, 0.0) + series) / f64::from(n).into();
        }
        for _ in 0..8 {
            // (1 + s)² - 1, which keeps the digits of a small s.
            series = series * (series + 2.0.into());
        }
        (series, k as i32)
    }

    /// `eˣ` as a number and the exponent of a power of 2 to multiply it by: the product may be subnormal.
    pub(crate) fn exp_parts(self) -> (Self, i32) {
        let (series, k) = self.reduced_expm1();
        (series + 1.0.into(), k)
    }

    pub(crate) fn exp(self) -> Self {
        let (value, k) = self.exp_parts();
        value.scaled(k)
    }

    pub(crate) fn expm1(self) -> Self {
        let (series, k) = self.reduced_expm1();
        if k == 0 { series } else { self.exp() - 1.0.into() }
    }

    /// The natural logarithm, by one step of Newton's method, which doubles the number of digits.
    pub(crate) fn ln(self) -> Self {
        let near = Double(libm::log(self.0), 0.0);
        let (value, k) = (-near).exp_parts();
        near + (self * value.scaled(k) - 1.0.into())
    }

    /// `ln(1 + x)`, by one step of Newton's method.
    pub(crate) fn ln_1p(self) -> Self {
        let near = Double(libm::log1p(self.0), 0.0);
        let residual = (self - near.expm1()) / (near.expm1() + 1.0.into());
        near + residual
    }

    /// `Φ(-y) exp(y²/2)` for `y ≥ 0`, by the series of `Φ(y) - ½` near 0 and by Laplace's continued fraction elsewhere.
    pub(crate) fn mills(self) -> Self {
        let square = self * self;
        let sqrt_2_pi = SQRT_PI * Double(std::f64::consts::SQRT_2, -9.667293313452913e-17);
        if self.0 < 4.0 {
            let (mut term, mut series) = (self, self);
            for n in 1..150 {
                term = term * square / f64::from(2 * n + 1).into();
                series = series + term;
            }
            return square.scaled(-1).exp().scaled(-1) - series / sqrt_2_pi;
        }
        let mut fraction = self;
        for n in (1..200).rev() {
            fraction = self + Double::from(f64::from(n)) / fraction;
        }
        Double(1.0, 0.0) / (fraction * sqrt_2_pi)
    }
}
