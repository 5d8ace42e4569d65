//! What one step of a recurrent layer computes, and a sequence of steps, in ordinary operations.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A recurrent cell in the form of Keras and PyTorch; [`Cell::step`] states the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The plain cell (Elman 1990).
    SimpleRnn,
    /// Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
    Lstm,
    /// The gated recurrent unit (Cho et al. 2014), its reset gate applied after the product.
    Gru,
}

/// An activation of a cell.
pub type CellActivation<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

impl Cell {
    /// How many times the number of units the kernels are wide.
    pub const fn gates(self) -> usize {
        match self {
            Cell::SimpleRnn => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// How many states there are; the first is the output.
    pub const fn states(self) -> usize {
        match self {
            Cell::SimpleRnn | Cell::Gru => 1,
            Cell::Lstm => 2,
        }
    }

    /// Whether the product with the state is more than an addend of the projected input: then they have
    /// different gradients.
    pub const fn gates_product(self) -> bool {
        matches!(self, Cell::Gru)
    }

    /// The states after a step, each `[batch, units]`, from those before, with `x` the projected input
    /// and `p` the product of the state with the recurrent kernel, a bias added, both `[batch, gates ·
    /// units]` and in parts of `units` columns:
    ///
    /// ```text
    /// SimpleRnn  h' = tanh(x + p)
    /// Lstm       i, f, g, o = σ(x₀ + p₀), σ(x₁ + p₁), tanh(x₂ + p₂), σ(x₃ + p₃)
    ///            c' = f · c + i · g,  h' = o · tanh(c')
    /// Gru        z, r = σ(x₀ + p₀), σ(x₁ + p₁),  n = tanh(x₂ + r · p₂)
    ///            h' = z · h + (1 - z) · n
    /// ```
    ///
    /// `activation` stands for tanh, `recurrent_activation` for σ.
    ///
    /// # Errors
    /// If shapes or types do not suit.
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

/// The states after each step, each `[batch, time, units]`, of a recurrent layer that goes through `[batch,
/// time, …]` step by step: forwards or `backwards`, from given states. `step` makes the states after
/// one, each `[batch, units]`, from its number, its input and the states before. Where `mask`, `[batch,
/// time]` of type bool, is false, a step changes no state and sees zeros instead of its input, so that NaN or infinity
/// there has no effect on gradients either. Errors name `operation`.
///
/// # Errors
/// Those of `step`, and if it gives another number of states, there is no step, or the mask does not suit.
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

/// An error unless a mask is of type bool and has a truth value for each step.
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
