//! Moving averages of weights.

use autograd::Variable;
use tensor::{Error, Float, Result, Tensor, Update};

use crate::hyperparameter::{Hyperparameter, Range};

const NAME: &str = "weight_average";

/// An exponential moving average of weights, which often generalizes better than the weights
/// themselves: `a = β a + (1 - β) p` after each step, starting with `a = p`. From Polyak and
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
/// Keras' optimizer option `use_ema`: `β` (there `ema_momentum`) is 0.99. PyTorch's `AveragedModel` with
/// `get_ema_multi_avg_fn`: 0.999.
pub struct WeightAverage {
    decay: f64,
    starts_at_zero: bool,
    state: WeightAverageState,
}

/// A snapshot of a [`WeightAverage`].
#[derive(Clone, Debug, Default)]
pub struct WeightAverageState {
    /// The number of updates.
    pub steps: u64,
    /// The average of each weight, before the bias correction.
    pub averages: Vec<Tensor>,
}

impl WeightAverage {
    /// An average with the decay `β`, from 0 to below 1. [`update`](WeightAverage::update) checks it.
    pub fn new(decay: f64) -> WeightAverage {
        WeightAverage { decay, starts_at_zero: false, state: WeightAverageState::default() }
    }

    /// Starts at 0 instead of the first weights, and divides the averages by `1 - βᵗ` after `t` updates, like Adam: the
    /// first weights then have no more influence than later ones.
    #[must_use]
    pub fn bias_corrected(self) -> WeightAverage {
        WeightAverage { starts_at_zero: true, ..self }
    }

    /// Updates the average with the weights, in one pass over each.
    ///
    /// # Errors
    /// Returns an error if the decay is out of range, the number, shapes or types of the weights differ from those of the
    /// first update, or the types are not floating. The average is unchanged then.
    pub fn update(&mut self, weights: &[Variable]) -> Result<()> {
        Hyperparameter::new("decay", self.decay, Range::Decay).check(NAME)?;
        let values: Vec<Tensor> = weights.iter().map(|weight| weight.value().stop_gradient()).collect();
        let averages = match self.state.steps {
            0 if self.starts_at_zero => values.iter().map(Tensor::zeros_like).collect(),
            0 => values.clone(),
            _ => self.averages_of(weights)?.to_vec(),
        };
        let update = AverageUpdate { new: 1.0 - self.decay };
        let follow = |((average, value), weight): ((&Tensor, &Tensor), &Variable)| {
            tensor::update(average, value, [], &update).map_err(|error| error.context(weight.name()).context(NAME))
        };
        self.state.averages = averages.iter().zip(&values).zip(weights).map(follow).collect::<Result<_>>()?;
        self.state.steps += 1;
        Ok(())
    }

    /// The average of each weight.
    ///
    /// # Errors
    /// Returns an error if there was no update.
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

    /// Sets the weights to their averages.
    ///
    /// # Errors
    /// Returns an error if there was no update, or the number, shapes or types of the weights differ from those of the
    /// averages. No weight is changed then.
    pub fn assign_to(&self, weights: &[Variable]) -> Result<()> {
        let values = self.values()?;
        self.averages_of(weights)?;
        weights.iter().zip(values).try_for_each(|(weight, average)| weight.assign(average))
    }

    /// Runs `f`, for example an evaluation, while the weights are set to their averages. Afterwards, also if `f` panics, the
    /// weights are restored.
    ///
    /// # Errors
    /// Returns the errors of [`assign_to`](WeightAverage::assign_to) without running `f`.
    pub fn during<R>(&self, weights: &[Variable], f: impl FnOnce() -> R) -> Result<R> {
        let restore = RestoreWeights(weights.iter().map(|weight| (weight, weight.value().stop_gradient())).collect());
        self.assign_to(weights)?;
        let result = f();
        drop(restore);
        Ok(result)
    }

    /// A snapshot. It shares the tensors, so nothing is copied.
    pub fn state(&self) -> WeightAverageState {
        self.state.clone()
    }

    /// Restores a snapshot. The weights must have the same shapes and types.
    pub fn restore(&mut self, state: WeightAverageState) {
        self.state = state;
    }

    /// The averages, or an error if they do not match the weights.
    fn averages_of(&self, weights: &[Variable]) -> Result<&[Tensor]> {
        let averages = &self.state.averages;
        if averages.len() != weights.len() {
            let message = format!("there are averages of {} weights, not of {}", averages.len(), weights.len());
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

/// Restores the values of weights when it is dropped.
struct RestoreWeights<'w>(Vec<(&'w Variable, Tensor)>);

impl Drop for RestoreWeights<'_> {
    fn drop(&mut self) {
        for (weight, value) in &self.0 {
            // Fails only if `f` has cast the weight to another type.
            let _ = weight.assign(value);
        }
    }
}

#[derive(Clone, Copy)]
struct AverageUpdate {
    /// The weight of the new value.
    new: f64,
}

impl Update<0> for AverageUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, average: T, value: T, []: [T; 0]) -> (T, [T; 0]) {
        (average + (value - average) * T::from_f64(self.new), [])
    }
}
