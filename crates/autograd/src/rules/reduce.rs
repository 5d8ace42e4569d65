//! Rules of the reductions.

use tensor::ops::{Reduce, Reduction};
use tensor::{DType, Result, Shape, Tensor};

use super::Needs;
use super::scan::products_before;
use crate::site::Site;

pub(super) fn needs(op: &Reduce) -> Needs {
    match op.reduction {
        Reduction::Sum | Reduction::Mean => Needs::Nothing,
        Reduction::Var { .. } | Reduction::Prod => Needs::Inputs,
        Reduction::Max | Reduction::Min | Reduction::LogSumExp | Reduction::Norm => Needs::Both,
        Reduction::ArgMax | Reduction::ArgMin | Reduction::Any | Reduction::All => Needs::Nothing,
    }
}

pub(super) fn backward(op: &Reduce, site: &Site, g: &Tensor) -> Result<Option<Tensor>> {
    let shape = site.shape(0);
    let kept = shape.reduced(&op.axes, true);
    let count = op.axes.iter().map(|&axis| shape[axis] as f64).product::<f64>();
    let g = g.reshape(&kept)?;
    let x = || site.input(0);
    let y = || site.output().reshape(&kept);
    Ok(Some(match op.reduction {
        Reduction::Sum => g.expand(shape)?,
        Reduction::Mean => g.try_div(count)?.expand(shape)?,
        Reduction::Var { correction } => {
            let deviation = x().try_sub(x().mean_keepdims(&op.axes[..])?)?;
            g.try_mul(deviation)?.try_mul(2.0 / (count - correction).max(0.0))?
        }
        Reduction::Max | Reduction::Min => {
            let chosen = x().equal(y()?)?.cast(g.dtype());
            let share = chosen.try_div(chosen.sum_keepdims(&op.axes[..])?)?;
            g.try_mul(share)?
        }
        Reduction::LogSumExp => {
            // Where all are -∞ the output is too, and the shares are 0 by convention.
            let y = y()?;
            let finite = y.equal(f64::NEG_INFINITY)?.select(0.0, y)?;
            g.try_mul(x().try_sub(finite)?.exp())?
        }
        Reduction::Norm => {
            let y = y()?;
            let zero = y.equal(0.0)?;
            // Masked before it meets x, so that the second derivative at 0 is 0 as well; and x over
            // the norm, since the reciprocal of a tiny one overflows.
            zero.select(0.0, g)?.try_mul(x().try_div(zero.select(1.0, y)?)?)?
        }
        Reduction::Prod => g.try_mul(others_product(x(), op, shape)?)?,
        // Indices and truth values have no gradient, so that none arrives here.
        Reduction::ArgMax | Reduction::ArgMin | Reduction::Any | Reduction::All => return Ok(None),
    }))
}

/// For each element the product of all others along the reduced axes: of those before and those
/// after it. Exact where some are zero, and in float64, so that hardly any product on the way leaves
/// the floating type.
fn others_product(x: &Tensor, op: &Reduce, shape: &Shape) -> Result<Tensor> {
    if shape.size() == 0 {
        return Ok(x.clone());
    }
    // The reduced axes as one, last.
    let order: Vec<usize> =
        (0..shape.rank()).filter(|axis| !op.axes.contains(axis)).chain(op.axes.iter().copied()).collect();
    let moved = x.permute(&order)?;
    let count = op.axes.iter().map(|&axis| shape[axis]).product::<usize>();
    let lanes = moved.reshape([shape.size() / count, count])?.cast(DType::F64);
    let (before, after) = (products_before(&lanes)?, products_before(&lanes.flip(-1)?)?.flip(-1)?);
    let mut inverse = vec![0; order.len()];
    (0..).zip(&order).for_each(|(place, &axis)| inverse[axis] = place);
    before.try_mul(after)?.cast(x.dtype()).reshape(moved.shape())?.permute(&inverse)
}
