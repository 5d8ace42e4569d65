//! Rules of the operations on two operands. The gradients have the shape of the output.

use tensor::ops::Binary;
use tensor::{Result, Tensor};

use super::pass::Pass;
use super::selection::{Input, Nothing};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Binary, pass: P) -> P::Answer {
    let both = (Input(0), Input(1));
    match op {
        Binary::Add => pass.two(Nothing, |g, ()| Ok(g.clone()), |g, ()| Ok(g.clone())),
        Binary::Sub => pass.two(Nothing, |g, ()| Ok(g.clone()), |g, ()| g.try_neg()),
        Binary::Mul => pass.bilinear(|g, b, _| g.try_mul(b), |g, a, _| g.try_mul(a)),
        // Each product is 0 where its own second factor is.
        Binary::MulNoNan => pass.bilinear(|g, b, _| g.multiply_no_nan(b), |g, a, _| a.multiply_no_nan(g)),
        // Not over b², which overflows where the quotient does not.
        Binary::Div => {
            pass.two(both, |g, (_, b)| g.try_div(b), |g, (a, b)| g.try_mul(a.try_div(b)?.try_div(b)?)?.try_neg())
        }
        Binary::Pow => pass.two(both, |g, (a, b)| power_base(g, a, b), |g, (a, b)| power_exponent(g, a, b)),
        Binary::Maximum => {
            pass.two(both, |g, (a, b)| share(g, &a.less(b)?, a, b), |g, (a, b)| share(g, &b.less(a)?, b, a))
        }
        Binary::Minimum => {
            pass.two(both, |g, (a, b)| share(g, &a.greater(b)?, a, b), |g, (a, b)| share(g, &b.greater(a)?, b, a))
        }
        Binary::Atan2 => pass.two(both, |g, (a, b)| angle(g, a, b, b), |g, (a, b)| angle(g, a, b, a)?.try_neg()),
        // a - b ⌊a/b⌋. The floor is piecewise constant.
        Binary::Remainder => pass.two(both, |g, _| Ok(g.clone()), |g, (a, b)| g.try_mul(a.floor_div(b)?)?.try_neg()),
        Binary::FloorDiv => pass.two(Nothing, |g, ()| Ok(g.zeros_like()), |g, ()| Ok(g.zeros_like())),
    }
}

/// The gradient of an operand of a maximum or minimum: 0 where it loses against the other one, half of `g` where both
/// are equal, else `g`. If one of them is NaN, neither loses and they are not equal, so both get `g`.
fn share(g: &Tensor, loses: &Tensor, this: &Tensor, other: &Tensor) -> Result<Tensor> {
    loses.select(0.0, this.equal(other)?.select(g.try_mul(0.5)?, g)?)
}

/// `g · other / (a² + b²)`, by convention 0 at the origin. Both are divided by the larger of `|a|` and `|b|` first, so
/// that squares overflow or underflow only where the quotient does.
fn angle(g: &Tensor, a: &Tensor, b: &Tensor, other: &Tensor) -> Result<Tensor> {
    // The quotient does not depend on the scale, so the scale is a constant for its derivatives.
    let size = a.stop_gradient().abs().maximum(b.stop_gradient().abs())?;
    let origin = size.equal(0.0)?;
    let scale = size.isfinite().logical_and(&size.greater(0.0)?)?.select(size, 1.0)?;
    let square = a.try_div(&scale)?.square().try_add(b.try_div(&scale)?.square())?;
    // Masked before it is multiplied by an operand, so the second derivative at the origin is 0 as well.
    let g = origin.select(0.0, g.try_div(origin.select(1.0, square)?)?)?;
    g.try_mul(other.try_div(&scale)?)?.try_div(scale)
}

/// The gradient of the base of `aᵇ`, `b aᵇ⁻¹`, by convention 0 at `0⁰`. The base is replaced by 1 there before it enters
/// the formula, so the next derivative does not multiply an infinity by zero either.
fn power_base(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let masked = a.equal(0.0)?.logical_and(b.equal(0.0)?)?;
    let base = masked.select(1.0, a)?;
    let slope = b.try_mul(base.pow(b.try_sub(1.0)?)?)?;
    masked.select(0.0, g.try_mul(slope)?)
}

/// The gradient of the exponent of `aᵇ`, `aᵇ ln a`, by convention 0 where `a` is 0 and `b` is not negative. The base is
/// replaced by 1 there, as in [`power_base`].
fn power_exponent(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let masked = a.equal(0.0)?.logical_and(b.greater_equal(0.0)?)?;
    let base = masked.select(1.0, a)?;
    let slope = base.pow(b)?.try_mul(base.log())?;
    masked.select(0.0, g.try_mul(slope)?)
}
