//! The mean of a function of targets and predictions.

use std::fmt;

use nn::Loss;
use tensor::Tensor;

use crate::error::Result;
use crate::metrics::{Metric, Running};

/// The mean of a loss or another function over all samples, that is over all numbers that it returns, usually one per
/// sample. Samples that a loss ignores are left out.
///
/// This replaces the metrics of Keras that are means of losses: `Mean::loss(MeanSquaredError)` is
/// `metrics.MeanSquaredError()` there, and `Mean::loss(SparseCategoricalCrossentropy::default())` is `log_loss` of
/// scikit-learn.
///
/// ```
/// use nn::MeanAbsoluteError;
/// use tensor::tensor;
/// use train::{Mean, Metric};
///
/// let mut error = Mean::loss(MeanAbsoluteError);
/// error.update(&tensor![[1.0], [2.0]], &tensor![[1.0], [5.0]], None)?;
/// error.update(&tensor![[3.0]], &tensor![[3.0]], None)?;
/// assert_eq!((error.name(), error.result()), ("mean_absolute_error", 1.0));
///
/// let mut bias = Mean::of("bias", |targets, predictions| predictions.try_sub(targets));
/// bias.update(&tensor![1.0, 2.0], &tensor![1.5, 0.0], Some(&tensor![3.0, 1.0]))?;
/// assert_eq!(bias.result(), (3.0 * 0.5 - 2.0) / 4.0);
/// # Ok::<(), train::Error>(())
/// ```
pub struct Mean {
    name: String,
    loss: Box<dyn Loss>,
    running: Running,
}

impl Mean {
    /// The mean of `function(targets, predictions)`, with this name.
    pub fn of(
        name: impl Into<String>,
        function: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Mean {
        Mean { name: name.into(), loss: Box::new(function), running: Running::default() }
    }

    /// The mean of a loss, with the name of the loss.
    pub fn loss(loss: impl Loss + 'static) -> Mean {
        Mean { name: loss.name().into(), loss: Box::new(loss), running: Running::default() }
    }

    /// The mean cosine of the angle between targets and predictions `[…, n]`, between -1 and 1, named
    /// `cosine_similarity`. Like the metric of Keras; the loss has the opposite sign.
    pub fn cosine_similarity() -> Mean {
        Mean::of("cosine_similarity", |targets, predictions| nn::cosine_similarity(targets, predictions)?.try_neg())
    }
}

impl Metric for Mean {
    fn name(&self) -> &str {
        &self.name
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        let values = self.loss.loss(targets, predictions).and_then(|values| {
            let counted = self.loss.counted(targets, &values)?;
            self.running.add_counted(&values, counted.as_ref(), weights)
        });
        values.map_err(|error| error.context(self.name.as_str()))
    }

    fn result(&self) -> f64 {
        self.running.mean()
    }

    gathered_in!(running);
}

impl fmt::Debug for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mean").field("name", &self.name).field("running", &self.running).finish_non_exhaustive()
    }
}
