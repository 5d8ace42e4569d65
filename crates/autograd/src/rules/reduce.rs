//! Rules of the reductions.

use tensor::ops::{Reduce, Reduction};
use tensor::{DType, Result, Shape, Tensor};

use super::pass::Pass;
use super::scan::products_before;
use super::selection::{Input, InputSpec, Output};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Reduce, pass: P) -> P::Answer {
    let axes = &op.axes[..];
    // A result or its gradient with the reduced axes as axes of size 1.
    let keepdims = |y: &Tensor, shape: &Shape| y.reshape(shape.reduced(axes, true));
    let count = |shape: &Shape| axes.iter().map(|&axis| shape[axis] as f64).product::<f64>();
    match op.reduction {
        Reduction::Sum => pass.one(InputSpec(0), |g, x| keepdims(g, x.shape)?.expand(x.shape)),
        Reduction::Mean => {
            pass.one(InputSpec(0), |g, x| keepdims(g, x.shape)?.try_div(count(x.shape))?.expand(x.shape))
        }
        Reduction::Var { correction } => pass.one(Input(0), |g, x| {
            let deviation = x.try_sub(x.mean_keepdims(axes)?)?;
            let degrees_of_freedom = (count(x.shape()) - correction).max(0.0);
            keepdims(g, x.shape())?.try_mul(deviation)?.try_mul(2.0 / degrees_of_freedom)
        }),
        Reduction::Max | Reduction::Min => pass.one((Input(0), Output(0)), |g, (x, y)| {
            let g = keepdims(g, x.shape())?;
            let chosen = x.equal(keepdims(y, x.shape())?)?.cast(g.dtype());
            g.try_mul(chosen.try_div(chosen.sum_keepdims(axes)?)?)
        }),
        Reduction::LogSumExp => pass.one((Input(0), Output(0)), |g, (x, y)| {
            // If all elements are -∞, so is the output, and the gradient is 0 by convention.
            let y = keepdims(y, x.shape())?;
            let finite = y.equal(f64::NEG_INFINITY)?.select(0.0, y)?;
            keepdims(g, x.shape())?.try_mul(x.try_sub(finite)?.exp())
        }),
        Reduction::Norm => pass.one((Input(0), Output(0)), |g, (x, y)| {
            let y = keepdims(y, x.shape())?;
            let zero = y.equal(0.0)?;
            // `g` is masked before it is multiplied by `x`, so the second derivative at 0 is 0 as well. `x` is divided
            // by the norm, because the reciprocal of a tiny norm overflows.
            zero.select(0.0, keepdims(g, x.shape())?)?.try_mul(x.try_div(zero.select(1.0, y)?)?)
        }),
        Reduction::Prod => pass.one(Input(0), |g, x| keepdims(g, x.shape())?.try_mul(product_of_others(x, axes)?)),
        Reduction::ArgMax | Reduction::ArgMin | Reduction::Any | Reduction::All => pass.none(),
    }
}

/// For each element the product of all others along the reduced axes, as the product of those before it times the
/// product of those after it. It is exact if some elements are zero, and computed in float64, where intermediate
/// products hardly ever overflow.
fn product_of_others(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let shape = x.shape();
    if shape.size() == 0 {
        return Ok(x.clone());
    }
    // The reduced axes last, as one.
    let order: Vec<usize> = (0..shape.rank()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect();
    let moved = x.permute(&order)?;
    let count = axes.iter().map(|&axis| shape[axis]).product::<usize>();
    let lanes = moved.reshape([shape.size() / count, count])?.cast(DType::F64);
    let (before, after) = (products_before(&lanes)?, products_before(&lanes.flip(-1)?)?.flip(-1)?);
    let mut inverse = vec![0; order.len()];
    (0..).zip(&order).for_each(|(place, &axis)| inverse[axis] = place);
    before.try_mul(after)?.cast(x.dtype()).reshape(moved.shape())?.permute(&inverse)
}
