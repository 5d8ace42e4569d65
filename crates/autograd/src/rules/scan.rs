//! Rules of the operations along one axis.

use tensor::ops::Scan;
use tensor::{DType, Result, Tensor};

use super::pass::Pass;
use super::selection::{Input, InputSpec, Nothing, Output};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Scan, pass: P) -> P::Answer {
    match *op {
        Scan::CumSum { axis } => pass.one(Nothing, |g, ()| reverse_cumsum(g, axis as isize)),
        Scan::CumProd { axis } => pass.one(Input(0), |g, x| cumprod(g, x, axis as isize)),
        // The second output is the index that each value came from.
        Scan::Sort { axis, .. } | Scan::TopK { axis, .. } => {
            pass.one((InputSpec(0), Output(1)), |g, (x, index)| x.zeros().scatter_add(index, g, axis))
        }
    }
}

/// For each element the sum of it and all that follow.
fn reverse_cumsum(g: &Tensor, axis: isize) -> Result<Tensor> {
    g.flip(axis)?.cumsum(axis)?.flip(axis)
}

/// Element `i` is a factor of all products from its position on. Its gradient is the product of the elements before it,
/// times `sᵢ = gᵢ + xᵢ₊₁ gᵢ₊₁ + xᵢ₊₁ xᵢ₊₂ gᵢ₊₂ + …`. Nothing is divided, so the result is exact if some elements are zero.
/// It is computed in float64, where intermediate products hardly ever overflow.
fn cumprod(g: &Tensor, x: &Tensor, axis: isize) -> Result<Tensor> {
    if x.size() == 0 {
        return Ok(g.clone());
    }
    let moved = x.transpose(axis, -1)?;
    let count = moved.shape()[moved.rank() - 1];
    let lanes = |moved: &Tensor| moved.cast(DType::F64).reshape([moved.size() / count, count]);
    let x_lanes = lanes(&moved)?;
    // `sums` holds the first `reach` terms of each sum, `products` the product of the `reach` elements after each
    // element. `reach` doubles until it covers all: a prefix sum of affine maps (Hillis and Steele 1986).
    let mut sums = lanes(&g.transpose(axis, -1)?)?;
    let mut products = x_lanes.slice((.., 1..))?;
    let mut reach = 1;
    while reach < count {
        let rest = (count - reach) as isize;
        let later = products.try_mul(sums.slice((.., reach as isize..))?)?;
        let complete = sums.slice((.., ..rest))?.try_add(later)?;
        sums = Tensor::concat(&[&complete, &sums.slice((.., rest..))?], -1)?;
        let shift = rest.min(reach as isize);
        products = products.slice((.., ..rest - shift))?.try_mul(products.slice((.., shift..))?)?;
        reach *= 2;
    }
    products_before(&x_lanes)?.try_mul(sums)?.cast(x.dtype()).reshape(moved.shape())?.transpose(axis, -1)
}

/// For each element the product of those before it, along the last axis of `[lanes, count]`. `count` must not be 0.
pub(super) fn products_before(x: &Tensor) -> Result<Tensor> {
    x.slice((.., ..-1))?.pad([(0, 0), (1, 0)], 1.0)?.cumprod(-1)
}
