//! The elementwise maximum of several inputs.

use tensor::{Result, Tensor};

use super::merging::fold;
use crate::layer::Layer;
use crate::mode::Mode;

/// The elementwise maximum of any number of inputs, like Keras' Maximum.
///
/// The shapes broadcast by NumPy's rules. Call it with [`forward_many`](Layer::forward_many). The result for one input is
/// the input. Inputs are combined two at a time from left to right, and two equal elements share the gradient evenly. NaN
/// in any input gives NaN.
///
/// # Errors
/// Returns an error if there is no input, if shapes do not broadcast, or if types differ.
///
/// ```
/// # use nn::{Layer, Maximum, Mode};
/// # use tensor::tensor;
/// let output = Maximum.forward_many(&[&tensor![1.0, 5.0], &tensor![3.0, 4.0]], Mode::Inference)?;
/// assert_eq!(output.to_vec::<f32>()?, [3.0, 5.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Maximum;

impl Layer for Maximum {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        Ok(input.clone())
    }

    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        fold("maximum", inputs, |largest, input| largest.maximum(input))
    }
}
