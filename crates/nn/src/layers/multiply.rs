//! The elementwise product of several inputs.

use tensor::{Result, Tensor};

use super::merging::fold;
use crate::layer::Layer;
use crate::mode::Mode;

/// The elementwise product of any number of inputs, like Keras' Multiply.
///
/// The shapes broadcast by NumPy's rules. Call it with [`forward_many`](Layer::forward_many). The result for one input is
/// the input.
///
/// # Errors
/// Returns an error if there is no input, if shapes do not broadcast, or if types differ.
///
/// ```
/// # use nn::{Layer, Mode, Multiply};
/// # use tensor::tensor;
/// let output = Multiply.forward_many(&[&tensor![1.0, 2.0], &tensor![3.0, 4.0], &tensor![10.0]], Mode::Inference)?;
/// assert_eq!(output.to_vec::<f32>()?, [30.0, 80.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Multiply;

impl Layer for Multiply {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        Ok(input.clone())
    }

    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        fold("multiply", inputs, |product, input| product.try_mul(input))
    }
}
