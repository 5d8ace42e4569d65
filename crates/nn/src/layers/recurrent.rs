//! What recurrent layers have in common: a cell that is applied step by step.

use std::fmt::Debug;
use std::ops::Range;

use tensor::ops::{Cell, Sequence, SequenceOperands, unroll};
use tensor::{DType, Error, Result, Shape, Tensor};

use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::input_checks::check_input;
use crate::layer::{Layer, Mode, Visitor};
use crate::layers::dropout::{apply_dropout, check_rate};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::zero_if_masked;
use crate::stream::RandomStream;
use crate::weight::{Weight, WeightOptions, weight_options};

/// What one step of a recurrent layer computes; [`Recurrent`] does the rest.
pub trait RecurrentCell: Clone + Debug + Send + Sync + 'static {
    /// The layer's name, such as `Lstm`.
    const KIND: &'static str;
    /// The same in lower case, for errors.
    const NAME: &'static str;
    /// How many times the number of units the kernels are wide.
    const GATES: usize;
    /// How many states there are, each `[batch, units]`; the first is the output.
    const STATES: usize;

    /// The states after a step.
    ///
    /// # Errors
    /// Those of the operations in it.
    fn step(&self, step: &CellStep) -> Result<Vec<Tensor>>;

    /// The cell for which one operation goes through all steps, if with this activation of the output
    /// there is one; without, [`RecurrentCell::step`] is called for each.
    fn fused(&self, activation: Activation) -> Option<Cell> {
        let _ = activation;
        None
    }

    /// Whether there is a second row of biases, for the product with the state.
    fn has_recurrent_bias(&self) -> bool {
        false
    }

    /// The bias as it begins, given what the initializer made of it.
    ///
    /// # Errors
    /// Those of the operations in it.
    fn first_bias(&self, drawn: Tensor, units: usize) -> Result<Tensor> {
        let _ = units;
        Ok(drawn)
    }
}

/// What a cell sees of one step.
#[derive(Debug)]
pub struct CellStep<'a> {
    /// The step's input times the kernel, with the bias, `[batch, gates · units]`.
    pub input: &'a Tensor,
    /// The states before, each `[batch, units]`.
    pub states: &'a [Tensor],
    /// The second row of biases, `[gates · units]`.
    pub bias: Option<&'a Tensor>,
    /// The activation of the output.
    pub activation: Activation,
    kernel: &'a Tensor,
    dropout: Option<&'a [GateDropout]>,
}

/// Recurrent dropout on the way to a gate.
#[derive(Debug)]
struct GateDropout {
    /// What the state is multiplied by, `[batch, units]`.
    factor: Tensor,
    /// The gate's columns of the recurrent kernel.
    kernel: Tensor,
}

