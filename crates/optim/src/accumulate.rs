//! Gradient accumulation over several batches.

use tensor::{Error, Result, Tensor, no_record};

const NAME: &str = "gradient_accumulator";

/// Adds up the gradients of several batches and returns their mean. If the batches have equal sizes and the loss is a mean,
/// a step with it is the step of one large batch. Gradients are added in the given order, so the same batches give the
/// same bits.
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
/// It corresponds to Keras' optimizer option `gradient_accumulation_steps`. PyTorch adds up `grad` until `zero_grad`,
/// without the division.
pub struct GradientAccumulator {
    batches: u64,
    state: AccumulatorState,
}

/// A snapshot of a [`GradientAccumulator`].
#[derive(Clone, Debug, Default)]
pub struct AccumulatorState {
    /// The number of batches added since the last mean.
    pub count: u64,
    /// The sums of the gradients of these batches.
    pub sums: Vec<Tensor>,
}

impl GradientAccumulator {
    /// Computes one mean per `batches` batches, at least 1. [`add`](GradientAccumulator::add) checks the number.
    pub fn new(batches: u64) -> GradientAccumulator {
        GradientAccumulator { batches, state: AccumulatorState::default() }
    }

    /// The number of batches per mean.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Adds the gradients of one batch. Returns the means, and starts over, if the number of batches is reached.
    ///
    /// # Errors
    /// Returns an error if the number of batches is 0, or the number, shapes or types of the gradients differ from those of
    /// the batch before. Nothing is added then.
    pub fn add(&mut self, gradients: &[Tensor]) -> Result<Option<Vec<Tensor>>> {
        if self.batches == 0 {
            return Err(Error::argument(NAME, "batches is 0; it must be at least 1"));
        }
        self.state.sums = self.added(gradients)?;
        self.state.count += 1;
        if self.state.count < self.batches { Ok(None) } else { self.take() }
    }

    /// Returns the means of the batches added since the last mean, if there are any, and starts over: for the remaining
    /// batches at the end.
    ///
    /// # Errors
    /// Returns an error if gradients are not floating.
    pub fn take(&mut self) -> Result<Option<Vec<Tensor>>> {
        let AccumulatorState { count, sums } = std::mem::take(&mut self.state);
        match count {
            0 => Ok(None),
            1 => Ok(Some(sums)),
            _ => no_record(|| sums.iter().map(|sum| sum.try_div(count)).collect::<Result<_>>().map(Some)),
        }
    }

    /// A snapshot. It shares the tensors, so nothing is copied.
    pub fn state(&self) -> AccumulatorState {
        self.state.clone()
    }

    /// Restores a snapshot. The next gradients must have the same shapes and types.
    pub fn restore(&mut self, state: AccumulatorState) {
        self.state = state;
    }

    fn added(&self, gradients: &[Tensor]) -> Result<Vec<Tensor>> {
        let sums = &self.state.sums;
        if self.state.count == 0 {
            return Ok(gradients.iter().map(Tensor::stop_gradient).collect());
        }
        if sums.len() != gradients.len() {
            let message = format!("{} gradients, but the batch before had {}", gradients.len(), sums.len());
            return Err(Error::argument(NAME, message));
        }
        let add = |(k, (sum, gradient)): (usize, (&Tensor, &Tensor))| {
            if sum.shape() != gradient.shape() {
                let expected = format!("must be that of gradient {k} of the batch before, {}", sum.shape());
                return Err(Error::shape(NAME, gradient.shape(), expected));
            }
            sum.try_add(gradient).map_err(|error| error.context(NAME))
        };
        no_record(|| sums.iter().zip(gradients).enumerate().map(add).collect())
    }
}
