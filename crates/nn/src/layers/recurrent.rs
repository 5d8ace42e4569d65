//! What recurrent layers share: a cell that is applied step by step.

use std::fmt::Debug;
use std::ops::Range;

use tensor::ops::{Cell, Sequence, SequenceOperands, unroll};
use tensor::{DType, Error, Result, Shape, Tensor};

use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::input_checks::check_input;
use crate::layer::{Layer, Visitor};
use crate::layers::dropout::{apply_dropout, check_rate};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::zero_if_masked;
use crate::mode::Mode;
use crate::stream::RandomStream;
use crate::weight::{Weight, WeightOptions, weight_options};

/// One step of a recurrent layer. [`Recurrent`] makes a layer of it.
pub trait RecurrentCell: Clone + Debug + Send + Sync + 'static {
    /// The layer's name, such as `Lstm`.
    const KIND: &'static str;
    /// The name in errors, in snake case.
    const NAME: &'static str;
    /// The number of gates: the kernels are `GATES · units` wide.
    const GATES: usize;
    /// The number of states, each `[batch, units]`. The first one is the output.
    const STATES: usize;

    /// Computes the states after a step.
    ///
    /// # Errors
    /// Returns the errors of its operations.
    fn step(&self, step: &CellStep) -> Result<Vec<Tensor>>;

    /// The cell of the fused operation that computes all steps, if there is one for this activation of the output.
    /// Otherwise [`RecurrentCell::step`] is called for each step.
    fn fused(&self, activation: Activation) -> Option<Cell> {
        let _ = activation;
        None
    }

    /// Whether the bias has a second row, which is added to the product with the state.
    fn has_recurrent_bias(&self) -> bool {
        false
    }

    /// Changes the initial bias, given the initializer's values.
    ///
    /// # Errors
    /// Returns the errors of its operations.
    fn initial_bias(&self, drawn: Tensor, units: usize) -> Result<Tensor> {
        let _ = units;
        Ok(drawn)
    }
}

/// The inputs of a cell in one step.
#[derive(Debug)]
pub struct CellStep<'a> {
    /// The product of the step's input and the kernel, plus the bias, `[batch, gates · units]`.
    pub input: &'a Tensor,
    /// The states before the step, each `[batch, units]`.
    pub states: &'a [Tensor],
    /// The second row of the bias, `[gates · units]`.
    pub bias: Option<&'a Tensor>,
    /// The activation of the output.
    pub activation: Activation,
    kernel: &'a Tensor,
    dropout: Option<&'a [GateDropout]>,
}

/// Recurrent dropout for one gate.
#[derive(Debug)]
struct GateDropout {
    /// The factor of the state, `[batch, units]`.
    factor: Tensor,
    /// The gate's columns of the recurrent kernel.
    kernel: Tensor,
}

impl CellStep<'_> {
    /// The product of a state, or a value computed from it, with the recurrent kernel's columns for a range of gates. In
    /// training it includes recurrent dropout.
    ///
    /// # Errors
    /// Returns an error if the state is not `[batch, units]`, or the range is empty or out of bounds.
    pub fn product(&self, state: &Tensor, gates: Range<usize>) -> Result<Tensor> {
        let units = self.kernel.shape()[0];
        let count = self.kernel.shape()[1] / units;
        if gates.is_empty() || gates.end > count {
            return Err(Error::argument(
                "product",
                format!("the gates {gates:?} must be a range within 0..{count}, not empty"),
            ));
        }
        if let Some(dropout) = self.dropout {
            let product = |gate: &GateDropout| state.try_mul(&gate.factor)?.matmul(&gate.kernel);
            let products = dropout.get(gates).unwrap_or_default().iter().map(product).collect::<Result<Vec<_>>>()?;
            return Tensor::concat(&products.iter().collect::<Vec<_>>(), -1);
        }
        let columns = (gates.start * units) as isize..(gates.end * units) as isize;
        match gates == (0..count) {
            true => state.matmul(self.kernel),
            false => state.matmul(self.kernel.slice((.., columns))?),
        }
    }
}

