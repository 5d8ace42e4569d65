//! Rules of the gradients of unary operations. These are second derivatives.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use tensor::ops::{UnaryGradient, apply};
use tensor::{Result, Tensor};

use super::pass::Pass;
use super::selection::Input;

/// The inputs are the gradient `u` of the result of the unary operation, and the operand or result `z` from which the
/// slope is computed. The operation is linear in `u`.
pub(super) fn rule<'a, P: Pass<'a>>(op: &UnaryGradient, pass: P) -> P::Answer {
    pass.two(
        (Input(0), Input(1)),
        |g, (_, z)| apply(*op, &[g, z]),
        |g, (u, z)| gradient_of_slope(op, &g.try_mul(u)?, z),
    )
}

/// `g` times the derivative of the slope with respect to the operand `x` or the result `y` of the unary operation,
/// whichever the slope is computed from.
fn gradient_of_slope(op: &UnaryGradient, g: &Tensor, z: &Tensor) -> Result<Tensor> {
    let (x, y) = (z, z);
    // Outside this range e⁻ˣ is 0 even in float64. Inside it the polynomials that multiply it do not overflow.
    let near = || z.clamp(-800.0, 800.0);
    Ok(match *op {
        // The slope is piecewise constant.
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
            let curvature = slope.square().try_mul(1.0 - s.try_mul(2.0)?)?.try_add(x.try_mul(6.0 * cubic)?)?;
            apply(UnaryGradient::Sigmoid, &[g, &s])?.try_mul(slope.try_mul(2.0)?.try_add(x.try_mul(curvature)?)?)?
        }
    })
}

/// √(2/π).
const FRAC_SQRT_2_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