impl CellStep<'_> {
    /// The product of a state, or what a cell makes of it, with the recurrent kernel's columns for some
    /// gates, side by side; in training with recurrent dropout.
    ///
    /// # Errors
    /// If the state is not `[batch, units]`, or there are no such gates.
    pub fn product(&self, state: &Tensor, gates: Range<usize>) -> Result<Tensor> {
        let units = self.kernel.shape()[0];
        let count = self.kernel.shape()[1] / units;
        if gates.is_empty() || gates.end > count {
            return Err(Error::argument("product", format!("there are no gates {gates:?} among {count}")));
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

/// A layer that goes through a sequence step by step and carries states along: [`SimpleRnn`],
/// [`Lstm`] or [`Gru`], which say what a step computes.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, time, features]`, at least one step |
/// | output | `[batch, units]`, of the last step, or `[batch, time, units]` ([`Recurrent::return_sequences`]) |
/// | weight `kernel` | `[features, gates · units]`; Glorot uniform at first |
/// | weight `recurrent_kernel` | `[units, gates · units]`; orthogonal at first |
/// | weight `bias` | `[gates · units]`, or `[2, gates · units]`; zeros at first |
///
/// `forward_many` takes the initial states as further inputs, and after them a mask of type bool, as
/// [`Recurrent::run`] describes it, which also returns the last states.
///
/// With tanh and sigmoid as activations (and for [`Gru`] not in the form of the paper) one operation goes
/// through all steps; recurrent dropout and other activations take several operations a step.
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
    /// A layer from `inputs` numbers a step to `units`.
    pub fn new(inputs: usize, units: usize) -> Recurrent<C> {
        Recurrent { weights: LazyWeights::sized([inputs]), ..Recurrent::units(units) }
    }

    /// A layer of `units` outputs that takes the number of features from the first input.
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
    /// Gives the output of every step rather than that of the last.
    #[must_use]
    pub fn return_sequences(self) -> Self {
        Recurrent { return_sequences: true, ..self }
    }

    /// Goes from the last step to the first; outputs come in the order in which they are computed.
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

    /// In training sets features of the input to zero with this probability, in all steps of a sequence
    /// the same ones (Gal & Ghahramani 2016), and scales the others as [`Dropout`](crate::Dropout) does.
    /// `forward` refuses what is no probability.
    #[must_use]
    pub fn dropout(self, rate: f64) -> Self {
        Recurrent { dropout: rate, ..self }
    }

    /// The same for the state on its way to the recurrent kernel, each gate with numbers of its own, as in
    /// Keras. The state that is carried along stays whole.
    #[must_use]
    pub fn recurrent_dropout(self, rate: f64) -> Self {
        Recurrent { recurrent_dropout: rate, ..self }
    }

    /// Draws dropout from the stream of a seed of its own rather than from a fork of the thread's
    /// generator.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Recurrent { seed: Some(seed), random: RandomStream::seeded(C::NAME, seed), ..self }
    }

    /// The same layer with another cell and weights of its own.
    pub(super) fn with_cell(self, cell: C) -> Self {
        Recurrent { cell, weights: self.weights.uninitialized(), ..self }
    }

    /// The same layer in the other direction, with weights of its own.
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

    /// Whether outputs come last step first.
    pub(super) fn is_reversed(&self) -> bool {
        self.return_sequences && self.go_backwards
    }

    /// The output for `input` from the given initial states (zeros if there are none), and the states
    /// after the last step. Where `mask`, `[batch, time]` of type bool, is false, a step changes no
    /// state, whatever its input, and its output is that of the step before.
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
    /// If shapes or types do not suit, or there is no step.
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
        // The one operation adds a bias by itself.
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

    /// The states after each step, each `[batch, time, units]`, in the order of time.
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
            let message = format!("takes {} initial states or none, not {}", C::STATES, states.len());
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
        // One that is too large stays so, for the initializer to refuse.
        let wide = self.units.saturating_mul(C::GATES);
        let kernel = builder.weight("kernel", &self.kernel, [sizes[0], wide])?;
        let recurrent_kernel = builder.weight("recurrent_kernel", &self.recurrent_kernel, [self.units, wide])?;
        let bias = match &self.bias {
            Some(options) => {
                let shape = if self.cell.has_recurrent_bias() { Shape::from([2, wide]) } else { Shape::from([wide]) };
                let drawn = builder.weight("bias", options, shape)?;
                drawn.assign(self.cell.first_bias(drawn.value(), self.units)?)?;
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

    /// The input and, if there are more, the initial states and, of type bool, a mask.
    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let (input, states, mask) = sequence_inputs(C::NAME, inputs)?;
        self.run(input, states, mask, mode).map(|(output, _)| output)
    }

    /// The mask goes on with the outputs of all steps, in their order.
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

/// Of several inputs the sequence, the initial states and the mask.
pub(super) fn sequence_inputs<'a, 'b>(
    kind: &str,
    inputs: &'a [&'b Tensor],
) -> Result<(&'b Tensor, &'a [&'b Tensor], Option<&'b Tensor>)> {
    match inputs {
        [input, states @ .., mask] if mask.dtype() == DType::Bool => Ok((input, states, Some(mask))),
        [input, states @ ..] => Ok((input, states, None)),
        [] => Err(Error::argument(kind, "takes a sequence and initial states, not 0 inputs")),
    }
}
