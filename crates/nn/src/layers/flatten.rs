//! Flattening of all axes but the batch.

use tensor::{Error, Result, Tensor};

use crate::layer::Layer;
use crate::mode::Mode;

/// `[batch, a, b, …]` becomes `[batch, a·b·…]`, and `[batch]` becomes `[batch, 1]`, as in Keras.
///
/// ```
/// # use nn::{Flatten, Layer, Mode};
/// # use tensor::Tensor;
/// let images = Tensor::zeros([2, 28, 28]);
/// assert_eq!(Flatten.forward(&images, Mode::Inference)?.shape(), &[2, 784]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Flatten;

impl Layer for Flatten {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        match input.shape().split_first() {
            Some((&batch, rest)) => input.reshape([batch, rest.iter().product()]),
            None => Err(Error::shape("flatten", input.shape(), "needs a batch axis")),
        }
    }
}
