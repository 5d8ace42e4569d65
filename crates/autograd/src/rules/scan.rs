//! Rules of the operations along one axis.

use tensor::ops::Scan;
use tensor::{DType, Result, Tensor};

use super::Needs;
use crate::site::Site;

pub(super) fn needs(op: &Scan) -> Needs {
    match op {
        Scan::CumSum { .. } => Needs::Nothing,
        Scan::CumProd { .. } => Needs::Inputs,
        Scan::Sort { .. } | Scan::TopK { .. } => Needs::Output,
    }
}

pub(super) fn backward(op: &Scan, site: &Site, g: &Tensor) -> Result<Tensor> {
    match *op {
        Scan::CumSum { axis } => sum_from_each(g, axis as isize),
        Scan::CumProd { axis } => products(site.input(0), g, axis as isize),
        // Each value goes back to where its index says it came from.
        Scan::Sort { axis, .. } | Scan::TopK { axis, .. } => {
            let zeros = Tensor::full_of(site.shape(0), 0.0, site.dtype(0));
            zeros.scatter_add(site.output_at(1), g, axis)
        }
    }
}

/// Sums of all elements from each on.
fn sum_from_each(g: &Tensor, axis: isize) -> Result<Tensor> {
    g.flip(axis)?.cumsum(axis)?.flip(axis)
}

/// Element `i` is in all products from its place on, so that its gradient is the product of those
/// before it, times `sᵢ = gᵢ + xᵢ₊₁ gᵢ₊₁ + xᵢ₊₁ xᵢ₊₂ gᵢ₊₂ + …`. No quotient, so that it is exact where
/// some are zero; and in float64, so that hardly any product on the way leaves the floating type.
fn products(x: &Tensor, g: &Tensor, axis: isize) -> Result<Tensor> {
    if x.size() == 0 {
        return Ok(g.clone());
    }
    let moved = x.transpose(axis, -1)?;
    let count = moved.shape()[moved.rank() - 1];
    let lanes = |moved: &Tensor| moved.cast(DType::F64).reshape([moved.size() / count, count]);
    let x_lanes = lanes(&moved)?;
    // The first `reach` terms of each sum, doubled until that is all; and the products of the `reach`
    // elements after each. That is a prefix sum of affine maps (Hillis & Steele 1986).
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

/// The product of all elements before each along the last axis of `[lanes, count]`, count above 0.
pub(super) fn products_before(x: &Tensor) -> Result<Tensor> {
    x.slice((.., ..-1))?.pad([(0, 0), (1, 0)], 1.0)?.cumprod(-1)
}
