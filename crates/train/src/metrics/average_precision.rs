//! Average precision.

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::Metric;
use crate::metrics::positives::Average;
use crate::metrics::rankings::Rankings;
use crate::metrics::scores::Scores;

/// The average precision: the precision at each threshold, weighted by the recall that it adds. This is the area under
/// the step curve of precision over recall.
///
/// Equal to `average_precision_score` of scikit-learn, including 0 without positives. `AUC(curve="PR")` of Keras
/// interpolates between 200 thresholds and differs. Shapes, averages and memory are those of
/// [`RocAuc`](crate::metrics::RocAuc).
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::AveragePrecision};
///
/// let mut precision = AveragePrecision::default();
/// precision.update(&tensor![0, 0, 1, 1], &tensor![0.1, 0.4, 0.35, 0.8], None)?;
/// assert_eq!(precision.result(), (1.0 + 2.0 / 3.0) / 2.0);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AveragePrecision {
    rankings: Rankings,
}

impl AveragePrecision {
    /// Sets how classes are averaged; [`Average::Binary`] by default.
    #[must_use]
    pub fn average(mut self, average: Average) -> AveragePrecision {
        self.rankings.average = average;
        self
    }

    /// Sets how many distinct predictions of a class are stored, at 64 bytes each.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> AveragePrecision {
        self.rankings.capacity = capacity;
        self
    }
}

impl Metric for AveragePrecision {
    fn name(&self) -> &str {
        "average_precision"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.rankings.update("average_precision", targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        self.rankings.average(Scores::average_precision)
    }

    gathered_in!(rankings);
}
