//! The plain recurrent layer.

use tensor::{Result, Tensor};

use super::recurrent::{Recurrent, RecurrentCell, Step};

/// The plain recurrent layer: `h' = tanh(x · kernel + h · recurrent_kernel + bias)` (Elman 1990).
///
/// ```
/// # use nn::{Layer, Mode, SimpleRnn};
/// # use tensor::Tensor;
/// let layer = SimpleRnn::units(4).return_sequences();
/// assert_eq!(layer.forward(&Tensor::ones([2, 5, 3]), Mode::Inference)?.shape(), &[2, 5, 4]);
/// # Ok::<(), tensor::Error>(())
/// ```
pub type SimpleRnn = Recurrent<SimpleRnnCell>;

/// The step of [`SimpleRnn`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SimpleRnnCell;

impl RecurrentCell for SimpleRnnCell {
    const KIND: &'static str = "SimpleRnn";
    const NAME: &'static str = "simple_rnn";
    const GATES: usize = 1;
    const STATES: usize = 1;

    fn step(&self, step: &Step) -> Result<Vec<Tensor>> {
        let sum = step.input.try_add(step.states[0].matmul(step.kernel)?)?;
        Ok(vec![step.activation.apply(&sum)?])
    }
}
