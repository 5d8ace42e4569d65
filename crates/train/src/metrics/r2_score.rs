//! The coefficient of determination.

use tensor::{DType, Error, Tensor};

use crate::error::Result;
use crate::metrics::classes::arranged;
use crate::metrics::weights::weights_of;
use crate::metrics::{Metric, not_the_state};

/// The coefficient of determination, R²: 1 minus the ratio of the sum of squared errors to that of the distances of
/// targets from their mean. It is 1 for perfect predictions, 0 for the constant mean, and negative for worse
/// predictions.
///
/// Targets and predictions are `[batch, …, outputs]`, or `[batch]` for one output. The scores of several outputs are
/// averaged. Like `r2_score` of scikit-learn, including its convention for constant targets: 1 for perfect predictions,
/// otherwise 0. NaN for fewer than two samples. `R2Score` of Keras differs only in these cases, where it returns NaN
/// and 0.
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::R2Score};
///
/// let mut score = R2Score::default();
/// score.update(&tensor![1.0, 2.0, 3.0], &tensor![1.0, 2.0, 4.0], None)?;
/// assert_eq!(score.result(), 0.5);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct R2Score {
    variance_weighted: bool,
    regressors: usize,
    samples: usize,
    outputs: Vec<Output>,
}

/// The sums of one output.
#[derive(Clone, Copy, Debug, Default)]
struct Output {
    weight: f64,
    /// The first target.
    origin: f64,
    /// The mean of the targets, relative to the origin.
    mean: f64,
    /// The sum of squared distances of targets from their mean.
    spread: f64,
    errors: f64,
}

impl Output {
    /// Welford's update of mean and spread, relative to the first target, so that no precision is lost if targets are
    /// far from 0.
    fn add(&mut self, target: f64, prediction: f64, weight: f64) {
        if self.weight == 0.0 {
            self.origin = target;
        }
        self.weight += weight;
        let place = target - self.origin;
        let distance = place - self.mean;
        self.mean += distance * weight / self.weight;
        self.spread += weight * distance * (place - self.mean);
        self.errors += weight * (target - prediction).powi(2);
    }

    fn score(&self) -> f64 {
        match (self.errors == 0.0, self.spread == 0.0) {
            (true, true) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - self.errors / self.spread,
        }
    }
}

impl R2Score {
    /// Weights the outputs by the variance of their targets: `"variance_weighted"` of Keras and scikit-learn. By
    /// default all outputs have the same weight.
    #[must_use]
    pub fn variance_weighted(self) -> R2Score {
        R2Score { variance_weighted: true, ..self }
    }

    /// Adjusts the score for the number of independent variables: `1 - (1 - R²) (n - 1) / (n - p - 1)` for n samples
    /// and p variables; NaN if n is at most p + 1. `num_regressors` of Keras.
    #[must_use]
    pub fn regressors(self, regressors: usize) -> R2Score {
        R2Score { regressors, ..self }
    }
}

impl Metric for R2Score {
    fn name(&self) -> &str {
        "r2_score"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        let Some((&last, rest)) = predictions.shape().split_last() else {
            let expected = "needs predictions with a first axis that counts samples";
            return Err(Error::shape("r2_score", predictions.shape(), expected));
        };
        let outputs = if rest.is_empty() { 1 } else { last };
        if !self.outputs.is_empty() && self.outputs.len() != outputs {
            let message = format!("predictions of {outputs} outputs after some of {}", self.outputs.len());
            return Err(Error::argument("r2_score", message));
        }
        let targets = arranged("r2_score", targets, predictions.shape(), predictions.shape())?;
        let weights = weights_of(weights, predictions.shape()).map_err(|error| error.context("r2_score"))?;
        let targets = targets.cast(DType::F64).to_vec::<f64>()?;
        let predictions = predictions.cast(DType::F64).to_vec::<f64>()?;
        self.outputs.resize(outputs, Output::default());
        for (place, (target, prediction)) in targets.into_iter().zip(predictions).enumerate() {
            if weights[place] > 0.0 {
                self.outputs[place % outputs].add(target, prediction, weights[place]);
            }
        }
        let rows = weights.chunks(outputs.max(1));
        self.samples += rows.filter(|row| row.iter().any(|weight| *weight > 0.0)).count();
        Ok(())
    }

    fn result(&self) -> f64 {
        if self.samples < 2 {
            return f64::NAN;
        }
        let weight = |output: &Output| if self.variance_weighted { output.spread } else { 1.0 };
        let total: f64 = self.outputs.iter().map(weight).sum();
        let score = if total == 0.0 {
            // All outputs are constant.
            self.outputs.iter().map(Output::score).sum::<f64>() / self.outputs.len() as f64
        } else {
            self.outputs.iter().map(|output| weight(output) * output.score()).sum::<f64>() / total
        };
        if self.regressors == 0 {
            return score;
        }
        let (samples, regressors) = (self.samples as f64, self.regressors as f64);
        if samples - regressors - 1.0 > 0.0 {
            1.0 - (1.0 - score) * (samples - 1.0) / (samples - regressors - 1.0)
        } else {
            f64::NAN
        }
    }

    fn reset(&mut self) {
        (self.samples, self.outputs) = (0, Vec::new());
    }

    fn state(&self) -> Vec<f64> {
        let numbers = |output: &Output| [output.weight, output.origin, output.mean, output.spread, output.errors];
        std::iter::once(self.samples as f64).chain(self.outputs.iter().flat_map(numbers)).collect()
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        let Some((samples, (outputs, []))) = state.split_first().map(|(n, rest)| (n, rest.as_chunks::<5>())) else {
            return Err(not_the_state("r2_score", state));
        };
        let output =
            |&[weight, origin, mean, spread, errors]: &[f64; 5]| Output { weight, origin, mean, spread, errors };
        (self.samples, self.outputs) = (*samples as usize, outputs.iter().map(output).collect());
        Ok(())
    }
}
