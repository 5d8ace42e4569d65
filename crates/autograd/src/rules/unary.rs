//! Rules of the operations on one operand.

use tensor::ops::{Fused, Unary, apply};
use tensor::{Result, Tensor};

use super::Needs;
use crate::site::Site;

pub(super) fn needs(op: &Unary) -> Needs {
    match op {
        Unary::Neg | Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Cast { .. } => Needs::Nothing,
        Unary::Not | Unary::IsNan | Unary::IsFinite => Needs::Nothing,
        Unary::Exp | Unary::Expm1 | Unary::Sqrt | Unary::Rsqrt | Unary::Reciprocal => Needs::Output,
        Unary::Tan | Unary::Tanh | Unary::Sigmoid | Unary::Relu => Needs::Output,
        Unary::Abs | Unary::Square | Unary::Log | Unary::Log1p | Unary::Sin | Unary::Cos | Unary::Erf => Needs::Inputs,
        Unary::Selu | Unary::Silu | Unary::Softplus | Unary::LeakyRelu { .. } | Unary::Elu { .. } => Needs::Inputs,
        Unary::Gelu { .. } | Unary::Clamp { .. } | Unary::Pow { .. } => Needs::Inputs,
    }
}

/// The scale and alpha of SELU.
const SELU: (f64, f64) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);

pub(super) fn backward(op: &Unary, site: &Site, g: &Tensor) -> Result<Option<Tensor>> {
    let x = || site.input(0);
    let y = || site.output();
    Ok(Some(match *op {
        Unary::Neg => g.try_neg()?,
        Unary::Abs => g.try_mul(x().sign())?,
        Unary::Square => g.try_mul(2.0)?.try_mul(x())?,
        // Constant between jumps.
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round => g.zeros_like(),
        Unary::Exp => g.try_mul(y())?,
        Unary::Expm1 => g.try_mul(y().try_add(1.0)?)?,
        Unary::Log => g.try_div(x())?,
        Unary::Log1p => g.try_div(x().try_add(1.0)?)?,
        Unary::Sqrt => g.try_div(y().try_mul(2.0)?)?,
        Unary::Rsqrt => g.try_mul(y().pow(3.0)?)?.try_mul(-0.5)?,
        Unary::Reciprocal => g.try_mul(y().square())?.try_neg()?,
        Unary::Sin => g.try_mul(x().cos())?,
        Unary::Cos => g.try_mul(x().sin())?.try_neg()?,
        Unary::Tan => g.try_mul(y().square().try_add(1.0)?)?,
        Unary::Tanh => g.try_mul(1.0 - y().square())?,
        Unary::Sigmoid => g.try_mul(y().try_mul(1.0 - y())?)?,
        // The output is 0 exactly where the input is at most 0.
        Unary::Relu => apply(Fused::ReluGradient, &[g, y()])?,
        Unary::LeakyRelu { alpha } => x().greater(0.0)?.select(g, g.try_mul(alpha)?)?,
        Unary::Elu { alpha } => exponential_below(g, x(), 1.0, alpha)?,
        Unary::Selu => exponential_below(g, x(), SELU.0, SELU.0 * SELU.1)?,
        Unary::Silu => {
            let s = x().sigmoid();
            let slope = s.try_mul(x().try_mul(1.0 - &s)?.try_add(1.0)?)?;
            g.try_mul(slope)?
        }
        Unary::Softplus => g.try_mul(x().sigmoid())?,
        Unary::Erf => g.try_mul(x().square().try_neg()?.exp())?.try_mul(std::f64::consts::FRAC_2_SQRT_PI)?,
        Unary::Gelu { approximate: false } => {
            // Φ(x) + x φ(x).
            let normal = normal_distribution(x())?;
            let density = x().square().try_mul(-0.5)?.exp().try_mul(0.5 * FRAC_SQRT_2_PI)?;
            g.try_mul(normal.try_add(x().try_mul(density)?)?)?
        }
        Unary::Gelu { approximate: true } => {
            // y = x σ(2u), u = √(2/π) (x + c x³).
            let cubic = 0.044715;
            let u2 = x().try_mul(x().square().try_mul(cubic)?.try_add(1.0)?)?.try_mul(2.0 * FRAC_SQRT_2_PI)?;
            let s = u2.sigmoid();
            let inner = x().square().try_mul(3.0 * cubic)?.try_add(1.0)?.try_mul(2.0 * FRAC_SQRT_2_PI)?;
            let slope = s.try_mul(x().try_mul(inner)?.try_mul(1.0 - &s)?.try_add(1.0)?)?;
            g.try_mul(slope)?
        }
        Unary::Clamp { min, max } => {
            let mut inside = None;
            for condition in [min.map(|min| x().greater(min)), max.map(|max| x().less(max))].into_iter().flatten() {
                let condition = condition?;
                inside = Some(match inside {
                    None => condition,
                    Some(other) => condition.logical_and(&other)?,
                });
            }
            match inside {
                Some(inside) => inside.select(g, 0.0)?,
                None => g.clone(),
            }
        }
        Unary::Pow { exponent: 0.0 } => g.zeros_like(),
        Unary::Pow { exponent } => g.try_mul(x().pow(exponent - 1.0)?.try_mul(exponent)?)?,
        Unary::Cast { .. } => g.cast(site.dtype(0)),
        // Truth values have no gradient, so that none arrives here.
        Unary::Not | Unary::IsNan | Unary::IsFinite => return Ok(None),
    }))
}

/// √(2/π).
const FRAC_SQRT_2_PI: f64 = 0.797_884_560_802_865_4;

/// `(1 + erf(x/√2)) / 2`.
fn normal_distribution(x: &Tensor) -> Result<Tensor> {
    x.try_mul(std::f64::consts::FRAC_1_SQRT_2)?.erf().try_add(1.0)?.try_mul(0.5)
}

/// The gradient of `below · (eˣ - 1)` up to 0 and `above · x` elsewhere, that is at NaN too. The
/// exponential is taken of negative numbers only, so that it cannot overflow, and the second
/// derivative at 0 is 0.
fn exponential_below(g: &Tensor, x: &Tensor, above: f64, below: f64) -> Result<Tensor> {
    let exponent = x.less(0.0)?.select(x, 0.0)?;
    x.less_equal(0.0)?.select(g.try_mul(exponent.exp())?.try_mul(below)?, g.try_mul(above)?)
}
