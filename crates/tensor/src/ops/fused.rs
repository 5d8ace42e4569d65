//! Compositions computed by one kernel, where that is faster or more accurate than separate operations.

use crate::dtype::{DType, Element, with_float};
use crate::error::{Error, Result};
use crate::kernels::{masked_softmax, softmax};
use crate::layout::View;
use crate::ops::apply::apply;
use crate::ops::cast::converted;
use crate::ops::checks::{check_axis, operands, same_dtype};
use crate::ops::index::indices_below;
use crate::shape::{Integer, normalize_axis};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// A fused operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fused {
    /// `eˣ / Σ eˣ` along an axis.
    Softmax {
        /// The axis.
        axis: usize,
    },
    /// `eˣ / Σ eˣ` along the last axis over the allowed elements; 0 for the others, and for a whole row without allowed
    /// elements. The operands are `x` and an optional bool mask, which broadcasts to `x` and is true where an element
    /// is allowed. Elements that are -∞ are not allowed.
    MaskedSoftmax {
        /// Whether row `i` along the second-to-last axis allows only elements `0..=i`.
        causal: bool,
    },
    /// `x - ln Σ eˣ` along an axis.
    LogSoftmax {
        /// The axis.
        axis: usize,
    },
    /// The cross-entropy of each row, from logits and integer targets.
    SoftmaxCrossEntropy,
    /// The gradient of a softmax along an axis: `y (g - Σ g y)`, from the result `y` and its gradient `g`.
    SoftmaxGradient {
        /// The axis.
        axis: usize,
    },
    /// The gradient of [`Fused::MaskedSoftmax`], with the operands of [`Fused::SoftmaxGradient`]. Elements that are 0
    /// in the result get the gradient 0, and their value in `g` is ignored.
    MaskedSoftmaxGradient,
    /// The gradient of a log-softmax along an axis: `g - eʸ Σ g`, from the result `y ≤ 0` and its gradient `g`.
    LogSoftmaxGradient {
        /// The axis.
        axis: usize,
    },
    /// The gradient of the logits in a cross-entropy: `g · (softmax(logits) - one_hot(targets))`, from the gradient `g`
    /// of its result, the logits and the targets.
    SoftmaxCrossEntropyGradient,
}

names! { Fused:
    Fused::Softmax { .. } => "softmax",
    Fused::MaskedSoftmax { .. } => "masked_softmax",
    Fused::LogSoftmax { .. } => "log_softmax",
    Fused::SoftmaxCrossEntropy => "softmax_cross_entropy",
    Fused::SoftmaxGradient { .. } => "softmax_gradient",
    Fused::MaskedSoftmaxGradient => "masked_softmax_gradient",
    Fused::LogSoftmaxGradient { .. } => "log_softmax_gradient",
    Fused::SoftmaxCrossEntropyGradient => "softmax_cross_entropy_gradient",
}

