//! Rules of the reductions.

use tensor::ops::{Reduce, Reduction};
use tensor::{Result, Shape, Tensor};

use super::Needs;
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
    let count = op.axes.iter().map(|&axis| shape[axis]).product::<usize>() as f64;
    let g = g.with_shape(&kept)?;
    let x = || site.input(0);
    let y = || site.output().with_shape(&kept);
    Ok(Some(match op.reduction {
        Reduction::Sum => g.expand(shape)?,
        Reduction::Mean => g.try_div(count)?.expand(shape)?,
        Reduction::Var { correction } => {
            let axes: Vec<isize> = op.axes.iter().map(|&axis| axis as isize).collect();
            let deviation = x().try_sub(x().mean_keepdims(&axes[..])?)?;
            g.try_mul(deviation)?.try_mul(2.0 / (count - correction).max(0.0))?
        }
        Reduction::Max | Reduction::Min => {
            let axes: Vec<isize> = op.axes.iter().map(|&axis| axis as isize).collect();
            let chosen = x().equal(y()?)?.cast(g.dtype());
            let share = chosen.try_div(chosen.sum_keepdims(&axes[..])?)?;
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
            let direction = x().try_div(zero.select(1.0, y)?)?;
            g.try_mul(direction)?
        }
        Reduction::Prod => g.try_mul(others_product(x(), op, shape)?)?,
        // Indices and truth values have no gradient, so that none arrives here.
        Reduction::ArgMax | Reduction::ArgMin | Reduction::Any | Reduction::All => return Ok(None),
    }))
}

/// For each element the product of all others along the reduced axes: exact where some are zero,
/// at the price of a square of the count, and the quotient of the whole product elsewhere.
fn others_product(x: &Tensor, op: &Reduce, shape: &Shape) -> Result<Tensor> {
    let axes: Vec<isize> = op.axes.iter().map(|&axis| axis as isize).collect();
    if !super::has_zero(x)? {
        return x.prod_keepdims(&axes[..])?.try_div(x);
    }
    // The reduced axes as one, last: [rest, n] → [rest, n, n], ones on the diagonal.
    let order: Vec<usize> =
        (0..shape.rank()).filter(|axis| !op.axes.contains(axis)).chain(op.axes.iter().copied()).collect();
    let moved = x.permute(&order.iter().map(|&axis| axis as isize).collect::<Vec<_>>())?;
    let n: usize = op.axes.iter().map(|&axis| shape[axis]).product();
    let rest = shape.size() / n.max(1);
    let rows = moved.with_shape([rest, 1, n])?.expand([rest, n, n])?;
    let diagonal = Tensor::eye(n).equal(1.0)?;
    let products = diagonal.select(1.0, &rows)?.prod_axes(-1)?;
    let mut inverse = vec![0isize; order.len()];
    order.iter().enumerate().for_each(|(place, &axis)| inverse[axis] = place as isize);
    products.with_shape(moved.shape())?.permute(&inverse)
}
