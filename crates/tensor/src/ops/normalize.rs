//! Numbers brought to mean 0 and variance 1, as layers for networks do. Compositions of other
//! operations.

use crate::error::{Error, Result};
use crate::ops::{Reduce, Reduction, apply};
use crate::shape::{Axes, IntoAxes};
use crate::tensor::Tensor;

impl Tensor {
    /// `(x - mean) / √(variance + epsilon)` with the mean and the variance (divisor `n`) along axes:
    /// the last one in layer normalization (Ba et al. 2016), all but the channels' in batch
    /// normalization (Ioffe & Szegedy 2015).
    ///
    /// ```
    /// # use tensor::tensor;
    /// let y = tensor![[1.0, 3.0], [2.0, 2.0]].normalize(-1, 0.0001)?;
    /// assert!(y.allclose(&tensor![[-1.0, 1.0], [0.0, 0.0]], 0.0, 1e-4)?);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis is wrong, the tensor is not floating, or `epsilon` is not a number from 0 on.
    pub fn normalize(&self, axes: impl IntoAxes, epsilon: f64) -> Result<Tensor> {
        let axes = checked(self, axes, epsilon, "normalize")?;
        scaled(&self.try_sub(mean(self, &axes)?)?, &axes, epsilon)
    }

    /// `x / √(mean x² + epsilon)` with the mean along axes (Zhang & Sennrich 2019).
    ///
    /// # Errors
    /// If an axis is wrong, the tensor is not floating, or `epsilon` is not a number from 0 on.
    pub fn rms_normalize(&self, axes: impl IntoAxes, epsilon: f64) -> Result<Tensor> {
        let axes = checked(self, axes, epsilon, "rms_normalize")?;
        scaled(self, &axes, epsilon)
    }
}

fn scaled(x: &Tensor, axes: &Axes, epsilon: f64) -> Result<Tensor> {
    x.try_mul(mean(&x.square(), axes)?.try_add(epsilon)?.rsqrt())
}

fn mean(x: &Tensor, axes: &Axes) -> Result<Tensor> {
    apply(Reduce { reduction: Reduction::Mean, axes: axes.clone(), keepdims: true }, &[x])
}

fn checked(x: &Tensor, axes: impl IntoAxes, epsilon: f64, operation: &str) -> Result<Axes> {
    if !x.dtype().is_float() {
        return Err(Error::dtype(operation, x.dtype(), "a floating type; cast the tensor first"));
    }
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        return Err(Error::argument(operation, format!("epsilon {epsilon:?} must be a number from 0 on")));
    }
    axes.into_axes(x.rank(), operation)
}
