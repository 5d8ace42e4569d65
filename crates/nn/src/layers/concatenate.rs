//! Concatenation of several inputs.

use tensor::{Error, Integer, Result, Tensor, normalize_axis};

use crate::layer::Layer;
use crate::mode::Mode;

/// Concatenates any number of inputs along an axis, by default the last one. Call it with
/// [`forward_many`](Layer::forward_many). The result for one input is the input.
///
/// ```
/// # use nn::{Concatenate, Layer, Mode};
/// # use tensor::Tensor;
/// let (a, b) = (Tensor::zeros([2, 3]), Tensor::ones([2, 4]));
/// assert_eq!(Concatenate::default().forward_many(&[&a, &b], Mode::Inference)?.shape(), &[2, 7]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Concatenate {
    axis: isize,
}

impl Default for Concatenate {
    /// Along the last axis.
    fn default() -> Self {
        Concatenate { axis: -1 }
    }
}

impl Concatenate {
    /// Along this axis; axis 0 is the batch.
    pub fn along(axis: impl Integer) -> Concatenate {
        Concatenate { axis: axis.to_isize() }
    }
}

impl Layer for Concatenate {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        normalize_axis(self.axis, input.rank(), "concatenate")?;
        Ok(input.clone())
    }

    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        if inputs.is_empty() {
            return Err(Error::argument("concatenate", "takes at least 1 input, not 0"));
        }
        Tensor::concat(inputs, self.axis)
    }
}
