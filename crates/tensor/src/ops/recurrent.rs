//! Recurrent layers over whole sequences, as one operation for all steps.

use smallvec::SmallVec;

use crate::dtype::{Element, with_float};
use crate::error::{Error, Result};
use crate::kernels::copy::Elements;
use crate::kernels::recurrent::{Cell, Pass, States};
use crate::ops::Outputs;
use crate::ops::apply::apply_all;
use crate::ops::cell::{check_mask, unroll};
use crate::ops::checks::same_dtype;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A recurrent layer over whole sequences, with tanh and sigmoid activations, or its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recurrent {
    /// The states after each step, in the order of time, each `[batch, time, units]`, and one more output that only the
    /// gradient uses. The operands are, in this order:
    ///
    /// | | shape |
    /// |---|---|
    /// | the inputs of all steps times the kernel | `[batch, time, gates · units]` |
    /// | the recurrent kernel | `[units, gates · units]` |
    /// | the recurrent bias | `[gates · units]` |
    /// | the states before the first step | `[batch, units]` each |
    /// | optional: the mask; where it is false, a step changes no state and ignores its input | `[batch, time]`, bool |
    States(Sequence),
    /// The gradients of the projected inputs and of the initial states. A GRU has one more output, the gradient of the
    /// product with the recurrent kernel at each step; for the other cells it equals that of the projected inputs. The
    /// operands are the gradients of the states after each step, then the operands and the outputs of
    /// [`Recurrent::States`].
    Gradient(Sequence),
}

/// The cell, and its direction through time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The cell, which computes a step.
    pub cell: Cell,
    /// Whether to run from the last step to the first.
    pub backwards: bool,
}

names! { Recurrent:
    Recurrent::States(Sequence { cell: Cell::SimpleRnn, .. }) => "simple_rnn",
    Recurrent::States(Sequence { cell: Cell::Lstm, .. }) => "lstm",
    Recurrent::States(Sequence { cell: Cell::Gru, .. }) => "gru",
    Recurrent::Gradient(Sequence { cell: Cell::SimpleRnn, .. }) => "simple_rnn_gradient",
    Recurrent::Gradient(Sequence { cell: Cell::Lstm, .. }) => "lstm_gradient",
    Recurrent::Gradient(Sequence { cell: Cell::Gru, .. }) => "gru_gradient",
}

/// The operands of [`Recurrent::States`]. `T` is a tensor or a reference to one.
#[derive(Clone, Copy, Debug)]
pub struct SequenceOperands<'a, T> {
    /// The inputs of all steps times the kernel.
    pub projected: &'a T,
    /// The recurrent kernel.
    pub kernel: &'a T,
    /// The recurrent bias, which is added to the product of the state with the recurrent kernel.
    pub bias: &'a T,
    /// The states before the first step.
    pub states: &'a [T],
    /// The mask. Where it is false, a step changes no state.
    pub mask: Option<&'a T>,
}

impl Sequence {
    /// Computes the states of the cell after each step, each `[batch, time, units]`, in the order of time. See
    /// [`Recurrent::States`] for the operands and [`Cell::step`] for the formulas.
    ///
    /// ```
    /// # use tensor::Tensor;
    /// # use tensor::ops::{Cell, Sequence, SequenceOperands};
    /// let (x, kernel, bias) = (Tensor::ones([2, 5, 3]), Tensor::eye(3), Tensor::zeros([3]));
    /// let states = &[Tensor::zeros([2, 3])];
    /// let operands = SequenceOperands { projected: &x, kernel: &kernel, bias: &bias, states, mask: None };
    /// let states = Sequence { cell: Cell::SimpleRnn, backwards: false }.states(&operands)?;
    /// assert_eq!(states[0].at(1, 1)?.to_vec::<f32>()?, [(1.0 + 1f32.tanh()).tanh(); 6]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the operands do not match the cell or one another in shape or type.
    #[track_caller]
    pub fn states(&self, operands: &SequenceOperands<Tensor>) -> Result<Vec<Tensor>> {
        let SequenceOperands { projected, kernel, bias, states, mask } = operands;
        if states.len() != self.cell.states() {
            let message = format!("takes {} states, not {}", self.cell.states(), states.len());
            return Err(Error::argument(Recurrent::States(*self).name(), message));
        }
        let list: SmallVec<[&Tensor; 6]> =
            [*projected, *kernel, *bias].into_iter().chain(*states).chain(*mask).collect();
        let mut outputs = apply_all(Recurrent::States(*self), &list)?;
        outputs.truncate(self.cell.states());
        Ok(outputs.into_vec())
    }

