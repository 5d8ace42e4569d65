//! Rules of the operations on two operands.

use tensor::ops::Binary;
use tensor::{Result, Tensor};

use super::Needs;
use crate::site::Site;

pub(super) fn needs(op: &Binary) -> Needs {
    match op {
        Binary::Add | Binary::Sub | Binary::FloorDiv => Needs::Nothing,
        Binary::Mul | Binary::MulNoNan => Needs::Others,
        Binary::Div | Binary::Pow | Binary::Maximum | Binary::Minimum | Binary::Atan2 | Binary::Remainder => {
            Needs::Inputs
        }
    }
}

/// The gradient for operand `k`, in the shape of the output.
pub(super) fn backward(op: &Binary, site: &Site, g: &Tensor, k: usize) -> Result<Option<Tensor>> {
    let first = k == 0;
    let a = || site.input(0);
    let b = || site.input(1);
    Ok(Some(match op {
        Binary::Add => g.clone(),
        Binary::Sub if first => g.clone(),
        Binary::Sub => g.try_neg()?,
        Binary::Mul => g.try_mul(site.input(1 - k))?,
        // Each of the two products is 0 where its own second factor is.
        Binary::MulNoNan if first => g.multiply_no_nan(b())?,
        Binary::MulNoNan => a().multiply_no_nan(g)?,
        Binary::Div if first => g.try_div(b())?,
        // Not over b², which overflows where the quotient does not.
        Binary::Div => g.try_mul(a().try_div(b())?.try_div(b())?)?.try_neg()?,
        Binary::Pow => power(a(), b(), g, first)?,
        Binary::Maximum | Binary::Minimum => {
            let (this, other) = (site.input(k), site.input(1 - k));
            // Neither loses nor ties where one is NaN: then each gets all.
            let loses = if *op == Binary::Maximum { this.less(other)? } else { this.greater(other)? };
            loses.select(0.0, this.equal(other)?.select(g.try_mul(0.5)?, g)?)?
        }
        Binary::Atan2 => {
            let part = angle(a(), b(), site.input(1 - k), g)?;
            if first { part } else { part.try_neg()? }
        }
        // a - b ⌊a/b⌋, whose floor is constant between jumps.
        Binary::Remainder if first => g.clone(),
        Binary::Remainder => g.try_mul(a().floor_div(b())?)?.try_neg()?,
        Binary::FloorDiv => g.zeros_like(),
    }))
}

/// `g · other / (a² + b²)`, by convention 0 at the origin; scaled by the larger of `|a|` and `|b|`, so
/// that no square leaves the floating type where the quotient does not.
fn angle(a: &Tensor, b: &Tensor, other: &Tensor, g: &Tensor) -> Result<Tensor> {
    // The quotient does not depend on the scale, so that its derivatives need none of the scale.
    let size = a.stop_gradient().abs().maximum(b.stop_gradient().abs())?;
    let origin = size.equal(0.0)?;
    let scale = size.isfinite().logical_and(&size.greater(0.0)?)?.select(size, 1.0)?;
    let square = a.try_div(&scale)?.square().try_add(b.try_div(&scale)?.square())?;
    // Masked before it meets an operand, so that the second derivative at the origin is 0 as well.
    let g = origin.select(0.0, g.try_div(origin.select(1.0, square)?)?)?;
    g.try_mul(other.try_div(&scale)?)?.try_div(scale)
}

/// The gradients of `aᵇ`, `b aᵇ⁻¹` and `aᵇ ln a`, with the conventions 0 for `a` at `0⁰` and 0 for
/// `b` where `a` is 0. The masked base is replaced by 1 before it enters the formula, so that no
/// infinity meets a zero in the next derivative either.
fn power(a: &Tensor, b: &Tensor, g: &Tensor, for_base: bool) -> Result<Tensor> {
    let zero_base = a.equal(0.0)?;
    if for_base {
        let masked = zero_base.logical_and(b.equal(0.0)?)?;
        let base = masked.select(1.0, a)?;
        let slope = b.try_mul(base.pow(b.try_sub(1.0)?)?)?;
        masked.select(0.0, g.try_mul(slope)?)
    } else {
        let masked = zero_base.logical_and(b.greater_equal(0.0)?)?;
        let base = masked.select(1.0, a)?;
        let slope = base.pow(b)?.try_mul(base.log())?;
        masked.select(0.0, g.try_mul(slope)?)
    }
}