/// A layer that processes a sequence step by step and passes states from each step to the next: [`SimpleRnn`], [`Lstm`]
/// or [`Gru`], which describe the computation of a step.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, time, features]`, at least one step |
/// | output | `[batch, units]`, of the last step, or `[batch, time, units]` ([`Recurrent::return_sequences`]) |
/// | weight `kernel` | `[features, gates · units]`; initially Glorot uniform |
/// | weight `recurrent_kernel` | `[units, gates · units]`; initially orthogonal |
/// | weight `bias` | `[gates · units]`, or `[2, gates · units]`; initially zeros |
///
/// `forward_many` has the initial states as further inputs, followed by a mask of type bool. [`Recurrent::run`] describes
/// them, and also returns the final states.
///
/// With the activations tanh and sigmoid (and for `Gru` without `reset_before`) a fused operation
/// computes all steps. Recurrent dropout and other activations need several operations per step.
///
/// [`SimpleRnn`]: crate::SimpleRnn
/// [`Lstm`]: crate::Lstm
/// [`Gru`]: crate::Gru
#[derive(Debug)]
pub struct Recurrent<C> {
    pub(super) cell: C,
    units: usize,
    activation: Activation,
    return_sequences: bool,
    go_backwards: bool,
    dropout: f64,
    recurrent_dropout: f64,
    seed: Option<u64>,
    random: RandomStream,
    kernel: WeightOptions,
    recurrent_kernel: WeightOptions,
    bias: Option<WeightOptions>,
    weights: LazyWeights<Kernels>,
}

#[derive(Debug)]
struct Kernels {
    kernel: Weight,
    recurrent_kernel: Weight,
    bias: Option<Weight>,
}

impl<C: RecurrentCell + Default> Recurrent<C> {
    /// A layer with `inputs` features per step and `units` outputs.
    pub fn new(inputs: usize, units: usize) -> Recurrent<C> {
        Recurrent { weights: LazyWeights::sized([inputs]), ..Recurrent::units(units) }
    }

    /// A layer with `units` outputs. The first input determines the number of features and the element type of the weights.
    pub fn units(units: usize) -> Recurrent<C> {
        Recurrent {
            cell: C::default(),
            units,
            activation: Activation::Tanh,
            return_sequences: false,
            go_backwards: false,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            seed: None,
            random: RandomStream::new(C::NAME),
            kernel: Initializer::GlorotUniform.into(),
            recurrent_kernel: Initializer::Orthogonal { gain: 1.0 }.into(),
            bias: Some(Initializer::Zeros.into()),
            weights: LazyWeights::deferred(),
        }
    }
}

impl<C: RecurrentCell> Recurrent<C> {
    /// Returns the outputs of all steps instead of the last one.
    #[must_use]
    pub fn return_sequences(self) -> Self {
        Recurrent { return_sequences: true, ..self }
    }

    /// Processes the sequence from the last step to the first. Outputs are in the order of the computation.
    #[must_use]
    pub fn go_backwards(self) -> Self {
        Recurrent { go_backwards: true, ..self }
    }

