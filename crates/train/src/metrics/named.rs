//! Renamed metrics.

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::Metric;

/// A renamed metric, created by [`Metric::named`].
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::Precision};
///
/// let mut strict = Precision::default().threshold(0.9).named("precision_at_0.9");
/// strict.update(&tensor![1, 0], &tensor![0.95, 0.6], None)?;
/// assert_eq!((strict.name(), strict.result()), ("precision_at_0.9", 1.0));
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Named<M> {
    metric: M,
    name: String,
}

impl<M> Named<M> {
    pub(super) fn new(metric: M, name: String) -> Named<M> {
        Named { metric, name }
    }
}

impl<M: Metric> Metric for Named<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.metric.update(targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        self.metric.result()
    }

    threshold_in!(metric);
    gathered_in!(metric);
}