impl Fused {
    pub(crate) fn flops(self, inputs: &[&Tensor], _: &[Tensor]) -> u64 {
        let each = match self {
            // Compare, subtract, exp, add, multiply. The log-softmax ends with two subtractions instead.
            Fused::Softmax { .. } | Fused::MaskedSoftmax { .. } => 5,
            Fused::LogSoftmax { .. } => 6,
            Fused::SoftmaxCrossEntropy => 4,
            // Multiply (or exp), add, multiply, subtract.
            Fused::SoftmaxGradient { .. } | Fused::MaskedSoftmaxGradient | Fused::LogSoftmaxGradient { .. } => 4,
            // A softmax times the gradient.
            Fused::SoftmaxCrossEntropyGradient => return 6 * inputs[1].size() as u64,
        };
        each * inputs[0].size() as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        match self {
            Fused::Softmax { axis } => {
                let [x] = operands(inputs, self.name())?;
                check_axis(axis, x.rank(), self.name())?;
                Ok(match x.dtype() {
                    DType::F64 => along([x], axis, |[x]| softmax::softmax::<f64>(x)),
                    DType::F32 | DType::I64 | DType::U8 | DType::Bool => {
                        along([&*converted(x, DType::F32)], axis, |[x]| softmax::softmax::<f32>(x))
                    }
                })
            }
            Fused::MaskedSoftmax { causal } => {
                let (x, mask) = self.masked(inputs, causal)?;
                Ok(with_float!(x.dtype(), T => {
                    let mask = mask.map(Tensor::typed);
                    Tensor::from_buffer(masked_softmax::masked_softmax::<T>(x.typed(), mask, causal), x.shape().clone())
                },
                    else return Err(Error::dtype(self.name(), x.dtype(), "a floating type"))))
            }
            Fused::LogSoftmax { axis } => {
                let [x] = operands(inputs, self.name())?;
                check_axis(axis, x.rank(), self.name())?;
                Ok(match x.dtype() {
                    DType::F64 => along([x], axis, |[x]| softmax::log_softmax::<f64>(x)),
                    DType::F32 | DType::I64 | DType::U8 | DType::Bool => {
                        along([&*converted(x, DType::F32)], axis, |[x]| softmax::log_softmax::<f32>(x))
                    }
                })
            }
            Fused::SoftmaxCrossEntropy => {
                let [logits, targets] = operands(inputs, self.name())?;
                let indices = self.targets(logits, targets)?;
                Ok(
                    with_float!(logits.dtype(), T => Tensor::from_buffer(softmax::cross_entropy::<T>(logits.typed(), &indices), targets.shape().clone()),
                    else return Err(Error::dtype(self.name(), logits.dtype(), "a floating type, as logits are"))),
                )
            }
            Fused::SoftmaxGradient { axis } => {
                let [g, y] = self.gradient_and_result(inputs, axis)?;
                Ok(with_float!(g.dtype(), T => along([g, y], axis, |[g, y]| softmax::softmax_gradient::<T>(g, y)),
                    else return Err(Error::dtype(self.name(), g.dtype(), "a floating type, as gradients are"))))
            }
            Fused::MaskedSoftmaxGradient => {
                // A scalar has no last axis.
                let axis = inputs.last().map_or(0, |y| y.rank().saturating_sub(1));
                let [g, y] = self.gradient_and_result(inputs, axis)?;
                Ok(
                    with_float!(g.dtype(), T => along([g, y], axis, |[g, y]| masked_softmax::masked_softmax_gradient::<T>(g, y)),
                    else return Err(Error::dtype(self.name(), g.dtype(), "a floating type, as gradients are"))),
                )
            }
            Fused::LogSoftmaxGradient { axis } => {
                let [g, y] = self.gradient_and_result(inputs, axis)?;
                Ok(with_float!(g.dtype(), T => along([g, y], axis, |[g, y]| softmax::log_softmax_gradient::<T>(g, y)),
                    else return Err(Error::dtype(self.name(), g.dtype(), "a floating type, as gradients are"))))
            }
            Fused::SoftmaxCrossEntropyGradient => {
                let [g, logits, targets] = operands(inputs, self.name())?;
                let indices = self.targets(logits, targets)?;
                same_dtype(g, logits, self.name())?;
                if g.shape() != targets.shape() {
                    return Err(Error::shape(
                        self.name(),
                        g.shape(),
                        format!("must be that of the targets, {}", targets.shape()),
                    ));
                }
                Ok(with_float!(g.dtype(), T => Tensor::from_buffer(
                    softmax::cross_entropy_gradient::<T>(g.typed(), logits.typed(), &indices),
                    logits.shape().clone(),
                ),
                    else return Err(Error::dtype(self.name(), g.dtype(), "a floating type, as gradients are"))))
            }
        }
    }

