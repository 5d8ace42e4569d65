//! Recurrent layers in ordinary operations: one step of a cell, and a sequence of steps.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::kernels::recurrent::Cell;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// An activation function of a cell.
pub type CellActivation<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

impl Cell {
    /// Computes the states after one step, each `[batch, units]`, from the states before it. `x` is the projected input
    /// and `p` is the product of the state with the recurrent kernel plus a bias. Both are `[batch, gates · units]`,
    /// with `units` columns for each gate:
    ///
    /// ```text
    /// SimpleRnn  h' = tanh(x + p)
    /// Lstm       i, f, g, o = σ(x₀ + p₀), σ(x₁ + p₁), tanh(x₂ + p₂), σ(x₃ + p₃)
    ///            c' = f · c + i · g,  h' = o · tanh(c')
    /// Gru        z, r = σ(x₀ + p₀), σ(x₁ + p₁),  n = tanh(x₂ + r · p₂)
    ///            h' = z · h + (1 - z) · n
    /// ```
    ///
    /// `activation` replaces tanh, and `recurrent_activation` replaces σ.
    ///
    /// # Errors
    /// Returns an error if shapes, types or the number of states do not match the cell.
    #[track_caller]
    pub fn step(
        self,
        x: &Tensor,
        p: &Tensor,
        states: &[Tensor],
        activation: CellActivation,
        recurrent_activation: CellActivation,
    ) -> Result<Vec<Tensor>> {
        match (self, states) {
            (Cell::SimpleRnn, [_]) => Ok(vec![activation(&x.try_add(p)?)?]),
            (Cell::Lstm, [_, c]) => {
                let gates = split_gates(&x.try_add(p)?, 4)?;
                let gate = |k: usize| recurrent_activation(&gates[k]);
                let candidate = activation(&gates[2])?;
                let c = gate(1)?.try_mul(c)?.try_add(gate(0)?.try_mul(candidate)?)?;
                let h = gate(3)?.try_mul(activation(&c)?)?;
                Ok(vec![h, c])
            }
            (Cell::Gru, [h]) => {
                let (x, p) = (split_gates(x, 3)?, split_gates(p, 3)?);
                let gate = |k: usize| recurrent_activation(&x[k].try_add(&p[k])?);
                let candidate = activation(&x[2].try_add(gate(1)?.try_mul(&p[2])?)?)?;
                Ok(vec![candidate.lerp(h, &gate(0)?)?])
            }
            _ => Err(Error::argument("step", format!("a {self:?} has {} states, not {}", self.states(), states.len()))),
        }
    }
}

/// The gates, which are side by side along the last axis.
#[track_caller]
fn split_gates(x: &Tensor, count: usize) -> Result<Vec<Tensor>> {
    match x.shape().last() {
        Some(&width) if width > 0 && width.is_multiple_of(count) => x.chunk(count, -1),
        _ => Err(Error::shape("step", x.shape(), format!("the last axis must hold {count} gates of equal size"))),
    }
}

/// Runs a recurrent layer over `[batch, time, …]` from given initial states, forwards or `backwards`, and returns the
/// states after each step, each `[batch, time, units]`. `step` computes the states after one step, each
/// `[batch, units]`, from the index of the step, its input and the states before it.
///
/// Where the bool `mask`, `[batch, time]`, is false, a step changes no state and gets zeros as its input: NaN or
/// infinity there does not affect gradients either. Errors name `operation`.
///
/// # Errors
/// Returns the errors of `step`, and an error if `step` changes the number of states, if there are no steps, or if the
/// mask has the wrong shape or type.
#[track_caller]
pub fn unroll(
    operation: &str,
    input: &Tensor,
    states: Vec<Tensor>,
    mask: Option<&Tensor>,
    backwards: bool,
    mut step: impl FnMut(usize, &Tensor, &[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    let (inputs, masks) = match mask {
        Some(mask) => {
            if input.rank() < 2 {
                return Err(Error::shape(operation, input.shape(), "needs at least two axes, [batch, time, …]"));
            }
            check_mask(operation, mask, &input.shape()[..2])?;
            let across = mask.shape().iter().copied().chain(std::iter::repeat_n(1, input.rank() - 2));
            let silenced = mask.reshape(across.collect::<Shape>())?.select(input, 0.0)?;
            (silenced.unstack(1)?, Some(mask.split(vec![1; input.shape()[1]], 1)?))
        }
        None => (input.unstack(1)?, None),
    };
    let mut states = states;
    let mut all = vec![Vec::new(); inputs.len()];
    for k in 0..inputs.len() {
        let k = if backwards { inputs.len() - 1 - k } else { k };
        let mut next = step(k, &inputs[k], &states)?;
        if next.len() != states.len() {
            let message = format!("a step gives {} states, and was given {}", next.len(), states.len());
            return Err(Error::argument(operation, message));
        }
        if let Some(masks) = &masks {
            let kept = next.iter().zip(&states).map(|(next, state)| masks[k].select(next, state));
            next = kept.collect::<Result<_>>()?;
        }
        all[k] = next.clone();
        states = next;
    }
    let stacked = |k: usize| Tensor::stack(&all.iter().map(|states: &Vec<Tensor>| &states[k]).collect::<Vec<_>>(), 1);
    (0..states.len()).map(stacked).collect()
}

/// Returns an error unless the mask is of type bool and has the shape `sizes`.
pub(super) fn check_mask(operation: &str, mask: &Tensor, sizes: &[usize]) -> Result<()> {
    if mask.shape()[..] != *sizes {
        let message = format!("a mask must be [batch, time], here {sizes:?}");
        return Err(Error::shape(operation, mask.shape(), message));
    }
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(operation, mask.dtype(), "bool, as a mask must be"));
    }
    Ok(())
}
