//! Rules of the operations along one axis.

use tensor::ops::Scan;
use tensor::{Result, Tensor};

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
            zeros.scatter_add(site.output_at(1), g, axis as isize)
        }
    }
}

/// Sums of all elements from each on.
fn sum_from_each(g: &Tensor, axis: isize) -> Result<Tensor> {
    g.flip(axis)?.cumsum(axis)?.flip(axis)
}

/// Element `i` is in all products from its place on: `Σₖ gₖ ∏ⱼ xⱼ` over `k ≥ i` and `j ≤ k`, `j ≠ i`.
/// Where none is zero that is the sum of `gₖ yₖ` over `xᵢ`; else the products are made one by one,
/// at the price of the square of the axis.
fn products(x: &Tensor, g: &Tensor, axis: isize) -> Result<Tensor> {
    if !super::has_zero(x)? {
        return sum_from_each(&g.try_mul(x.cumprod(axis)?)?, axis)?.try_div(x);
    }
    // [rest…, n] → [rest…, i, j], ones where j = i.
    let (x, g) = (x.transpose(axis, -1)?, g.transpose(axis, -1)?);
    let n = x.shape()[x.rank() - 1];
    let others = Tensor::eye(n).equal(1.0)?.select(1.0, x.expand_dims(-2)?)?;
    let parts = others.cumprod(-1)?.triu(0)?.try_mul(g.expand_dims(-2)?)?;
    parts.sum_axes(-1)?.transpose(axis, -1)
}