    /// Gives the operands of [`Recurrent::States`] their names.
    ///
    /// # Errors
    /// Returns an error if there are too few or too many operands.
    #[track_caller]
    pub fn operands<'a, T>(&self, list: &'a [T]) -> Result<SequenceOperands<'a, T>> {
        let least = 3 + self.cell.states();
        match list {
            [projected, kernel, bias, rest @ ..] if (least..=least + 1).contains(&list.len()) => {
                let (states, mask) = rest.split_at(self.cell.states());
                Ok(SequenceOperands { projected, kernel, bias, states, mask: mask.first() })
            }
            _ => {
                let name = Recurrent::States(*self).name();
                let message = format!("takes {least} operands, or one more with a mask, not {}", list.len());
                Err(Error::argument(name, message))
            }
        }
    }

    /// Computes the states of [`Recurrent::States`], each `[batch, time, units]`, in ordinary operations. The bias may
    /// differ at each step: `[batch, time, gates · units]`.
    ///
    /// # Errors
    /// Returns an error if the operands do not match the cell or one another in shape or type.
    #[track_caller]
    pub fn composed(&self, operands: &[Tensor]) -> Result<Vec<Tensor>> {
        let SequenceOperands { projected, kernel, bias, states, mask } = self.operands(operands)?;
        let biases = bias.expand(projected.shape())?.unstack(1)?;
        unroll(Recurrent::States(*self).name(), projected, states.to_vec(), mask, self.backwards, |k, x, states| {
            let product = states[0].matmul(kernel)?.try_add(&biases[k])?;
            self.cell.step(x, &product, states, &|x| Ok(x.tanh()), &|x| Ok(x.sigmoid()))
        })
    }

    /// Checks the operands and returns `[batch, time, units]`.
    fn check(&self, operands: &SequenceOperands<&Tensor>, name: &str) -> Result<[usize; 3]> {
        let SequenceOperands { projected, kernel, bias, states, mask } = operands;
        let (&[batch, time, width], &[units, columns]) = (&projected.shape()[..], &kernel.shape()[..]) else {
            let reason = "needs [batch, time, gates · units] and [units, gates · units]";
            return Err(Error::product(name, projected.shape(), kernel.shape(), reason));
        };
        if time == 0 {
            return Err(Error::shape(name, projected.shape(), "needs at least one step"));
        }
        if units == 0 {
            return Err(Error::shape(name, kernel.shape(), "a recurrent kernel needs at least one unit"));
        }
        let gates = self.cell.gates();
        if units.checked_mul(gates) != Some(columns) || columns != width {
            let reason = format!("both need {gates} times as many columns as the recurrent kernel has rows");
            return Err(Error::product(name, projected.shape(), kernel.shape(), reason));
        }
        for other in [*kernel, *bias].into_iter().chain(*states) {
            same_dtype(projected, other, name)?;
        }
        if bias.shape()[..] != [width] {
            return Err(Error::shape(name, bias.shape(), format!("the recurrent bias must be [{width}]")));
        }
        if let Some(state) = states.iter().find(|state| state.shape()[..] != [batch, units]) {
            return Err(Error::shape(name, state.shape(), format!("a state must be [{batch}, {units}]")));
        }
        if let Some(mask) = mask {
            check_mask(name, mask, &[batch, time])?;
        }
        Ok([batch, time, units])
    }
}

