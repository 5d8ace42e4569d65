//! The simple recurrent layer.

use tensor::ops::Cell;
use tensor::{Result, Tensor};

use super::recurrent::{CellStep, Recurrent, RecurrentCell};
use crate::activation::Activation;

/// The simple recurrent layer: `h' = tanh(x · kernel + h · recurrent_kernel + bias)` (Elman 1990).
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

    fn step(&self, step: &CellStep) -> Result<Vec<Tensor>> {
        let product = step.product(&step.states[0], 0..1)?;
        let activation = |x: &Tensor| step.activation.apply(x);
        Cell::SimpleRnn.step(step.input, &product, step.states, &activation, &activation)
    }

    fn fused(&self, activation: Activation) -> Option<Cell> {
        (activation == Activation::Tanh).then_some(Cell::SimpleRnn)
    }
}
