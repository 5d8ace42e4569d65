//! Repetition of vectors as the steps of a sequence.

use tensor::{Error, Result, Shape, Tensor};

use crate::layer::Layer;
use crate::mask::refuse_mask;
use crate::mode::Mode;

/// Repeats each vector as the steps of a sequence: `[batch, features]` becomes `[batch, times, features]`, like Keras'
/// RepeatVector.
///
/// # Errors
/// Returns an error unless the input has two axes and is repeated at least once.
///
/// ```
/// # use nn::{Layer, Mode, RepeatVector};
/// # use tensor::tensor;
/// let sequence = RepeatVector::new(3).forward(&tensor![[1.0, 2.0]], Mode::Inference)?;
/// assert_eq!(sequence.shape(), &[1, 3, 2]);
/// assert_eq!(sequence.to_vec::<f32>()?, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RepeatVector {
    times: usize,
}

impl RepeatVector {
    /// Repeats each vector this many times.
    pub fn new(times: usize) -> RepeatVector {
        RepeatVector { times }
    }
}

impl Layer for RepeatVector {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let &[batch, features] = &input.shape()[..] else {
            return Err(Error::shape("repeat_vector", input.shape(), "needs 2 axes, [batch, features]"));
        };
        if self.times == 0 {
            return Err(Error::argument("repeat_vector", "the number of repetitions is 0; it must be at least 1"));
        }
        let shape = Shape::from([batch, self.times, features]);
        shape.checked_size("repeat_vector")?;
        input.expand_dims(1)?.expand(shape)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        match mask {
            Some(_) => refuse_mask("repeat_vector", "a vector has no steps"),
            None => Ok((self.forward(input, mode)?, None)),
        }
    }

    fn describe(&self) -> String {
        format!("RepeatVector {}", self.times)
    }
}
