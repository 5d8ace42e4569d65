//! The gated recurrent unit.

use tensor::ops::Cell;
use tensor::{Result, Tensor};

use super::recurrent::{CellStep, Recurrent, RecurrentCell};
use crate::activation::Activation;

/// The gated recurrent unit (Cho et al. 2014). With `x · kernel + bias₀` and `h · recurrent_kernel +
/// bias₁` each divided into three parts, `x₀ x₁ x₂` and `h₀ h₁ h₂`, in Keras' order:
///
/// ```text
/// z, r = sigmoid(x₀ + h₀), sigmoid(x₁ + h₁)
/// h' = z · h + (1 - z) · tanh(x₂ + r · h₂)
/// ```
///
/// This is Keras' default and PyTorch's only form. With [`Gru::reset_before`] the gate `r` is applied to `h` before the
/// product, as in the paper, and `bias` has one row instead of two.
///
/// ```
/// # use nn::{Gru, Layer, Mode};
/// # use tensor::Tensor;
/// let layer = Gru::new(3, 4);
/// assert_eq!(layer.weight("bias")?.shape(), [2, 12]);
/// assert_eq!(layer.forward(&Tensor::ones([2, 5, 3]), Mode::Inference)?.shape(), &[2, 4]);
/// # Ok::<(), tensor::Error>(())
/// ```
pub type Gru = Recurrent<GruCell>;

/// The step of [`Gru`].
#[derive(Clone, Copy, Debug)]
pub struct GruCell {
    recurrent_activation: Activation,
    reset_after: bool,
}

impl Default for GruCell {
    fn default() -> Self {
        GruCell { recurrent_activation: Activation::Sigmoid, reset_after: true }
    }
}

impl Gru {
    /// Sets the activation of the gates; sigmoid by default.
    #[must_use]
    pub fn recurrent_activation(self, activation: Activation) -> Gru {
        let cell = GruCell { recurrent_activation: activation, ..self.cell };
        self.with_cell(cell)
    }

    /// Applies the reset gate before the product with the recurrent kernel: Keras' `reset_after=False`.
    #[must_use]
    pub fn reset_before(self) -> Gru {
        let cell = GruCell { reset_after: false, ..self.cell };
        self.with_cell(cell)
    }
}

impl RecurrentCell for GruCell {
    const KIND: &'static str = "Gru";
    const NAME: &'static str = "gru";
    const GATES: usize = 3;
    const STATES: usize = 1;

    fn step(&self, step: &CellStep) -> Result<Vec<Tensor>> {
        let (activation, gate) = (step.activation, self.recurrent_activation);
        let h = &step.states[0];
        if self.reset_after {
            let mut product = step.product(h, 0..3)?;
            if let Some(bias) = step.bias {
                product = product.try_add(bias)?;
            }
            return Cell::Gru.step(step.input, &product, step.states, &|x| activation.apply(x), &|x| gate.apply(x));
        }
        let units = h.shape()[1];
        let x = step.input.split([2 * units, units], -1)?;
        let gates = gate.apply(&x[0].try_add(step.product(h, 0..2)?)?)?.split([units; 2], -1)?;
        let reset = gates[1].try_mul(h)?;
        let candidate = activation.apply(&x[1].try_add(step.product(&reset, 2..3)?)?)?;
        Ok(vec![candidate.lerp(h, &gates[0])?])
    }

    fn fused(&self, activation: Activation) -> Option<Cell> {
        let standard = activation == Activation::Tanh && self.recurrent_activation == Activation::Sigmoid;
        (standard && self.reset_after).then_some(Cell::Gru)
    }

    fn has_recurrent_bias(&self) -> bool {
        self.reset_after
    }
}
