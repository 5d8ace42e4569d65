//! The elementwise mean of several inputs.

use tensor::{Result, Tensor};

use super::merging::fold;
use crate::layer::Layer;
use crate::mode::Mode;

/// The elementwise mean of any number of inputs, like Keras' Average: their sum divided by their number.
///
/// The shapes broadcast by NumPy's rules. Call it with [`forward_many`](Layer::forward_many). The result for one input is
/// the input. Integers give float32. (In the prelude of the facade, `Average` is the option of metrics; this layer is
/// `nn::Average`.)
///
/// # Errors
/// Returns an error if there is no input, if shapes do not broadcast, or if types differ.
///
/// ```
/// # use nn::{Average, Layer, Mode};
/// # use tensor::tensor;
/// let output = Average.forward_many(&[&tensor![1.0, 2.0], &tensor![3.0, 8.0]], Mode::Inference)?;
/// assert_eq!(output.to_vec::<f32>()?, [2.0, 5.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Average;

impl Layer for Average {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_many(&[input], mode)
    }

    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        fold("average", inputs, |sum, input| sum.try_add(input))?.try_div(inputs.len() as f64)
    }
}
