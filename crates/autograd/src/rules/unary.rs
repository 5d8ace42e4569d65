//! Rules of the operations on one operand.

use tensor::ops::{Unary, UnaryGradient, apply};
use tensor::{Result, Tensor};

use super::pass::Pass;
use super::selection::{Input, InputSpec, Nothing, Output};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Unary, pass: P) -> P::Answer {
    match *op {
        Unary::Neg => pass.one(Nothing, |g, ()| g.try_neg()),
        // Piecewise constant.
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round => pass.one(Nothing, |g, ()| Ok(g.zeros_like())),
        Unary::Cast { .. } => pass.one(InputSpec(0), |g, x| Ok(g.cast(x.dtype))),
        Unary::Exp => pass.one(Output(0), |g, y| g.try_mul(y)),
        Unary::Expm1 => from_output(pass, UnaryGradient::Expm1),
        Unary::Sqrt => from_output(pass, UnaryGradient::Sqrt),
        Unary::Rsqrt => from_output(pass, UnaryGradient::Rsqrt),
        Unary::Reciprocal => from_output(pass, UnaryGradient::Reciprocal),
        Unary::Tan => from_output(pass, UnaryGradient::Tan),
        Unary::Tanh => from_output(pass, UnaryGradient::Tanh),
        Unary::Sigmoid => from_output(pass, UnaryGradient::Sigmoid),
        // The output is 0 exactly where the input is at most 0.
        Unary::Relu => from_output(pass, UnaryGradient::Relu),
        Unary::Log => pass.one(Input(0), |g, x| g.try_div(x)),
        Unary::Sin => pass.one(Input(0), |g, x| g.try_mul(x.cos())),
        Unary::Cos => pass.one(Input(0), |g, x| g.try_mul(x.sin())?.try_neg()),
        Unary::Abs => from_input(pass, UnaryGradient::Abs),
        Unary::Square => from_input(pass, UnaryGradient::Square),
        Unary::Log1p => from_input(pass, UnaryGradient::Log1p),
        Unary::Erf => from_input(pass, UnaryGradient::Erf),
        Unary::LeakyRelu { alpha } => from_input(pass, UnaryGradient::LeakyRelu { alpha }),
        Unary::Elu { alpha } => from_input(pass, UnaryGradient::Elu { alpha }),
        Unary::Selu => from_input(pass, UnaryGradient::Selu),
        Unary::Silu => from_input(pass, UnaryGradient::Silu),
        Unary::Softplus => from_input(pass, UnaryGradient::Softplus),
        Unary::Gelu { approximate } => from_input(pass, UnaryGradient::Gelu { approximate }),
        Unary::Clamp { min, max } => from_input(pass, UnaryGradient::Clamp { min, max }),
        Unary::Pow { exponent } => pass.one(Input(0), |g, x| power(g, x, exponent)),
    }
}

/// One kernel computes the gradient from `g` and the output.
fn from_output<'a, P: Pass<'a>>(pass: P, gradient: UnaryGradient) -> P::Answer {
    pass.one(Output(0), |g, y| apply(gradient, &[g, y]))
}

/// One kernel computes the gradient from `g` and the input.
fn from_input<'a, P: Pass<'a>>(pass: P, gradient: UnaryGradient) -> P::Answer {
    pass.one(Input(0), |g, x| apply(gradient, &[g, x]))
}

/// The gradient of `xᵖ`, `p xᵖ⁻¹`.
fn power(g: &Tensor, x: &Tensor, exponent: f64) -> Result<Tensor> {
    if exponent == 0.0 {
        return Ok(g.zeros_like());
    }
    g.try_mul(x.pow(exponent - 1.0)?.try_mul(exponent)?)
}
