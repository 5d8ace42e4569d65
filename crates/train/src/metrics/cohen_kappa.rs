//! Cohen's kappa.

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::{ConfusionMatrix, Metric};

/// The weight of a confusion of two classes: `weights` of scikit-learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disagreement {
    /// The same for all pairs of classes.
    #[default]
    Different,
    /// The distance of the class indices, for ordered classes.
    Linear,
    /// The square of this distance.
    Quadratic,
}

impl Disagreement {
    fn of(self, a: usize, b: usize) -> f64 {
        let distance = a.abs_diff(b) as f64;
        match self {
            Disagreement::Different => distance.min(1.0),
            Disagreement::Linear => distance,
            Disagreement::Quadratic => distance * distance,
        }
    }
}

/// Cohen's kappa (Cohen 1960, 1968): 1 minus the ratio of the observed disagreement to that of random predictions with
/// the same class frequencies. It is 1 for perfect predictions and about 0 for random ones.
///
/// Like `cohen_kappa_score` of scikit-learn: NaN if targets and predictions are all of one class, and before the first
/// batch. Shapes are those of [`ConfusionMatrix`].
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::CohenKappa};
///
/// let mut kappa = CohenKappa::default();
/// kappa.update(&tensor![1, 1, 0, 0], &tensor![0.9, 0.2, 0.4, 0.1], None)?;
/// assert_eq!(kappa.result(), 0.5);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CohenKappa {
    matrix: ConfusionMatrix,
    disagreement: Disagreement,
}

impl CohenKappa {
    /// Sets the weights of confusions; [`Disagreement::Different`] by default.
    #[must_use]
    pub fn disagreement(self, disagreement: Disagreement) -> CohenKappa {
        CohenKappa { disagreement, ..self }
    }

    /// Sets the threshold for predictions of one number, which are not transformed first. The default is 0.5, or 0 if
    /// predictions are [logits](Metric::set_logits).
    #[must_use]
    pub fn threshold(self, threshold: f64) -> CohenKappa {
        CohenKappa { matrix: self.matrix.threshold(threshold), ..self }
    }
}

impl Metric for CohenKappa {
    fn name(&self) -> &str {
        "cohen_kappa"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.matrix.add("cohen_kappa", targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        let margins = self.matrix.margins();
        let total: f64 = margins.iter().map(|(targets, _)| targets).sum();
        let (mut found, mut by_chance) = (0.0, 0.0);
        for (target, (targets, _)) in margins.iter().enumerate() {
            for (predicted, (_, predictions)) in margins.iter().enumerate() {
                let disagreement = self.disagreement.of(target, predicted);
                found += disagreement * self.matrix.at(target, predicted);
                by_chance += disagreement * targets * predictions;
            }
        }
        1.0 - found * total / by_chance
    }

    threshold_in!(matrix);
    gathered_in!(matrix);
}
