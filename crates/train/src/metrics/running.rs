//! Running means.

use tensor::{DType, Tensor};

use crate::error::Result;
use crate::metrics::not_the_state;
use crate::metrics::weights::weights_of;

/// The weighted mean of all values so far, in float64.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Running {
    sum: f64,
    weight: f64,
}

impl Running {
    /// Adds the mean of `count` values.
    pub(crate) fn add(&mut self, mean: f64, count: usize) {
        // The mean of no values is NaN and must not count.
        if count > 0 {
            self.sum += mean * count as f64;
            self.weight += count as f64;
        }
    }

    /// Adds values with their sample weights.
    pub(super) fn add_values(&mut self, values: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.add_counted(values, None, weights)
    }

    /// Adds only the values for which `counted`, of the same shape, is true.
    pub(super) fn add_counted(
        &mut self,
        values: &Tensor,
        counted: Option<&Tensor>,
        weights: Option<&Tensor>,
    ) -> Result<()> {
        let mut weights = weights_of(weights, values.shape())?;
        if let Some(counted) = counted {
            let counted = counted.to_vec::<bool>()?;
            weights.iter_mut().zip(counted).filter(|(_, counted)| !counted).for_each(|(weight, _)| *weight = 0.0);
        }
        let values = values.cast(DType::F64).to_vec::<f64>()?;
        for (value, weight) in values.iter().zip(weights).filter(|(_, weight)| *weight > 0.0) {
            self.sum += value * weight;
            self.weight += weight;
        }
        Ok(())
    }

    /// Whether no values were added.
    pub(crate) fn is_empty(self) -> bool {
        self.weight == 0.0
    }

    /// The sum and the weight.
    pub(crate) fn state(self) -> Vec<f64> {
        vec![self.sum, self.weight]
    }

    /// Continues from a [`state`](Running::state).
    pub(crate) fn restore(&mut self, state: &[f64]) -> Result<()> {
        let [sum, weight] = *state else { return Err(not_the_state("a mean", state)) };
        *self = Running { sum, weight };
        Ok(())
    }

    pub(crate) fn reset(&mut self) {
        *self = Running::default();
    }

    /// The mean of all values; NaN if there are none.
    pub(crate) fn mean(self) -> f64 {
        self.sum / self.weight
    }
}
