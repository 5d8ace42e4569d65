//! Rules of the gradients of operations on one operand, which are second derivatives.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use smallvec::smallvec;
use tensor::ops::{UnaryGradient, apply};
use tensor::{Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;

pub(super) fn needs(_: &UnaryGradient) -> Needs {
    Needs::Inputs
}

pub(super) fn backward(op: &UnaryGradient, site: &Site, g: &Tensor) -> Result<Parts> {
    let kept = site.input(1);
    // Linear in the gradient.
    let first = site.wants(0).then(|| apply(*op, &[g, kept])).transpose()?;
    let second = site.wants(1).then(|| of_slope(op, &g.try_mul(site.input(0))?, kept)).transpose()?;
    Ok(smallvec![first, second])
}

/// The gradient of the slope as a function of the operand `x`, or of the result `y` that it is computed
/// from, times `g`.
fn of_slope(op: &UnaryGradient, g: &Tensor, kept: &Tensor) -> Result<Tensor> {
    let (x, y) = (kept, kept);
    // Beyond this all that falls like e⁻ˣ is 0, in float64 too, and the polynomials before it do not overflow.
    let near = || kept.clamp(-800.0, 800.0);
    Ok(match *op {
        // Constant between jumps.
        UnaryGradient::Abs | UnaryGradient::Relu => g.zeros_like(),
        UnaryGradient::LeakyRelu { .. } | UnaryGradient::Clamp { .. } => g.zeros_like(),
        UnaryGradient::Square => g.try_mul(2.0)?,
        UnaryGradient::Log1p => g.try_div(x.try_add(1.0)?.square())?.try_neg()?,
        UnaryGradient::Expm1 => g.clone(),
        UnaryGradient::Sqrt => g.try_div(y.square().try_mul(-2.0)?)?,
        UnaryGradient::Rsqrt => g.try_mul(y.square())?.try_mul(-1.5)?,
        UnaryGradient::Reciprocal | UnaryGradient::Tanh => g.try_mul(y)?.try_mul(-2.0)?,
        UnaryGradient::Tan => g.try_mul(y)?.try_mul(2.0)?,
        UnaryGradient::Sigmoid => g.try_mul(1.0 - y.try_mul(2.0)?)?,
        // By convention 0 at 0.
        UnaryGradient::Elu { .. } | UnaryGradient::Selu => x.less(0.0)?.select(apply(*op, &[g, x])?, 0.0)?,
        UnaryGradient::Silu => {
            let x = &near()?;
            let s = x.sigmoid();
            let factor = x.try_mul(1.0 - s.try_mul(2.0)?)?.try_add(2.0)?;
            apply(UnaryGradient::Sigmoid, &[g, &s])?.try_mul(factor)?
        }
        UnaryGradient::Softplus => apply(UnaryGradient::Sigmoid, &[g, &x.sigmoid()])?,
        UnaryGradient::Erf => apply(UnaryGradient::Erf, &[g, x])?.try_mul(near()?)?.try_mul(-2.0)?,
        UnaryGradient::Gelu { approximate: false } => {
            // φ(x) (2 - x²).
            let x = &near()?;
            let density = x.square().try_mul(-0.5)?.exp().try_mul(0.5 * FRAC_SQRT_2_PI)?;
            g.try_mul(density.try_mul(2.0 - x.square())?)?
        }
        UnaryGradient::Gelu { approximate: true } => {
            // s' (2 u' + x ((1 - 2 s) u'² + u'')), s = σ(u), u = 2 √(2/π) (x + c x³).
            let x = &near()?;
            let (linear, cubic) = (2.0 * FRAC_SQRT_2_PI, 2.0 * FRAC_SQRT_2_PI * 0.044715);
            let square = x.square();
            let s = x.try_mul(square.try_mul(cubic)?.try_add(linear)?)?.sigmoid();
            let slope = square.try_mul(3.0 * cubic)?.try_add(linear)?;
            let bend = slope.square().try_mul(1.0 - s.try_mul(2.0)?)?.try_add(x.try_mul(6.0 * cubic)?)?;
            apply(UnaryGradient::Sigmoid, &[g, &s])?.try_mul(slope.try_mul(2.0)?.try_add(x.try_mul(bend)?)?)?
        }
    })
}

/// √(2/π).
const FRAC_SQRT_2_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