    /// Checks the operands of a masked softmax.
    fn masked<'a>(self, inputs: &[&'a Tensor], causal: bool) -> Result<(&'a Tensor, Option<&'a Tensor>)> {
        let (x, mask) = match *inputs {
            [x] => (x, None),
            [x, mask] => (x, Some(mask)),
            _ => return Err(Error::argument(self.name(), format!("takes 1 or 2 operands, not {}", inputs.len()))),
        };
        let least = if causal { 2 } else { 1 };
        if x.rank() < least {
            return Err(Error::shape(self.name(), x.shape(), format!("needs {least} axes or more")));
        }
        if let Some(mask) = mask {
            if mask.dtype() != DType::Bool {
                return Err(Error::dtype(self.name(), mask.dtype(), "bool, as a mask must be"));
            }
            if !matches!(x.shape().broadcast(mask.shape(), self.name()), Ok(shape) if shape == *x.shape()) {
                let message = format!("a mask must broadcast to {}", x.shape());
                return Err(Error::shape(self.name(), mask.shape(), message));
            }
        }
        Ok((x, mask))
    }

    /// Checks the targets and converts them to class indices.
    fn targets(self, logits: &Tensor, targets: &Tensor) -> Result<Vec<usize>> {
        let Some((&classes, rows)) = logits.shape().split_last() else {
            return Err(Error::shape(self.name(), logits.shape(), "needs an axis of classes"));
        };
        if targets.shape()[..] != *rows {
            let message = format!("logits {} need targets of shape {rows:?}, not {}", logits.shape(), targets.shape());
            return Err(Error::argument(self.name(), message));
        }
        indices_below(targets, classes, self.name())
    }

    /// Checks the two operands of a gradient, which must have the same shape and type.
    fn gradient_and_result<'a>(self, inputs: &[&'a Tensor], axis: usize) -> Result<[&'a Tensor; 2]> {
        let [g, y] = operands(inputs, self.name())?;
        check_axis(axis, y.rank(), self.name())?;
        same_dtype(g, y, self.name())?;
        if g.shape() != y.shape() {
            return Err(Error::shape(self.name(), g.shape(), format!("must be that of the result, {}", y.shape())));
        }
        Ok([g, y])
    }
}

/// Applies `f`, which works along the last axis, along `axis`.
fn along<T: Element, const N: usize>(tensors: [&Tensor; N], axis: usize, f: impl Fn([View<T>; N]) -> Buffer) -> Tensor {
    let shape = tensors[0].shape();
    let last = shape.rank() - 1;
    if axis == last {
        return Tensor::from_buffer(f(tensors.map(Tensor::typed)), shape.clone());
    }
    let mut order: Vec<usize> = (0..=last).collect();
    order.swap(axis, last);
    let swapped = tensors.map(|x| x.with_layout(x.layout().permuted(&order)));
    let result = Tensor::from_buffer(f(swapped.each_ref().map(Tensor::typed)), swapped[0].shape().clone());
    result.with_layout(result.layout().permuted(&order))
}

impl Tensor {
    /// The softmax `eˣ / Σ eˣ` along an axis, without overflow.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn softmax(&self, axis: impl Integer) -> Result<Tensor> {
        apply(Fused::Softmax { axis: normalize_axis(axis, self.rank(), "softmax")? }, &[self])
    }

    /// The log-softmax `x - ln Σ eˣ` along an axis, accurate even where [`Tensor::softmax`] underflows to 0.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn log_softmax(&self, axis: impl Integer) -> Result<Tensor> {
        apply(Fused::LogSoftmax { axis: normalize_axis(axis, self.rank(), "log_softmax")? }, &[self])
    }

    /// The cross-entropy `-ln softmax(logits)[target]` for each row: logits `[…, classes]` (this
    /// tensor) and integer targets `[…]` give `[…]`.
    ///
    /// # Errors
    /// Returns an error if the shapes do not match, if a target is negative or not below the number of classes, if the
    /// targets are not integers, or if the logits are not floating-point.
    #[track_caller]
    pub fn softmax_cross_entropy(&self, targets: &Tensor) -> Result<Tensor> {
        apply(Fused::SoftmaxCrossEntropy, &[self, targets])
    }
}
