//! The mean of a function of targets and predictions.

use std::fmt;

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::{Metric, Running};

type Function = Box<dyn Fn(&Tensor, &Tensor) -> tensor::Result<Tensor>>;

/// The mean of a function over all samples: any loss as a metric. The mean is over all numbers
/// that the function returns, one a sample usually.
///
/// ```
/// use tensor::tensor;
/// use train::{Mean, Metric};
///
/// let mut error = Mean::of("mae", |targets, predictions| Ok(targets.try_sub(predictions)?.abs()));
/// error.update(&tensor![1.0, 2.0], &tensor![1.0, 5.0], None)?;
/// error.update(&tensor![3.0], &tensor![3.0], None)?;
/// assert_eq!(error.result(), 1.0);
/// # Ok::<(), train::Error>(())
/// ```
pub struct Mean {
    name: String,
    function: Function,
    running: Running,
}

impl Mean {
    /// The mean of `function(targets, predictions)` under this name.
    pub fn of(
        name: impl Into<String>,
        function: impl Fn(&Tensor, &Tensor) -> tensor::Result<Tensor> + 'static,
    ) -> Mean {
        Mean { name: name.into(), function: Box::new(function), running: Running::default() }
    }
}

impl Metric for Mean {
    fn name(&self) -> &str {
        &self.name
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, _weights: Option<&Tensor>) -> Result<()> {
        let values = (self.function)(targets, predictions).map_err(|error| error.context(self.name.as_str()))?;
        self.running.add(values.mean().item()?, values.size());
        Ok(())
    }

    fn result(&self) -> f64 {
        self.running.mean()
    }

    fn reset(&mut self) {
        self.running = Running::default();
    }
}

impl fmt::Debug for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mean").field("name", &self.name).field("running", &self.running).finish_non_exhaustive()
    }
}