    /// Sets the activation of the output; tanh by default.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Recurrent { activation, ..self }
    }

    weight_options!("kernel" in kernel: kernel_initializer, kernel_regularizer, kernel_constraint);
    weight_options!(
        "recurrent_kernel" in recurrent_kernel: recurrent_initializer, recurrent_regularizer, recurrent_constraint
    );
    weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);

    /// Sets the dropout rate of the input, from 0 to 1; 0 by default. The same features are dropped in all steps of a
    /// sequence (Gal & Ghahramani 2016), and the others are scaled as in [`Dropout`](crate::Dropout). `forward` returns an
    /// error for other rates.
    #[must_use]
    pub fn dropout(self, rate: f64) -> Self {
        Recurrent { dropout: rate, ..self }
    }

    /// Sets the dropout rate of the state before its product with the recurrent kernel, with separate draws for each gate,
    /// as in Keras. The state that is passed to the next step is not affected.
    #[must_use]
    pub fn recurrent_dropout(self, rate: f64) -> Self {
        Recurrent { recurrent_dropout: rate, ..self }
    }

    /// Draws dropout from a stream with this seed instead of a fork of the thread's generator.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Recurrent { seed: Some(seed), random: RandomStream::seeded(C::NAME, seed), ..self }
    }

    /// The same layer with another cell and new weights.
    pub(super) fn with_cell(self, cell: C) -> Self {
        Recurrent { cell, weights: self.weights.uninitialized(), ..self }
    }

    /// A copy of the layer in the other direction, with separate weights.
    pub(super) fn reversed(&self) -> Self {
        Recurrent {
            cell: self.cell.clone(),
            units: self.units,
            activation: self.activation,
            return_sequences: self.return_sequences,
            go_backwards: !self.go_backwards,
            dropout: self.dropout,
            recurrent_dropout: self.recurrent_dropout,
            seed: self.seed,
            random: self.seed.map_or_else(|| RandomStream::new(C::NAME), |seed| RandomStream::seeded(C::NAME, seed)),
            kernel: self.kernel.clone(),
            recurrent_kernel: self.recurrent_kernel.clone(),
            bias: self.bias.clone(),
            weights: self.weights.uninitialized(),
        }
    }

    /// Whether the outputs are in reverse order of time.
    pub(super) fn is_reversed(&self) -> bool {
        self.return_sequences && self.go_backwards
    }

    /// Returns the output for `input`, and the states after the last step. Without initial states they are zeros. Where
    /// `mask`, `[batch, time]` of type bool, is false, a step does not change the states, whatever its input, and its output
    /// is that of the step before.
    ///
    /// ```
    /// # use nn::{Lstm, Mode};
    /// # use tensor::Tensor;
    /// let encoder = Lstm::units(4);
    /// let (output, states) = encoder.run(&Tensor::ones([2, 5, 3]), &[], None, Mode::Inference)?;
    /// assert_eq!((output.shape(), states.len()), (&[2, 4].into(), 2));
    /// # Ok::<(), tensor::Error>(())
    /// ```
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
        check_input(C::NAME, input, 3, "[batch, time, features]")?;
        let &[batch, time, features] = &input.shape()[..] else {
            return Err(Error::shape(C::NAME, input.shape(), "needs 3 axes, [batch, time, features]"));
        };
        if time == 0 {
            return Err(Error::shape(C::NAME, input.shape(), "needs at least one step"));
        }
        let kernels = self.weights.get(C::NAME, input, &[features], |sizes, builder| self.build(sizes, builder))?;
        let states = self.initial_states(input, batch, states)?;
        [self.dropout, self.recurrent_dropout].into_iter().try_for_each(|rate| check_rate(C::NAME, rate, input))?;
        let input = zero_if_masked(C::NAME, input, mask)?;
        let input = apply_dropout(&input, &Shape::from([batch, 1, features]), self.dropout, &self.random, mode)?;

        // One product for the inputs of all steps.
        let bias = kernels.bias.as_ref().map(|bias| bias.value());
        let (bias, recurrent_bias) = match bias {
            Some(bias) if bias.rank() == 2 => (Some(bias.at(0, 0)?), Some(bias.at(1, 0)?)),
            bias => (bias, None),
        };
        let fused = match mode {
            Mode::Training if self.recurrent_dropout > 0.0 => None,
            Mode::Training | Mode::Inference => self.cell.fused(self.activation),
        };
        // The fused operation adds the bias.
        let (bias, recurrent_bias) = match (bias, recurrent_bias) {
            (bias, None) if fused.is_some() => (None, bias),
            both => both,
        };
        let mut projected = input.matmul(&kernels.kernel)?;
        if let Some(bias) = bias {
            projected = projected.try_add(bias)?;
        }
        let kernel = kernels.recurrent_kernel.value();
        let all = match fused {
            Some(cell) => {
                let no_bias = || Tensor::full_of([kernel.shape()[1]], 0.0, kernel.dtype());
                let bias = recurrent_bias.unwrap_or_else(no_bias);
                let operands =
                    SequenceOperands { projected: &projected, kernel: &kernel, bias: &bias, states: &states, mask };
                Sequence { cell, backwards: self.go_backwards }.states(&operands)?
            }
            None => self.step_by_step(&projected, &kernel, recurrent_bias.as_ref(), states, mask, mode)?,
        };
        let last = if self.go_backwards { 0 } else { -1 };
        let states = all.iter().map(|states| states.at(last, 1)).collect::<Result<Vec<_>>>()?;
        let output = match (self.return_sequences, self.go_backwards) {
            (true, false) => all[0].clone(),
            (true, true) => all[0].flip(1)?,
            (false, _) => states[0].clone(),
        };
        Ok((output, states))
    }

    /// Calls the cell for each step. Returns the states after all steps, each `[batch, time, units]`, in the order of time.
    fn step_by_step(
        &self,
        projected: &Tensor,
        kernel: &Tensor,
        bias: Option<&Tensor>,
        states: Vec<Tensor>,
        mask: Option<&Tensor>,
        mode: Mode,
    ) -> Result<Vec<Tensor>> {
        let dropout = match mode {
            Mode::Training if self.recurrent_dropout > 0.0 => {
                let ones = states[0].ones_like();
                let gate = |kernel: Tensor| {
                    let factor = apply_dropout(&ones, ones.shape(), self.recurrent_dropout, &self.random, mode)?;
                    Ok(GateDropout { factor, kernel })
                };
                Some(kernel.chunk(C::GATES, -1)?.into_iter().map(gate).collect::<Result<Vec<_>>>()?)
            }
            _ => None,
        };
        let dropout = dropout.as_deref();
        unroll(C::NAME, projected, states, mask, self.go_backwards, |_, input, states| {
            self.cell.step(&CellStep { input, states, bias, activation: self.activation, kernel, dropout })
        })
    }

    fn initial_states(&self, input: &Tensor, batch: usize, states: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = Shape::from([batch, self.units]);
        if states.is_empty() {
            return Ok(vec![Tensor::full_of(shape, 0.0, input.dtype()); C::STATES]);
        }
        if states.len() != C::STATES {
            let message = format!("needs {} initial states or none, not {}", C::STATES, states.len());
            return Err(Error::argument(C::NAME, message));
        }
        if let Some(wrong) = states.iter().find(|state| *state.shape() != shape) {
            let message = format!("the initial state for an input {} must be {shape}", input.shape());
            return Err(Error::shape(C::NAME, wrong.shape(), message));
        }
        Ok(states.iter().map(|&state| state.clone()).collect())
    }

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Kernels> {
        if self.units == 0 {
            return Err(Error::argument(C::NAME, "the number of units is 0; it must be at least 1"));
        }
        // Saturated, so that the initializer returns the error of a size that overflows.
        let wide = self.units.saturating_mul(C::GATES);
        let kernel = builder.weight("kernel", &self.kernel, [sizes[0], wide])?;
        let recurrent_kernel = builder.weight("recurrent_kernel", &self.recurrent_kernel, [self.units, wide])?;
        let bias = match &self.bias {
            Some(options) => {
                let shape = if self.cell.has_recurrent_bias() { Shape::from([2, wide]) } else { Shape::from([wide]) };
                let drawn = builder.weight("bias", options, shape)?;
                drawn.assign(self.cell.initial_bias(drawn.value(), self.units)?)?;
                Some(drawn)
            }
            None => None,
        };
        Ok(Kernels { kernel, recurrent_kernel, bias })
    }
}

