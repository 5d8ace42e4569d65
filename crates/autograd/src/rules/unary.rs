//! Rules of the operations on one operand.

use tensor::ops::{Unary, UnaryGradient, apply};
use tensor::{Result, Tensor};

use super::Needs;
use crate::site::Site;

pub(super) fn needs(op: &Unary) -> Needs {
    match op {
        Unary::Neg | Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Cast { .. } => Needs::Nothing,
        Unary::Exp | Unary::Expm1 | Unary::Sqrt | Unary::Rsqrt | Unary::Reciprocal => Needs::Output,
        Unary::Tan | Unary::Tanh | Unary::Sigmoid | Unary::Relu => Needs::Output,
        Unary::Abs | Unary::Square | Unary::Log | Unary::Log1p | Unary::Sin | Unary::Cos | Unary::Erf => Needs::Inputs,
        Unary::Selu | Unary::Silu | Unary::Softplus | Unary::LeakyRelu { .. } | Unary::Elu { .. } => Needs::Inputs,
        Unary::Gelu { .. } | Unary::Clamp { .. } | Unary::Pow { .. } => Needs::Inputs,
    }
}

pub(super) fn backward(op: &Unary, site: &Site, g: &Tensor) -> Result<Option<Tensor>> {
    let x = || site.input(0);
    let y = || site.output();
    let fused = |gradient: UnaryGradient, kept: &Tensor| apply(gradient, &[g, kept]);
    Ok(Some(match *op {
        Unary::Neg => g.try_neg()?,
        Unary::Abs => fused(UnaryGradient::Abs, x())?,
        Unary::Square => fused(UnaryGradient::Square, x())?,
        // Constant between jumps.
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round => g.zeros_like(),
        Unary::Exp => g.try_mul(y())?,
        Unary::Expm1 => fused(UnaryGradient::Expm1, y())?,
        Unary::Log => g.try_div(x())?,
        Unary::Log1p => fused(UnaryGradient::Log1p, x())?,
        Unary::Sqrt => fused(UnaryGradient::Sqrt, y())?,
        Unary::Rsqrt => fused(UnaryGradient::Rsqrt, y())?,
        Unary::Reciprocal => fused(UnaryGradient::Reciprocal, y())?,
        Unary::Sin => g.try_mul(x().cos())?,
        Unary::Cos => g.try_mul(x().sin())?.try_neg()?,
        Unary::Tan => fused(UnaryGradient::Tan, y())?,
        Unary::Tanh => fused(UnaryGradient::Tanh, y())?,
        Unary::Sigmoid => fused(UnaryGradient::Sigmoid, y())?,
        // The output is 0 exactly where the input is at most 0.
        Unary::Relu => fused(UnaryGradient::Relu, y())?,
        Unary::LeakyRelu { alpha } => fused(UnaryGradient::LeakyRelu { alpha }, x())?,
        Unary::Elu { alpha } => fused(UnaryGradient::Elu { alpha }, x())?,
        Unary::Selu => fused(UnaryGradient::Selu, x())?,
        Unary::Silu => fused(UnaryGradient::Silu, x())?,
        Unary::Softplus => fused(UnaryGradient::Softplus, x())?,
        Unary::Erf => fused(UnaryGradient::Erf, x())?,
        Unary::Gelu { approximate } => fused(UnaryGradient::Gelu { approximate }, x())?,
        Unary::Clamp { min, max } => fused(UnaryGradient::Clamp { min, max }, x())?,
        Unary::Pow { exponent: 0.0 } => g.zeros_like(),
        Unary::Pow { exponent } => g.try_mul(x().pow(exponent - 1.0)?.try_mul(exponent)?)?,
        Unary::Cast { .. } => g.cast(site.dtype(0)),
    }))
}