impl Recurrent {
    pub(crate) fn flops(self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
        // A product with the recurrent kernel at each step, and the formula of the cell.
        let (Recurrent::States(sequence) | Recurrent::Gradient(sequence)) = self;
        let (kernel, elements) = match self {
            Recurrent::States(_) => (inputs[1], inputs[0].size()),
            Recurrent::Gradient(_) => (inputs[sequence.cell.states() + 1], outputs[0].size()),
        };
        let each = (kernel.shape()[0] as u64).saturating_mul(2).saturating_add(1);
        each.saturating_mul(elements as u64)
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Outputs> {
        let (Recurrent::States(sequence) | Recurrent::Gradient(sequence)) = self;
        let states = sequence.cell.states();
        let (gradients, after, operands) = match self {
            Recurrent::States(_) => (&[][..], &[][..], inputs),
            Recurrent::Gradient(_) => {
                let rest = inputs.len().checked_sub(2 * states + 1).ok_or_else(|| {
                    Error::argument(self.name(), format!("takes more operands than {}", inputs.len()))
                })?;
                let (gradients, others) = inputs.split_at(states);
                let (operands, after) = others.split_at(rest);
                (gradients, after, operands)
            }
        };
        let operands = sequence.operands(operands)?;
        let sizes = sequence.check(&operands, self.name())?;
        let [batch, time, units] = sizes;
        // If this saturates, `checked_size` returns an error.
        let columns = |k: usize| if k == states { sequence.cell.saved_parts().saturating_mul(units) } else { units };
        for (k, given) in gradients.iter().enumerate().chain(after.iter().enumerate()) {
            same_dtype(operands.projected, given, self.name())?;
            if given.shape()[..] != [batch, time, columns(k)] {
                let expected = format!("must be [{batch}, {time}, {}], as the states are", columns(k));
                return Err(Error::shape(self.name(), given.shape(), expected));
            }
        }
        let dtype = operands.projected.dtype();
        let shapes = |k: usize| Shape::from([batch, time, columns(k)]);
        shapes(states).checked_size(self.name())?;
        Ok(with_float!(dtype, T => {
            let (projected, kernel) = (operands.projected.elements::<T>(), operands.kernel.elements::<T>());
            let (initial, mask) = (elements::<T>(operands.states), operands.mask.map(|mask| mask.elements::<bool>()));
            let pass = Pass {
                cell: sequence.cell,
                backwards: sequence.backwards,
                sizes,
                kernel: &kernel,
                initial: pair(&initial),
                mask: mask.as_deref(),
            };
            match self {
                Recurrent::States(_) => {
                    let bias = operands.bias.elements::<T>();
                    let States { states: buffers, saved } = pass.states(&projected, &bias);
                    let buffers = buffers.into_iter().take(states).chain([saved]);
                    buffers.enumerate().map(|(k, buffer)| Tensor::from_buffer(buffer, shapes(k))).collect()
                }
                Recurrent::Gradient(_) => {
                    let (gradients, after) = (elements::<T>(gradients), elements::<T>(after));
                    let (after, saved) = after.split_at(states);
                    let gradients = pass.gradients(pair(&gradients), &States { states: pair(after), saved: &saved[0] });
                    let mut outputs = Outputs::new();
                    outputs.push(Tensor::from_buffer(gradients.projected, operands.projected.shape().clone()));
                    let initial = gradients.initial.into_iter().zip(operands.states);
                    outputs.extend(initial.map(|(buffer, state)| Tensor::from_buffer(buffer, state.shape().clone())));
                    if sequence.cell.gates_product() {
                        outputs.push(Tensor::from_buffer(gradients.product, operands.projected.shape().clone()));
                    }
                    outputs
                }
            }
        }, else return Err(Error::dtype(self.name(), dtype, "a floating type"))))
    }
}

fn elements<'a, T: Element>(tensors: &[&'a Tensor]) -> SmallVec<[Elements<'a, T>; 3]> {
    tensors.iter().map(|tensor| tensor.elements::<T>()).collect()
}

/// The elements of one or two tensors as a pair, whose second slice may be empty.
fn pair<'a, T: Element>(list: &'a [Elements<T>]) -> [&'a [T]; 2] {
    [&list[0], list.get(1).map_or(&[], |second| second)]
}
