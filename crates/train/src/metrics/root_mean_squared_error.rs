//! Root mean squared error.

use nn::MeanSquaredError;
use tensor::Tensor;

use crate::error::Result;
use crate::metrics::{Mean, Metric};

/// The square root of the mean of `(p - t)²` over all numbers `[batch, …, n]` of all batches, in the unit of the
/// targets. Like `RootMeanSquaredError` of Keras.
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::RootMeanSquaredError};
///
/// let mut error = RootMeanSquaredError::default();
/// error.update(&tensor![[1.0], [2.0]], &tensor![[4.0], [6.0]], None)?;
/// assert_eq!(error.result(), 12.5_f64.sqrt());
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Debug)]
pub struct RootMeanSquaredError {
    squared: Mean,
}

impl Default for RootMeanSquaredError {
    fn default() -> RootMeanSquaredError {
        RootMeanSquaredError { squared: Mean::loss(MeanSquaredError) }
    }
}

impl Metric for RootMeanSquaredError {
    fn name(&self) -> &str {
        "root_mean_squared_error"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.squared.update(targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        self.squared.result().sqrt()
    }

    gathered_in!(squared);
}
