//! One step from the gradients of several batches.

use tensor::{Error, Result, Tensor, no_record};

const NAME: &str = "gradient_accumulator";

/// Adds up the gradients of several batches, and gives their mean: a step as of one batch that is as
/// large as all of them, if they are of one size and the loss is a mean. Gradients are added in the order
/// given, so that the same batches give the same bits.
///
/// ```
/// use autograd::{GradientTape, Variable};
/// use optim::{GradientAccumulator, Optimizer, Sgd};
/// use tensor::{Tensor, tensor};
///
/// let weights = [Variable::new(Tensor::scalar(1.0))];
/// let mut optimizer = Sgd::new(0.1);
/// let mut accumulator = GradientAccumulator::new(2);
/// for x in [1.0, 3.0] {
///     let tape = GradientTape::new();
///     let gradients = tape.gradient(&(x * &weights[0]), &weights[..])?;
///     if let Some(mean) = accumulator.add(&gradients)? {
///         optimizer.apply(&weights, &mean)?;
///     }
/// }
/// assert!((weights[0].value().item()? - (1.0 - 0.1 * 2.0)).abs() < 1e-6);
/// # Ok::<(), tensor::Error>(())
/// ```
///
/// Keras' `gradient_accumulation_steps` of an optimizer. PyTorch adds up `grad` until `zero_grad`, without
/// the division.
pub struct GradientAccumulator {
    batches: u64,
    state: AccumulatorState,
}

/// What a [`GradientAccumulator`] needs to go on where it stopped.
#[derive(Clone, Debug, Default)]
pub struct AccumulatorState {
    /// How many batches were added since the last mean.
    pub count: u64,
    /// The sums of their gradients.
    pub sums: Vec<Tensor>,
}

impl GradientAccumulator {
    /// One mean of this many batches, 1 or more, which `add` checks.
    pub fn new(batches: u64) -> GradientAccumulator {
        GradientAccumulator { batches, state: AccumulatorState::default() }
    }

    /// How many batches make one mean.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Adds the gradients of one batch; the means if it is the last of its round, which then begins
    /// anew.
    ///
    /// # Errors
    /// If the number of batches is 0, or number, shapes or types of the gradients are not those of
    /// the batch before. Then nothing was added.
    pub fn add(&mut self, gradients: &[Tensor]) -> Result<Option<Vec<Tensor>>> {
        if self.batches == 0 {
            return Err(Error::argument(NAME, "batches is 0; it must be a number of at least 1"));
        }
        self.state.sums = self.added(gradients)?;
        self.state.count += 1;
        if self.state.count < self.batches { Ok(None) } else { self.take() }
    }

    /// The means of what was added since the last ones, if anything was: for a last round that is not
    /// full. The next round begins.
    ///
    /// # Errors
    /// If gradients are not floating.
    pub fn take(&mut self) -> Result<Option<Vec<Tensor>>> {
        let AccumulatorState { count, sums } = std::mem::take(&mut self.state);
        match count {
            0 => Ok(None),
            1 => Ok(Some(sums)),
            _ => no_record(|| sums.iter().map(|sum| sum.try_div(count)).collect::<Result<_>>().map(Some)),
        }
    }

    /// Where it stands. Tensors are shared, so this copies nothing by itself.
    pub fn state(&self) -> AccumulatorState {
        self.state.clone()
    }

    /// Goes on from a state, with gradients of the same shapes and types.
    pub fn restore(&mut self, state: AccumulatorState) {
        self.state = state;
    }

    fn added(&self, gradients: &[Tensor]) -> Result<Vec<Tensor>> {
        let sums = &self.state.sums;
        if self.state.count == 0 {
            return Ok(gradients.iter().map(Tensor::stop_gradient).collect());
        }
        if sums.len() != gradients.len() {
            let message = format!("{} gradients, where those before were {}", gradients.len(), sums.len());
            return Err(Error::argument(NAME, message));
        }
        let add = |(k, (sum, gradient)): (usize, (&Tensor, &Tensor))| {
            if sum.shape() != gradient.shape() {
                let expected = format!("must be that of gradient {k} before, {}", sum.shape());
                return Err(Error::shape(NAME, gradient.shape(), expected));
            }
            sum.try_add(gradient).map_err(|error| error.context(NAME))
        };
        no_record(|| sums.iter().zip(gradients).enumerate().map(add).collect())
    }
}
