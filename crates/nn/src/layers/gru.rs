//! The gated recurrent unit.

use tensor::{Result, Tensor};

use super::recurrent::{Recurrent, RecurrentCell, Step};
use crate::activation::Activation;

/// The gated recurrent unit (Cho et al. 2014). With `x · kernel + bias₀` and `h · recurrent_kernel +
/// bias₁` in three parts, `x₀ x₁ x₂` and `h₀ h₁ h₂`, in Keras' order:
///
/// ```text
/// z, r = sigmoid(x₀ + h₀), sigmoid(x₁ + h₁)
/// h' = z · h + (1 - z) · tanh(x₂ + r · h₂)
/// ```
///
/// That is Keras' default, PyTorch's only form. With [`Gru::reset_before`] the gate `r` is applied to
/// `h` before the product, as in the paper, and `bias` has one row instead of two.
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

    fn step(&self, step: &Step) -> Result<Vec<Tensor>> {
        let h = &step.states[0];
        let x = step.input.split_equal(3, -1)?;
        let gate = |x: &Tensor, h: &Tensor| self.recurrent_activation.apply(&x.try_add(h)?);
        let (z, from_state) = if self.reset_after {
            let mut product = h.matmul(step.kernel)?;
            if let Some(bias) = step.bias {
                product = product.try_add(bias)?;
            }
            let product = product.split_equal(3, -1)?;
            (gate(&x[0], &product[0])?, gate(&x[1], &product[1])?.try_mul(&product[2])?)
        } else {
            let units = h.shape()[1];
            let kernels = step.kernel.split(&[2 * units, units], -1)?;
            let gates = h.matmul(&kernels[0])?.split_equal(2, -1)?;
            let reset = gate(&x[1], &gates[1])?.try_mul(h)?;
            (gate(&x[0], &gates[0])?, reset.matmul(&kernels[1])?)
        };
        let candidate = step.activation.apply(&x[2].try_add(from_state)?)?;
        // z h + (1 - z) candidate with one product less.
        Ok(vec![candidate.try_add(z.try_mul(h.try_sub(&candidate)?)?)?])
    }

    fn has_recurrent_bias(&self) -> bool {
        self.reset_after
    }
}
