//! Several steps in one kernel, where that is faster or more exact than the steps.

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::elementwise::zip;
use crate::kernels::reduce::Fold;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::ops::index::indices_below;
use crate::ops::unary::converted;
use crate::ops::{apply, check_axis, operands, same_dtype};
use crate::shape::normalize_axis;
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
    /// `x - ln Σ eˣ` along an axis.
    LogSoftmax {
        /// The axis.
        axis: usize,
    },
    /// The cross-entropy of integer targets under the softmax of logits, for each row.
    SoftmaxCrossEntropy,
    /// Zero where the second operand is at most 0, the first elsewhere: the gradient of relu.
    ReluGradient,
}

names! { Fused:
    Fused::Softmax { .. } => "softmax",
    Fused::LogSoftmax { .. } => "log_softmax",
    Fused::SoftmaxCrossEntropy => "softmax_cross_entropy",
    Fused::ReluGradient => "relu_gradient",
}

impl Fused {
    pub(super) fn flops(self, inputs: &[&Tensor], _: &[Tensor]) -> u64 {
        let each = match self {
            // Compare, subtract, exp, add, multiply; the logarithm subtracts twice in the end.
            Fused::Softmax { .. } => 5,
            Fused::LogSoftmax { .. } => 6,
            Fused::SoftmaxCrossEntropy => 4,
            Fused::ReluGradient => 1,
        };
        each * inputs[0].size() as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        match self {
            Fused::Softmax { axis } => {
                let [x] = operands(inputs, self.name())?;
                check_axis(axis, x.rank(), self.name())?;
                let x = &converted(x, x.dtype().to_float());
                Ok(with_float!(x.dtype(), T => along::<T>(x, axis, softmax_row), else unreachable!()))
            }
            Fused::LogSoftmax { axis } => {
                let [x] = operands(inputs, self.name())?;
                check_axis(axis, x.rank(), self.name())?;
                let x = &converted(x, x.dtype().to_float());
                Ok(with_float!(x.dtype(), T => along::<T>(x, axis, log_softmax_row), else unreachable!()))
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
                Ok(with_float!(logits.dtype(), T => cross_entropy::<T>(logits, &targets, classes),
                    else return Err(Error::dtype(self.name(), logits.dtype(), "a floating type, as logits are"))))
            }
            Fused::ReluGradient => {
                let [gradient, x] = operands(inputs, self.name())?;
                same_dtype(gradient, x, self.name())?;
                let shape = gradient.shape().broadcast(x.shape(), self.name())?;
                Ok(with_float!(x.dtype(), T => {
                    zip(shape, gradient, x, |g: T, x: T| if x <= 0.0 { 0.0 } else { g })
                }, else return Err(Error::dtype(self.name(), x.dtype(), "a floating type"))))
            }
        }
    }
}

/// Applies `f` to every row along an axis, in place of a copy.
fn along<T: Float>(x: &Tensor, axis: usize, f: impl Fn(&mut [T]) + Sync) -> Tensor {
    let last = x.rank() - 1;
    if axis != last {
        let mut order: Vec<usize> = (0..x.rank()).collect();
        order.swap(axis, last);
        let swapped = |x: &Tensor| {
            let shape = order.iter().map(|&k| x.shape()[k]).collect();
            x.restrided(shape, order.iter().map(|&k| x.strides()[k]).collect(), x.offset())
        };
        return swapped(&along(&swapped(x), last, f));
    }
    let width = x.shape()[last];
    let mut out = Buffer::new::<T>(x.size());
    let source = x.elements::<T>();
    let chunk = (CHUNK / 4 / width.max(1)).max(1) * width.max(1);
    for_chunks(out.as_mut_slice::<T>(), chunk, |start, out| {
        out.copy_from_slice(&source[start..start + out.len()]);
        out.chunks_mut(width.max(1)).for_each(&f);
    });
    Tensor::from_buffer(out, x.shape().clone())
}

fn largest<T: Float>(row: &[T]) -> T {
    row.iter().fold(T::neg_infinity(), |a, &x| if x > a || x.is_nan() { x } else { a })
}

fn softmax_row<T: Float>(row: &mut [T]) {
    let largest = largest(row);
    for x in row.iter_mut() {
        *x = (*x - largest).exp();
    }
    let scale = sum_of(row, |x| x).recip();
    for x in row {
        *x *= scale;
    }
}

/// `Σ f(x)`, pairwise.
fn sum_of<T: Float>(row: &[T], f: impl Fn(T) -> T) -> T {
    Fold { neutral: T::zero(), lift: f, combine: |a: T, b: T| a + b }.row(row)
}

fn log_softmax_row<T: Float>(row: &mut [T]) {
    let (largest, rest) = log_sum_exp(row);
    for x in row {
        *x = (*x - largest) - rest;
    }
}

/// `ln Σ eˣ` as the largest element and what is to be added to it. The two stay apart: their sum
/// would round off the digits of a small difference to a large element.
pub(super) fn log_sum_exp<T: Float>(row: &[T]) -> (T, T) {
    let largest = largest(row);
    if largest.is_infinite() {
        return (largest, T::zero());
    }
    // Without the largest element's own 1, so that a sum far below it is not lost.
    let place = row.iter().position(|&x| x == largest).unwrap_or(0);
    let sum = |part: &[T]| sum_of(part, |x| (x - largest).exp());
    let others = sum(&row[..place]) + row.get(place + 1..).map_or(T::zero(), sum);
    (largest, others.ln_1p())
}

fn cross_entropy<T: Float>(logits: &Tensor, targets: &[usize], classes: usize) -> Tensor {
    let source = logits.elements::<T>();
    let mut out = Buffer::new::<T>(targets.len());
    let rows = (CHUNK / 4 / classes.max(1)).max(1);
    for_chunks(out.as_mut_slice::<T>(), rows, |start, out| {
        for (k, out) in out.iter_mut().enumerate() {
            let row = &source[(start + k) * classes..][..classes];
            let (largest, rest) = log_sum_exp(row);
            *out = (largest - row[targets[start + k]]) + rest;
        }
    });
    Tensor::from_buffer(out, logits.shape()[..logits.rank() - 1].into())
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