impl<C: RecurrentCell> Layer for Recurrent<C> {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.run(input, &[], None, mode).map(|(output, _)| output)
    }

    /// The inputs are the sequence, then optionally the initial states, and a mask of type bool.
    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let (input, states, mask) = sequence_inputs(C::NAME, inputs)?;
        self.run(input, states, mask, mode).map(|(output, _)| output)
    }

    /// The mask is passed on, in the order of the outputs, if the output has all steps.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let (output, _) = self.run(input, &[], mask, mode)?;
        let mask = mask.filter(|_| self.return_sequences);
        let mask = mask.map(|mask| if self.is_reversed() { mask.flip(1) } else { Ok(mask.clone()) });
        Ok((output, mask.transpose()?))
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(kernels) = self.weights.get_if_sized(C::NAME, |sizes, builder| self.build(sizes, builder)) {
            visitor.weight("kernel", &kernels.kernel);
            visitor.weight("recurrent_kernel", &kernels.recurrent_kernel);
            if let Some(bias) = &kernels.bias {
                visitor.weight("bias", bias);
            }
        }
        if self.dropout > 0.0 || self.recurrent_dropout > 0.0 {
            visitor.stream("random", &self.random);
        }
    }

    fn kind(&self) -> &'static str {
        C::KIND
    }

    fn describe(&self) -> String {
        let inputs = self.weights.sizes().map_or("?".to_string(), |sizes| sizes[0].to_string());
        format!("{} {inputs}→{}", C::KIND, self.units)
    }
}

/// Separates several inputs into the sequence, the initial states and the mask.
pub(super) fn sequence_inputs<'a, 'b>(
    kind: &str,
    inputs: &'a [&'b Tensor],
) -> Result<(&'b Tensor, &'a [&'b Tensor], Option<&'b Tensor>)> {
    match inputs {
        [input, states @ .., mask] if mask.dtype() == DType::Bool => Ok((input, states, Some(mask))),
        [input, states @ ..] => Ok((input, states, None)),
        [] => Err(Error::argument(kind, "needs a sequence and optional initial states, not 0 inputs")),
    }
}
