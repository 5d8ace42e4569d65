//! The sum of several inputs.

use tensor::{Result, Tensor};

use super::merging::fold;
use crate::layer::Layer;
use crate::mode::Mode;

/// The sum of any number of inputs, whose shapes broadcast. Call it with [`forward_many`](Layer::forward_many). The sum of
/// one input is the input.
///
/// ```
/// # use nn::{Add, Layer, Mode};
/// # use tensor::tensor;
/// let sum = Add.forward_many(&[&tensor![1.0], &tensor![2.0], &tensor![3.0]], Mode::Inference)?;
/// assert_eq!(sum.to_vec::<f32>()?, [6.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Add;

impl Layer for Add {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        Ok(input.clone())
    }

    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        fold("add", inputs, |sum, input| sum.try_add(input))
    }
}
