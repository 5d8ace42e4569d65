//! F-scores.

use tensor::Tensor;

use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::metrics::positives::{Average, Positives};

/// The F-score (van Rijsbergen 1979): `(1 + β²) P R / (β² P + R)` with precision P and recall R, where recall counts β
/// times as much. 0 without true and predicted positives, as in Keras and scikit-learn. The default is [`FBeta::f1`],
/// the harmonic mean.
///
/// Shapes, threshold and averages are those of [`Precision`](crate::metrics::Precision).
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::FBeta};
///
/// let mut f1 = FBeta::f1();
/// f1.update(&tensor![1, 1, 1, 0], &tensor![0.9, 0.2, 0.6, 0.7], None)?;
/// assert_eq!((f1.name(), f1.result()), ("f1_score", 2.0 / 3.0));
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FBeta {
    beta: f64,
    positives: Positives,
}

impl FBeta {
    /// The F1-score, named `f1_score`.
    pub fn f1() -> FBeta {
        FBeta::beta(1.0)
    }

    /// The score for this β, named `fbeta_score` unless β is 1.
    pub fn beta(beta: f64) -> FBeta {
        FBeta { beta, positives: Positives::default() }
    }

    /// Sets how classes are averaged; [`Average::Binary`] by default.
    #[must_use]
    pub fn average(mut self, average: Average) -> FBeta {
        self.positives.average = average;
        self
    }

    /// Sets the threshold above which a prediction is positive. Predictions are not transformed first. With a
    /// threshold, several numbers per sample are independent labels instead of classes. Without it, single numbers are
    /// compared with 0.5, or with 0 if they are [logits](Metric::set_logits).
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> FBeta {
        self.positives.threshold.state(threshold);
        self
    }
}

impl Default for FBeta {
    fn default() -> FBeta {
        FBeta::f1()
    }
}

fn name(beta: f64) -> &'static str {
    if beta == 1.0 { "f1_score" } else { "fbeta_score" }
}

impl Metric for FBeta {
    fn name(&self) -> &str {
        name(self.beta)
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        if !(self.beta > 0.0 && self.beta.is_finite()) {
            return Err(Error::argument("fbeta_score", format!("beta {:?} must be positive", self.beta)));
        }
        self.positives.update(name(self.beta), targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        self.positives.average(|count| count.f_beta(self.beta))
    }

    threshold_in!(positives);
    gathered_in!(positives);
}
