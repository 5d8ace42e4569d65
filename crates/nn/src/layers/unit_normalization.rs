//! Scaling to norm 1.

use tensor::{Error, IntoIntegers, Result, Tensor, normalize_axis};

use crate::layer::{Layer, forward_per_step};
use crate::mask::refuse_mask;
use crate::mode::Mode;

/// The smallest norm that vectors are divided by, as in Keras and in PyTorch's `F.normalize`.
const EPSILON: f64 = 1e-12;

/// Divides vectors by their Euclidean norm, like Keras' UnitNormalization: `x / max(‖x‖, 1e-12)`. Input and output have the
/// same shape. (The constraint of weights is [`UnitNorm`](crate::UnitNorm).)
///
/// A vector of zeros stays zero. The norm has the gradient 0 there, so the gradient of the vector is that of the output
/// divided by 1e-12, as in PyTorch's `F.normalize`: large, but finite.
///
/// # Errors
/// Returns an error if the input is not of a floating type, or if an axis is out of range or given twice.
///
/// ```
/// # use nn::{Layer, Mode, UnitNormalization};
/// # use tensor::tensor;
/// let y = UnitNormalization::default().forward(&tensor![[3.0, 4.0], [0.0, 0.0]], Mode::Inference)?;
/// assert!(y.allclose(&tensor![[0.6, 0.8], [0.0, 0.0]], 0.0, 1e-6)?);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnitNormalization {
    axes: Vec<isize>,
}

impl Default for UnitNormalization {
    /// Along the last axis.
    fn default() -> Self {
        UnitNormalization { axes: vec![-1] }
    }
}

impl UnitNormalization {
    /// Along one or several axes, which together hold one vector; axis 0 is the batch.
    pub fn along(axes: impl IntoIntegers) -> UnitNormalization {
        UnitNormalization { axes: axes.into_integers().into_vec() }
    }
}

impl Layer for UnitNormalization {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        if !input.dtype().is_float() {
            return Err(Error::dtype("unit_normalization", input.dtype(), "a floating type; cast the input first"));
        }
        scale_to_unit_norm(input, &self.axes, EPSILON).map_err(|error| error.context("unit_normalization"))
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        if mask.is_some() {
            for &axis in &self.axes {
                if normalize_axis(axis, input.rank(), "unit_normalization")? < 2 {
                    return refuse_mask("unit_normalization", "the norm is over several steps");
                }
            }
        }
        forward_per_step(self, input, mask, mode)
    }
}

/// `x / max(‖x‖, epsilon)`, with the norm along these axes.
#[track_caller]
pub(super) fn scale_to_unit_norm(x: &Tensor, axes: &[isize], epsilon: f64) -> Result<Tensor> {
    x.try_div(x.norm_keepdims(axes)?.maximum(epsilon)?)
}
