//! Rules of the fused operations.

use smallvec::smallvec;
use tensor::ops::{Fused, apply};
use tensor::{Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;

pub(super) fn needs(op: &Fused) -> Needs {
    match op {
        Fused::Softmax { .. } | Fused::MaskedSoftmax { .. } | Fused::LogSoftmax { .. } => Needs::Output,
        Fused::SoftmaxCrossEntropy
        | Fused::SoftmaxGradient { .. }
        | Fused::MaskedSoftmaxGradient
        | Fused::LogSoftmaxGradient { .. }
        | Fused::SoftmaxCrossEntropyGradient => Needs::Inputs,
    }
}

pub(super) fn backward(op: &Fused, site: &Site, g: &Tensor) -> Result<Parts> {
    Ok(match *op {
        Fused::Softmax { axis } => smallvec![Some(apply(Fused::SoftmaxGradient { axis }, &[g, site.output()])?)],
        Fused::MaskedSoftmax { .. } => {
            let part = Some(apply(Fused::MaskedSoftmaxGradient, &[g, site.output()])?);
            std::iter::once(part).chain((1..site.arity()).map(|_| None)).collect()
        }
        Fused::LogSoftmax { axis } => smallvec![Some(apply(Fused::LogSoftmaxGradient { axis }, &[g, site.output()])?)],
        Fused::SoftmaxCrossEntropy => {
            let operands = [g, site.input(0), site.input(1)];
            smallvec![Some(apply(Fused::SoftmaxCrossEntropyGradient, &operands)?), None]
        }
        // In what follows `u` is the gradient that the first one is of.
        Fused::SoftmaxGradient { axis } => {
            let (u, y) = (site.input(0), site.input(1));
            // The matrix by which `u` is multiplied is symmetric.
            let first = site.wants(0).then(|| apply(*op, &[g, y])).transpose()?;
            smallvec![first, site.wants(1).then(|| of_result(g, u, y, axis)).transpose()?]
        }
        Fused::MaskedSoftmaxGradient => {
            let (u, y) = (site.input(0), site.input(1));
            let first = site.wants(0).then(|| apply(*op, &[g, y])).transpose()?;
            let of_present = || {
                let present = y.not_equal(0)?;
                of_result(&present.select(g, 0.0)?, &present.select(u, 0.0)?, y, y.rank() - 1)
            };
            smallvec![first, site.wants(1).then(of_present).transpose()?]
        }
        Fused::LogSoftmaxGradient { axis } => {
            let (u, y) = (site.input(0), site.input(1));
            let weighted = g.try_mul(y.exp())?;
            let first = || g.try_sub(weighted.sum_keepdims(axis)?);
            let of_result = || weighted.try_mul(u.sum_keepdims(axis)?)?.try_neg();
            smallvec![site.wants(0).then(first).transpose()?, site.wants(1).then(of_result).transpose()?]
        }
        Fused::SoftmaxCrossEntropyGradient => {
            let (u, logits, targets) = (site.input(0), site.input(1), site.input(2));
            let y = logits.softmax(-1)?;
            let first = || {
                let one_hot = targets.one_hot(logits.shape()[logits.rank() - 1])?.cast(logits.dtype());
                g.try_mul(y.try_sub(one_hot)?)?.sum_axis(-1)
            };
            let of_logits = || {
                let gradient = apply(Fused::SoftmaxGradient { axis: logits.rank() - 1 }, &[g, &y])?;
                u.expand_dims(-1)?.try_mul(gradient)
            };
            smallvec![site.wants(0).then(first).transpose()?, site.wants(1).then(of_logits).transpose()?, None]
        }
    })
}

/// The part of the result `y` in the gradient of a softmax of `u`, `y (u - Σ u y)`: `g (u - Σ u y) - u Σ g y`.
fn of_result(g: &Tensor, u: &Tensor, y: &Tensor, axis: usize) -> Result<Tensor> {
    let along = |a: &Tensor, b: &Tensor| a.try_mul(b)?.sum_keepdims(axis);
    g.try_mul(u.try_sub(along(u, y)?)?)?.try_sub(u.try_mul(along(g, y)?)?)
}
