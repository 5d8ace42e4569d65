//! The difference of two inputs.

use tensor::{Result, Tensor};

use super::merging::pair;
use crate::layer::Layer;
use crate::mode::Mode;

/// The first of two inputs minus the second one, like Keras' Subtract. The shapes broadcast by NumPy's rules. Call it with
/// [`forward_many`](Layer::forward_many).
///
/// # Errors
/// Returns an error unless there are two inputs of one type whose shapes broadcast.
///
/// ```
/// # use nn::{Layer, Mode, Subtract};
/// # use tensor::tensor;
/// let difference = Subtract.forward_many(&[&tensor![5.0, 7.0], &tensor![2.0, 3.0]], Mode::Inference)?;
/// assert_eq!(difference.to_vec::<f32>()?, [3.0, 4.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Subtract;

impl Layer for Subtract {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_many(&[input], mode)
    }

    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        let [minuend, subtrahend] = pair("subtract", inputs)?;
        minuend.try_sub(subtrahend)
    }
}
