//! Rules of the fused operations.

use smallvec::smallvec;
use tensor::ops::{Fused, apply};
use tensor::{Result, Tensor};

use super::pass::Pass;
use super::selection::{Input, Output};

/// In the rules of gradients, `u` is the gradient of the result of the first operation.
pub(super) fn rule<'a, P: Pass<'a>>(op: &Fused, pass: P) -> P::Answer {
    match *op {
        Fused::Softmax { axis } => pass.one(Output(0), |g, y| apply(Fused::SoftmaxGradient { axis }, &[g, y])),
        Fused::MaskedSoftmax { .. } => pass.one(Output(0), |g, y| apply(Fused::MaskedSoftmaxGradient, &[g, y])),
        Fused::LogSoftmax { axis } => pass.one(Output(0), |g, y| apply(Fused::LogSoftmaxGradient { axis }, &[g, y])),
        Fused::SoftmaxCrossEntropy => pass.one((Input(0), Input(1)), |g, (logits, targets)| {
            apply(Fused::SoftmaxCrossEntropyGradient, &[g, logits, targets])
        }),
        // The matrix by which `u` is multiplied is symmetric, so the operation is its own adjoint in `u`.
        Fused::SoftmaxGradient { axis } => {
            pass.two((Input(0), Input(1)), |g, (_, y)| apply(*op, &[g, y]), |g, (u, y)| through_result(g, u, y, axis))
        }
        Fused::MaskedSoftmaxGradient => pass.two(
            (Input(0), Input(1)),
            |g, (_, y)| apply(*op, &[g, y]),
            |g, (u, y)| {
                let present = y.not_equal(0)?;
                through_result(&present.select(g, 0.0)?, &present.select(u, 0.0)?, y, y.rank() - 1)
            },
        ),
        Fused::LogSoftmaxGradient { axis } => pass.many((Input(0), Input(1)), |cx, g, (u, y)| {
            let weighted = g.try_mul(y.exp())?;
            let to_u = cx.if_needed(0, || g.try_sub(weighted.sum_keepdims(axis)?))?;
            let to_y = cx.if_needed(1, || weighted.try_mul(u.sum_keepdims(axis)?)?.try_neg())?;
            Ok(smallvec![to_u, to_y])
        }),
        Fused::SoftmaxCrossEntropyGradient => {
            pass.many((Input(0), Input(1), Input(2)), |cx, g, (u, logits, targets)| {
                let axis = logits.rank() - 1;
                let y = logits.softmax(-1)?;
                let to_u = cx.if_needed(0, || {
                    let one_hot = targets.one_hot(logits.shape()[axis])?.cast(logits.dtype());
                    g.try_mul(y.try_sub(one_hot)?)?.sum_axis(-1)
                })?;
                let to_logits = cx.if_needed(1, || {
                    let gradient = apply(Fused::SoftmaxGradient { axis }, &[g, &y])?;
                    u.expand_dims(-1)?.try_mul(gradient)
                })?;
                Ok(smallvec![to_u, to_logits, None])
            })
        }
    }
}

/// The gradient of a softmax is `y (u - Σ u y)`. Its own gradient for the result `y` is `g (u - Σ u y) - u Σ g y`.
fn through_result(g: &Tensor, u: &Tensor, y: &Tensor, axis: usize) -> Result<Tensor> {
    let along = |a: &Tensor, b: &Tensor| a.try_mul(b)?.sum_keepdims(axis);
    g.try_mul(u.try_sub(along(u, y)?)?)?.try_sub(u.try_mul(along(g, y)?)?)
}
