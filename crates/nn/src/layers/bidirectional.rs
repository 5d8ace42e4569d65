//! A recurrent layer in both directions.

use tensor::{Error, Result, Tensor};

use super::recurrent::{Recurrent, RecurrentCell, sequence_inputs};
use crate::layer::Layer;
use crate::mode::Mode;
use crate::parts;

/// How the outputs of the two directions are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// Concatenated, which doubles the last axis.
    #[default]
    Concat,
    /// Their sum.
    Sum,
    /// Their product.
    Product,
    /// Their mean.
    Mean,
}

/// A recurrent layer and a copy of it that processes the sequence in the opposite direction (Schuster & Paliwal 1997).
/// The outputs of all steps are in the order of time, for both directions.
///
/// Inputs and weights are those of the layer, with weights under `forward` and `backward`. The output has `2 · units`
/// features, or `units` if the directions are added, multiplied or averaged.
///
/// ```
/// # use nn::{Bidirectional, Gru, Layer, Mode};
/// # use tensor::Tensor;
/// let layer = Bidirectional::new(Gru::units(4).return_sequences());
/// assert_eq!(layer.forward(&Tensor::ones([2, 5, 3]), Mode::Inference)?.shape(), &[2, 5, 8]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Bidirectional<C> {
    forward: Recurrent<C>,
    backward: Recurrent<C>,
    merge: Merge,
}

impl<C: RecurrentCell> Bidirectional<C> {
    /// A layer and its copy in the other direction, with concatenated outputs.
    pub fn new(layer: Recurrent<C>) -> Bidirectional<C> {
        Bidirectional { backward: layer.reversed(), forward: layer, merge: Merge::Concat }
    }

    /// Sets how the two outputs are combined.
    #[must_use]
    pub fn merge(self, merge: Merge) -> Bidirectional<C> {
        Bidirectional { merge, ..self }
    }

    /// Like [`Recurrent::run`]. Initial and final states are those of the forward direction, followed by those of the
    /// backward direction.
    ///
    /// # Errors
    /// Returns an error if shapes or types do not fit, or there are no steps.
    pub fn run(
        &self,
        input: &Tensor,
        states: &[&Tensor],
        mask: Option<&Tensor>,
        mode: Mode,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        if !states.len().is_multiple_of(2) {
            let message = format!("needs the initial states of both directions, an even number, not {}", states.len());
            return Err(Error::argument("bidirectional", message));
        }
        let (first, second) = states.split_at(states.len() / 2);
        let directions = [("forward", &self.forward, first), ("backward", &self.backward, second)];
        let mut outputs = Vec::with_capacity(2);
        let mut last = Vec::with_capacity(2 * C::STATES);
        for (name, layer, states) in directions {
            let (output, after) = layer.run(input, states, mask, mode).map_err(|error| error.context(name))?;
            outputs.push(if layer.is_reversed() { output.flip(1)? } else { output });
            last.extend(after);
        }
        let (forward, backward) = (&outputs[0], &outputs[1]);
        let output = match self.merge {
            Merge::Concat => Tensor::concat(&[forward, backward], -1)?,
            Merge::Sum => forward.try_add(backward)?,
            Merge::Product => forward.try_mul(backward)?,
            Merge::Mean => forward.try_add(backward)?.try_mul(0.5)?,
        };
        Ok((output, last))
    }
}

impl<C: RecurrentCell> Layer for Bidirectional<C> {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.run(input, &[], None, mode).map(|(output, _)| output)
    }

    /// The inputs are the sequence, then optionally the initial states of both directions, and a mask of type bool.
    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let (input, states, mask) = sequence_inputs("bidirectional", inputs)?;
        self.run(input, states, mask, mode).map(|(output, _)| output)
    }

    /// The mask is passed on if the output has all steps.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let (output, _) = self.run(input, &[], mask, mode)?;
        let sequences = output.rank() == 3;
        Ok((output, mask.filter(|_| sequences).cloned()))
    }

    parts!(forward, backward);

    fn describe(&self) -> String {
        format!("Bidirectional {}", self.forward.describe())
    }
}
