//! Running means of weights.

use autograd::Variable;
use tensor::{Error, Float, Result, Tensor, Update};

use crate::hyperparameter::{Hyperparameter, Range};

const NAME: &str = "weight_average";

/// An exponential moving average of weights, which often generalizes better than the weights
/// themselves: `a = β a + (1 - β) p` after each step, `a` being `p` the first time. From Polyak and
/// Juditsky, "Acceleration of stochastic approximation by averaging" (1992).
///
/// ```
/// use autograd::Variable;
/// use optim::WeightAverage;
/// use tensor::tensor;
///
/// let weights = [Variable::new(tensor![0.0])];
/// let mut average = WeightAverage::new(0.5);
/// average.update(&weights)?;
/// weights[0].assign(tensor![1.0])?;
/// average.update(&weights)?;
/// let with_average = average.during(&weights, || weights[0].value().item())??;
/// assert_eq!((with_average, weights[0].value().item()?), (0.5, 1.0));
/// # Ok::<(), tensor::Error>(())
/// ```
///
/// Keras' `use_ema` of an optimizer: `β` (there `ema_momentum`) 0.99. PyTorch's `AveragedModel` with
/// `get_ema_multi_avg_fn`: 0.999.
pub struct WeightAverage {
    decay: f64,
    starts_at_zero: bool,
    state: WeightAverageState,
}

/// What a [`WeightAverage`] needs to go on where it stopped.
#[derive(Clone, Debug, Default)]
pub struct WeightAverageState {
    /// How often the average was updated.
    pub steps: u64,
    /// The average of each weight, before a correction.
    pub averages: Vec<Tensor>,
}

impl WeightAverage {
    /// An average with the decay `β`, from 0 up to but not including 1, which `update` checks.
    pub fn new(decay: f64) -> WeightAverage {
        WeightAverage { decay, starts_at_zero: false, state: WeightAverageState::default() }
    }

    /// Starts at 0 in place of the first weights, and divides what it gives by `1 - βᵗ` after `t`
    /// updates, as Adam does: the first weights then count no more than those after.
    #[must_use]
    pub fn bias_corrected(self) -> WeightAverage {
        WeightAverage { starts_at_zero: true, ..self }
    }

    /// Takes the weights into the average, in one pass over each.
    ///
    /// # Errors
    /// If the decay is out of its range, or number, shapes or types of the weights are not those of
    /// the first update, or not floating. Then the average is as it was.
    pub fn update(&mut self, weights: &[Variable]) -> Result<()> {
        Hyperparameter::new("decay", self.decay, Range::Decay).check(NAME)?;
        let values: Vec<Tensor> = weights.iter().map(|weight| weight.value().stop_gradient()).collect();
        let averages = match self.state.steps {
            0 if self.starts_at_zero => values.iter().map(Tensor::zeros_like).collect(),
            0 => values.clone(),
            _ => self.averages_of(weights)?.to_vec(),
        };
        let rule = Follow { new: 1.0 - self.decay };
        let follow = |((average, value), weight): ((&Tensor, &Tensor), &Variable)| {
            tensor::update(average, value, [], &rule).map_err(|error| error.context(weight.name()).context(NAME))
        };
        self.state.averages = averages.iter().zip(&values).zip(weights).map(follow).collect::<Result<_>>()?;
        self.state.steps += 1;
        Ok(())
    }

    /// The average of each weight.
    ///
    /// # Errors
    /// If there was no update.
    pub fn values(&self) -> Result<Vec<Tensor>> {
        if self.state.steps == 0 {
            return Err(Error::argument(NAME, "there is no average before the first update"));
        }
        if !self.starts_at_zero {
            return Ok(self.state.averages.clone());
        }
        let correction = 1.0 - self.decay.powf(self.state.steps as f64);
        tensor::no_record(|| self.state.averages.iter().map(|average| average.try_div(correction)).collect())
    }

    /// Sets the weights to their averages, for good.
    ///
    /// # Errors
    /// If there was no update, or number, shapes or types of the weights are not those of the
    /// averages. Then no weight was changed.
    pub fn assign_to(&self, weights: &[Variable]) -> Result<()> {
        let values = self.values()?;
        self.averages_of(weights)?;
        weights.iter().zip(values).try_for_each(|(weight, average)| weight.assign(average))
    }

    /// Runs `f`, an evaluation for example, while the weights are their averages; after it they are
    /// what they were, also if `f` panics.
    ///
    /// # Errors
    /// As [`assign_to`](WeightAverage::assign_to); then `f` did not run.
    pub fn during<R>(&self, weights: &[Variable], f: impl FnOnce() -> R) -> Result<R> {
        let restore = Restore(weights.iter().map(|weight| (weight, weight.value().stop_gradient())).collect());
        self.assign_to(weights)?;
        let result = f();
        drop(restore);
        Ok(result)
    }

    /// Where it stands. Tensors are shared, so this copies nothing by itself.
    pub fn state(&self) -> WeightAverageState {
        self.state.clone()
    }

    /// Goes on from a state, with weights of the same shapes and types.
    pub fn restore(&mut self, state: WeightAverageState) {
        self.state = state;
    }

    /// The averages, which fit the weights.
    fn averages_of(&self, weights: &[Variable]) -> Result<&[Tensor]> {
        let averages = &self.state.averages;
        if averages.len() != weights.len() {
            let message = format!("has averages of {} weights, not of {}", averages.len(), weights.len());
            return Err(Error::argument(NAME, message));
        }
        for (average, weight) in averages.iter().zip(weights) {
            let error = if *average.shape() != weight.shape() {
                Error::shape(NAME, &weight.shape(), format!("must be that of the average, {}", average.shape()))
            } else if average.dtype() != weight.dtype() {
                Error::dtypes(NAME, weight.dtype(), average.dtype())
            } else {
                continue;
            };
            return Err(error.context(weight.name()));
        }
        Ok(averages)
    }
}

/// Puts values back when it is dropped.
struct Restore<'w>(Vec<(&'w Variable, Tensor)>);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        for (weight, value) in &self.0 {
            // Fails only for a weight that was cast meanwhile, which has no former value.
            let _ = weight.assign(value);
        }
    }
}

#[derive(Clone, Copy)]
struct Follow {
    /// The part of the new value.
    new: f64,
}

impl Update<0> for Follow {
    #[inline(always)]
    fn element<T: Float>(&self, average: T, value: T, []: [T; 0]) -> (T, [T; 0]) {
        (average + (value - average) * T::from_f64(self.new), [])
    }
}
