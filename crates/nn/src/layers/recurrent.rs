//! What recurrent layers have in common: a cell that is applied step by step.

use std::fmt::Debug;

use tensor::{DType, Error, Result, Shape, Tensor};

use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::weight::{Weight, WeightOptions, weight_options};
use crate::weights::{Draw, Weights, check_input};

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
    fn step(&self, step: &Step) -> Result<Vec<Tensor>>;

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
pub struct Step<'a> {
    /// The step's input times the kernel, with the bias, `[batch, gates · units]`.
    pub input: &'a Tensor,
    /// The states before, each `[batch, units]`.
    pub states: &'a [Tensor],
    /// The recurrent kernel, `[units, gates · units]`.
    pub kernel: &'a Tensor,
    /// The second row of biases, `[gates · units]`.
    pub bias: Option<&'a Tensor>,
    /// The activation of the output.
    pub activation: Activation,
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
/// `forward_many` takes the initial states as further inputs; [`Recurrent::run`] also a mask, and it
/// returns the last states.
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
    kernel: WeightOptions,
    recurrent_kernel: WeightOptions,
    bias: Option<WeightOptions>,
    weights: Weights<Kernels>,
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
        Recurrent { weights: Weights::sized([inputs]), ..Recurrent::units(units) }
    }

    /// A layer of `units` outputs that takes the number of features from the first input.
    pub fn units(units: usize) -> Recurrent<C> {
        Recurrent {
            cell: C::default(),
            units,
            activation: Activation::Tanh,
            return_sequences: false,
            go_backwards: false,
            kernel: Initializer::GlorotUniform.into(),
            recurrent_kernel: Initializer::Orthogonal { gain: 1.0 }.into(),
            bias: Some(Initializer::Zeros.into()),
            weights: Weights::unsized_yet(),
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

    /// The same layer with another cell and weights of its own.
    pub(super) fn with_cell(self, cell: C) -> Self {
        Recurrent { cell, weights: self.weights.anew(), ..self }
    }

    /// The same layer in the other direction, with weights of its own.
    pub(super) fn reversed(&self) -> Self {
        Recurrent {
            cell: self.cell.clone(),
            units: self.units,
            activation: self.activation,
            return_sequences: self.return_sequences,
            go_backwards: !self.go_backwards,
            kernel: self.kernel.clone(),
            recurrent_kernel: self.recurrent_kernel.clone(),
            bias: self.bias.clone(),
            weights: self.weights.anew(),
        }
    }

    /// Whether outputs come last step first.
    pub(super) fn is_reversed(&self) -> bool {
        self.return_sequences && self.go_backwards
    }

    /// The output for `input` from the given initial states (zeros if there are none), and the states
    /// after the last step. Where `mask`, `[batch, time]` of type bool, is false, a step changes no
    /// state, and its output is that of the step before.
    ///
    /// ```
    /// # use nn::Lstm;
    /// # use tensor::Tensor;
    /// let encoder = Lstm::units(4);
    /// let (output, states) = encoder.run(&Tensor::ones([2, 5, 3]), &[], None)?;
    /// assert_eq!((output.shape(), states.len()), (&[2, 4].into(), 2));
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// If shapes or types do not suit, or there is no step.
    pub fn run(&self, input: &Tensor, states: &[&Tensor], mask: Option<&Tensor>) -> Result<(Tensor, Vec<Tensor>)> {
        check_input(C::NAME, input, 3, "[batch, time, features]")?;
        let &[batch, time, features] = &input.shape()[..] else {
            return Err(Error::shape(C::NAME, input.shape(), "needs 3 axes, [batch, time, features]"));
        };
        if time == 0 {
            return Err(Error::shape(C::NAME, input.shape(), "needs at least one step"));
        }
        let kernels = self.weights.of(C::NAME, input, &[features], |sizes, draw| self.build(sizes, draw))?;
        let mut states = self.initial_states(input, batch, states)?;
        let masks = mask.map(|mask| step_masks(C::NAME, mask, batch, time)).transpose()?;

        // One product for the inputs of all steps, one for the state at each.
        let bias = kernels.bias.as_ref().map(|bias| bias.value());
        let (bias, recurrent_bias) = match bias {
            Some(bias) if bias.rank() == 2 => (Some(bias.at(0, 0)?), Some(bias.at(1, 0)?)),
            bias => (bias, None),
        };
        let mut projected = input.matmul(&kernels.kernel)?;
        if let Some(bias) = bias {
            projected = projected.try_add(bias)?;
        }
        let steps = projected.unstack(1)?;
        let kernel = kernels.recurrent_kernel.value();
        let order: Box<dyn Iterator<Item = usize>> =
            if self.go_backwards { Box::new((0..time).rev()) } else { Box::new(0..time) };
        let mut outputs = Vec::with_capacity(time);
        for k in order {
            let step = Step {
                input: &steps[k],
                states: &states,
                kernel: &kernel,
                bias: recurrent_bias.as_ref(),
                activation: self.activation,
            };
            let mut next = self.cell.step(&step)?;
            if let Some(masks) = &masks {
                let kept = next.iter().zip(&states).map(|(next, state)| masks[k].select(next, state));
                next = kept.collect::<Result<_>>()?;
            }
            states = next;
            if self.return_sequences {
                outputs.push(states[0].clone());
            }
        }
        let output = match self.return_sequences {
            true => Tensor::stack(&outputs.iter().collect::<Vec<_>>(), 1)?,
            false => states[0].clone(),
        };
        Ok((output, states))
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

    fn build(&self, sizes: &[usize], draw: &mut Draw) -> Result<Kernels> {
        if self.units == 0 {
            return Err(Error::argument(C::NAME, "the number of units is 0; it must be at least 1"));
        }
        // One that is too large stays so, for the initializer to refuse.
        let wide = self.units.saturating_mul(C::GATES);
        let kernel = draw.weight("kernel", &self.kernel, [sizes[0], wide])?;
        let recurrent_kernel = draw.weight("recurrent_kernel", &self.recurrent_kernel, [self.units, wide])?;
        let bias = match &self.bias {
            Some(options) => {
                let shape = if self.cell.has_recurrent_bias() { Shape::from([2, wide]) } else { Shape::from([wide]) };
                let drawn = draw.weight("bias", options, shape)?;
                drawn.assign(self.cell.first_bias(drawn.value(), self.units)?)?;
                Some(drawn)
            }
            None => None,
        };
        Ok(Kernels { kernel, recurrent_kernel, bias })
    }
}

/// A column of the mask for each step, `[batch, 1]`.
fn step_masks(kind: &str, mask: &Tensor, batch: usize, time: usize) -> Result<Vec<Tensor>> {
    if mask.shape()[..] != [batch, time] {
        let message = format!("a mask must be [batch, time], here [{batch}, {time}]");
        return Err(Error::shape(kind, mask.shape(), message));
    }
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(kind, mask.dtype(), "bool, as a mask must be"));
    }
    mask.split_equal(time, 1)
}

impl<C: RecurrentCell> Layer for Recurrent<C> {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        self.run(input, &[], None).map(|(output, _)| output)
    }

    /// The input and, if there are more, the initial states.
    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        match inputs.split_first() {
            Some((input, states)) => self.run(input, states, None).map(|(output, _)| output),
            None => Err(Error::argument(C::NAME, "takes a sequence and initial states, not 0 inputs")),
        }
    }

    /// The mask goes on with the outputs of all steps, in their order.
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, _mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let (output, _) = self.run(input, &[], mask)?;
        let mask = mask.filter(|_| self.return_sequences);
        let mask = mask.map(|mask| if self.is_reversed() { mask.flip(1) } else { Ok(mask.clone()) });
        Ok((output, mask.transpose()?))
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(kernels) = self.weights.known(C::NAME, |sizes, draw| self.build(sizes, draw)) {
            visitor.weight("kernel", &kernels.kernel);
            visitor.weight("recurrent_kernel", &kernels.recurrent_kernel);
            if let Some(bias) = &kernels.bias {
                visitor.weight("bias", bias);
            }
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
