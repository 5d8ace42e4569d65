//! Rules of the fused operations.

use smallvec::smallvec;
use tensor::ops::Fused;
use tensor::{Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;

pub(super) fn needs(op: &Fused) -> Needs {
    match op {
        Fused::Softmax { .. } | Fused::LogSoftmax { .. } => Needs::Output,
        Fused::SoftmaxCrossEntropy => Needs::Inputs,
    }
}

pub(super) fn backward(op: &Fused, site: &Site, g: &Tensor) -> Result<Parts> {
    Ok(match *op {
        Fused::Softmax { axis } => {
            let y = site.output();
            let gy = g.try_mul(y)?;
            let sum = gy.sum_keepdims(axis as isize)?;
            smallvec![Some(gy.try_sub(y.try_mul(sum)?)?)]
        }
        Fused::LogSoftmax { axis } => {
            let y = site.output();
            let sum = g.sum_keepdims(axis as isize)?;
            smallvec![Some(g.try_sub(y.exp().try_mul(sum)?)?)]
        }
        Fused::SoftmaxCrossEntropy => {
            let (logits, targets) = (site.input(0), site.input(1));
            let classes = logits.shape()[logits.rank() - 1];
            let one_hot = targets.one_hot(classes)?.cast(logits.dtype());
            let slope = logits.softmax(-1)?.try_sub(one_hot)?;
            smallvec![Some(g.expand_dims(-1)?.try_mul(slope)?), None]
        }
    })
}
