//! Matthews' correlation coefficient.

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::{ConfusionMatrix, Metric};

/// Matthews' correlation coefficient (Gorodkin 2004 for more than two classes): 1 for perfect predictions and about 0
/// for random ones, however unbalanced the classes are.
///
/// Like `matthews_corrcoef` of scikit-learn: 0 if all targets or all predictions are of one class. NaN before the first
/// batch. Shapes are those of [`ConfusionMatrix`].
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::MatthewsCorrelation};
///
/// let mut correlation = MatthewsCorrelation::default();
/// correlation.update(&tensor![1, 1, 1, 0], &tensor![0.9, 0.2, 0.8, 0.6], None)?;
/// assert_eq!(correlation.result(), -1.0 / 3.0);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MatthewsCorrelation {
    matrix: ConfusionMatrix,
}

impl MatthewsCorrelation {
    /// Sets the threshold for predictions of one number, which are not transformed first. The default is 0.5, or 0 if
    /// predictions are [logits](Metric::set_logits).
    #[must_use]
    pub fn threshold(self, threshold: f64) -> MatthewsCorrelation {
        MatthewsCorrelation { matrix: self.matrix.threshold(threshold) }
    }
}

impl Metric for MatthewsCorrelation {
    fn name(&self) -> &str {
        "matthews_corrcoef"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.matrix.add("matthews_corrcoef", targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        let margins = self.matrix.margins();
        if margins.is_empty() {
            return f64::NAN;
        }
        let total: f64 = margins.iter().map(|(targets, _)| targets).sum();
        let right: f64 = (0..margins.len()).map(|class| self.matrix.at(class, class)).sum();
        let sum = |of: fn(&(f64, f64)) -> f64| margins.iter().map(of).sum::<f64>();
        let covariance = right * total - sum(|(targets, predictions)| targets * predictions);
        let target_variance = total * total - sum(|(targets, _)| targets * targets);
        let prediction_variance = total * total - sum(|(_, predictions)| predictions * predictions);
        let scale = (target_variance * prediction_variance).sqrt();
        if scale > 0.0 { covariance / scale } else { 0.0 }
    }

    threshold_in!(matrix);
    gathered_in!(matrix);
}
