//! Several steps in one kernel, where that is faster or more exact than the steps.

use crate::dtype::with_float;
use crate::error::{Error, Result};
use crate::kernels::softmax;
use crate::ops::index::indices_below;
use crate::ops::unary::converted;
use crate::ops::{apply, check_axis, operands};
use crate::shape::normalize_axis;
use crate::tensor::Tensor;

/// A fused operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fused {
    /// `eˣ / Σ eˣ` along an axis.
    Softmax {
        /// The axis.
        axis: usize,
    },
    /// `x - ln Σ eˣ` along an axis.
    LogSoftmax {
        /// The axis.
        axis: usize,
    },
    /// The cross-entropy of integer targets under the softmax of logits, for each row.
    SoftmaxCrossEntropy,
}

names! { Fused:
    Fused::Softmax { .. } => "softmax",
    Fused::LogSoftmax { .. } => "log_softmax",
    Fused::SoftmaxCrossEntropy => "softmax_cross_entropy",
}

impl Fused {
    pub(super) fn flops(self, inputs: &[&Tensor], _: &[Tensor]) -> u64 {
        let each = match self {
            // Compare, subtract, exp, add, multiply; the logarithm subtracts twice in the end.
            Fused::Softmax { .. } => 5,
            Fused::LogSoftmax { .. } => 6,
            Fused::SoftmaxCrossEntropy => 4,
        };
        each * inputs[0].size() as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        match self {
            Fused::Softmax { axis } => {
                let [x] = operands(inputs, self.name())?;
                check_axis(axis, x.rank(), self.name())?;
                let x = &converted(x, x.dtype().to_float());
                Ok(with_float!(x.dtype(), T => along(x, axis, softmax::softmax::<T>), else unreachable!()))
            }
            Fused::LogSoftmax { axis } => {
                let [x] = operands(inputs, self.name())?;
                check_axis(axis, x.rank(), self.name())?;
                let x = &converted(x, x.dtype().to_float());
                Ok(with_float!(x.dtype(), T => along(x, axis, softmax::log_softmax::<T>), else unreachable!()))
            }
            Fused::SoftmaxCrossEntropy => {
                let [logits, targets] = operands(inputs, self.name())?;
                let Some((&classes, rows)) = logits.shape().split_last() else {
                    return Err(Error::shape(self.name(), logits.shape(), "needs an axis of classes"));
                };
                if targets.shape()[..] != *rows {
                    let message =
                        format!("logits {} need targets of shape {rows:?}, not {}", logits.shape(), targets.shape());
                    return Err(Error::argument(self.name(), message));
                }
                let targets = indices_below(targets, classes, self.name())?;
                Ok(with_float!(logits.dtype(), T => softmax::cross_entropy::<T>(logits, &targets),
                    else return Err(Error::dtype(self.name(), logits.dtype(), "a floating type, as logits are"))))
            }
        }
    }
}

/// `f`, which works along the last axis, along another one.
fn along(x: &Tensor, axis: usize, f: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let last = x.rank() - 1;
    if axis == last {
        return f(x);
    }
    let mut order: Vec<usize> = (0..x.rank()).collect();
    order.swap(axis, last);
    let swapped = |x: &Tensor| {
        let shape = order.iter().map(|&k| x.shape()[k]).collect();
        x.restrided(shape, order.iter().map(|&k| x.strides()[k]).collect(), x.offset())
    };
    swapped(&f(&swapped(x)))
}

impl Tensor {
    /// `eˣ / Σ eˣ` along an axis, without overflow.
    ///
    /// # Errors
    /// If the axis is out of range.
    pub fn softmax(&self, axis: isize) -> Result<Tensor> {
        apply(Fused::Softmax { axis: normalize_axis(axis, self.rank(), "softmax")? }, &[self])
    }

    /// `x - ln Σ eˣ` along an axis: the logarithm of [`Tensor::softmax`], exact where that is 0.
    ///
    /// # Errors
    /// If the axis is out of range.
    pub fn log_softmax(&self, axis: isize) -> Result<Tensor> {
        apply(Fused::LogSoftmax { axis: normalize_axis(axis, self.rank(), "log_softmax")? }, &[self])
    }

    /// The cross-entropy `-ln softmax(logits)[target]` for each row: logits `[…, classes]` (this
    /// tensor) and integer targets `[…]` give `[…]`.
    ///
    /// # Errors
    /// If the shapes do not fit, a target is not below the number of classes, or the types do not
    /// suit.
    pub fn softmax_cross_entropy(&self, targets: &Tensor) -> Result<Tensor> {
        apply(Fused::SoftmaxCrossEntropy, &[self, targets])
    }
}
