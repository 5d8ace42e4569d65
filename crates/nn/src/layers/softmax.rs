//! Softmax along any axis.

use tensor::{Integer, Result, Tensor, normalize_axis};

use crate::layer::{Layer, forward_per_step};
use crate::mask::refuse_mask;
use crate::mode::Mode;

/// `eˣ / Σ eˣ` along an axis, like Keras' layer. For the last axis there is also
/// [`Activation::Softmax`](crate::Activation::Softmax).
///
/// ```
/// # use nn::{Layer, Mode, Softmax};
/// # use tensor::tensor;
/// let y = Softmax::along(1).forward(&tensor![[[1.0, 5.0], [1.0, 5.0]]], Mode::Inference)?;
/// assert_eq!(y.to_vec::<f32>()?, [0.5; 4]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    axis: isize,
}

impl Softmax {
    /// Along this axis; a negative axis counts from the end.
    pub fn along(axis: impl Integer) -> Softmax {
        Softmax { axis: axis.to_isize() }
    }
}

impl Layer for Softmax {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        input.softmax(self.axis)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        if mask.is_some() && normalize_axis(self.axis, input.rank(), "softmax")? == 1 {
            return refuse_mask("softmax", "the sums are over all steps");
        }
        forward_per_step(self, input, mask, mode)
    }

    fn describe(&self) -> String {
        format!("Softmax {}", self.axis)
    }
}
