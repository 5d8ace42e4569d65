//! Long short-term memory.

use tensor::ops::Cell;
use tensor::{Result, Tensor};

use super::recurrent::{CellStep, Recurrent, RecurrentCell};
use crate::activation::Activation;

/// Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
/// With `z = x · kernel + h · recurrent_kernel + bias` divided into four parts, in Keras' order:
///
/// ```text
/// i, f, o = sigmoid(z₀), sigmoid(z₁), sigmoid(z₃)
/// c' = f · c + i · tanh(z₂)
/// h' = o · tanh(c')
/// ```
///
/// The states are `h` and `c`. The bias of the forget gate is initially 1.
///
/// ```
/// # use nn::{Layer, Lstm, Mode};
/// # use tensor::Tensor;
/// let layer = Lstm::new(3, 4);
/// assert_eq!(layer.parameter_count(), 4 * (3 * 4 + 4 * 4 + 4));
/// assert_eq!(layer.forward(&Tensor::ones([2, 5, 3]), Mode::Inference)?.shape(), &[2, 4]);
/// # Ok::<(), tensor::Error>(())
/// ```
pub type Lstm = Recurrent<LstmCell>;

/// The step of [`Lstm`].
#[derive(Clone, Copy, Debug)]
pub struct LstmCell {
    recurrent_activation: Activation,
    unit_forget_bias: bool,
}

impl Default for LstmCell {
    fn default() -> Self {
        LstmCell { recurrent_activation: Activation::Sigmoid, unit_forget_bias: true }
    }
}

impl Lstm {
    /// Sets the activation of the gates; sigmoid by default.
    #[must_use]
    pub fn recurrent_activation(self, activation: Activation) -> Lstm {
        let cell = LstmCell { recurrent_activation: activation, ..self.cell };
        self.with_cell(cell)
    }

    /// Initializes the bias of the forget gate like the other biases.
    #[must_use]
    pub fn without_unit_forget_bias(self) -> Lstm {
        let cell = LstmCell { unit_forget_bias: false, ..self.cell };
        self.with_cell(cell)
    }
}

impl RecurrentCell for LstmCell {
    const KIND: &'static str = "Lstm";
    const NAME: &'static str = "lstm";
    const GATES: usize = 4;
    const STATES: usize = 2;

    fn step(&self, step: &CellStep) -> Result<Vec<Tensor>> {
        let product = step.product(&step.states[0], 0..4)?;
        let (activation, gate) = (step.activation, self.recurrent_activation);
        Cell::Lstm.step(step.input, &product, step.states, &|x| activation.apply(x), &|x| gate.apply(x))
    }

    fn fused(&self, activation: Activation) -> Option<Cell> {
        let standard = activation == Activation::Tanh && self.recurrent_activation == Activation::Sigmoid;
        standard.then_some(Cell::Lstm)
    }

    fn initial_bias(&self, drawn: Tensor, units: usize) -> Result<Tensor> {
        if !self.unit_forget_bias {
            return Ok(drawn);
        }
        let parts = drawn.split([units, units, 2 * units], 0)?;
        Tensor::concat(&[&parts[0], &parts[1].ones_like(), &parts[2]], 0)
    }
}
