//! Area under the ROC curve.

use tensor::Tensor;

use crate::error::Result;
use crate::metrics::Metric;
use crate::metrics::positives::Average;
use crate::metrics::rankings::Rankings;
use crate::metrics::scores::Scores;

/// The area under the curve of true positives over false positives, over all thresholds. This is the probability that a
/// positive sample has a greater prediction than a negative one, where ties count half (Hanley and McNeil 1982). Only
/// the order of predictions matters, so logits and probabilities give the same result.
///
/// | predictions | targets | compared are |
/// |---|---|---|
/// | `[batch, …, 1]`, or `[batch]` | 0 or 1, of that shape or without the last axis | samples of 1 with those of 0 |
/// | `[batch, …, classes]` | classes `[batch, …]`, or 0 and 1 in the shape of the predictions | samples of a class with the rest, for each class |
///
/// Predictions of more than two classes need an [`Average`]. Equal to `roc_auc_score` of scikit-learn
/// (`multi_class="ovr"`), including NaN if a class has no samples or all of them. `AUC` of Keras uses 200 thresholds,
/// and returns 0 instead of NaN.
///
/// # Memory
/// The result is exact as long as a class has no more than 262,144 different predictions. Beyond
/// this [capacity](RocAuc::capacity) neighbouring ones are joined as if they were tied, so that a
/// class never takes more than 16 MiB; [`RocAuc::uncertainty`] bounds what that may change.
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::RocAuc};
///
/// let mut auc = RocAuc::default();
/// auc.update(&tensor![0, 0, 1, 1], &tensor![0.1, 0.4, 0.35, 0.8], None)?;
/// assert_eq!((auc.result(), auc.uncertainty()), (0.75, 0.0));
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RocAuc {
    rankings: Rankings,
}

impl RocAuc {
    /// Sets how classes are averaged; [`Average::Binary`] by default.
    #[must_use]
    pub fn average(mut self, average: Average) -> RocAuc {
        self.rankings.average = average;
        self
    }

    /// Sets how many distinct predictions of a class are stored, at 64 bytes each.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> RocAuc {
        self.rankings.capacity = capacity;
        self
    }

    /// The maximum error of the result; 0 until the capacity is exceeded.
    pub fn uncertainty(&self) -> f64 {
        self.rankings.average(Scores::uncertainty)
    }
}

impl Metric for RocAuc {
    fn name(&self) -> &str {
        "auc"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.rankings.update("auc", targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        self.rankings.average(Scores::roc_auc)
    }

    gathered_in!(rankings);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    fn message(average: Average, targets: Tensor, predictions: Tensor) -> String {
        RocAuc::default().average(average).update(&targets, &predictions, None).unwrap_err().to_string()
    }

    #[test]
    fn invalid_rankings_are_refused() {
        let three = || tensor![[0.1, 0.2, 0.7]];
        let needs = "auc: predictions of 3 classes need an average: Macro, Micro, Weighted or Class(…)";
        assert_eq!(message(Average::Binary, tensor![0], three()), needs);
        assert_eq!(message(Average::Class(3), tensor![0], three()), "auc: there is no class 3 among 3");
        let none = "auc: the target 3 of sample 0 is not one of the classes 0 to 2; `ignore_class` of a loss does not reach metrics: give such samples the weight 0";
        assert_eq!(message(Average::Macro, tensor![3], three()), none);
        let neither = "auc: the target 2 of sample 0 is neither 0 nor 1";
        assert_eq!(message(Average::Binary, tensor![2], tensor![0.5]), neither);
        let nan = "auc: a prediction of sample 1 is NaN";
        assert_eq!(message(Average::Binary, tensor![1, 0], tensor![0.5, f64::NAN]), nan);
        let scalar = "auc: shape []: needs predictions with a first axis that counts samples";
        assert_eq!(message(Average::Binary, tensor![1], Tensor::scalar(0.5)), scalar);
    }

    #[test]
    fn auc_is_undefined_for_samples_of_one_kind() {
        let mut auc = RocAuc::default();
        assert!(auc.result().is_nan());
        auc.update(&tensor![1, 1], &tensor![0.1, 0.4], None).unwrap();
        assert!(auc.result().is_nan());
        auc.update(&tensor![0], &tensor![0.2], None).unwrap();
        assert_eq!(auc.result(), 0.5);
        auc.reset();
        assert!(auc.result().is_nan());
        auc.update(&tensor![0, 1], &tensor![[0.2, 0.8], [0.3, 0.7]], None).unwrap();
        assert_eq!(auc.result(), 0.0);
    }

    #[test]
    fn samples_of_weight_zero_are_not_looked_at() {
        let mut auc = RocAuc::default().average(Average::Macro);
        let predictions = tensor![[0.8, 0.2], [0.3, 0.7], [f64::NAN, 0.0]];
        auc.update(&tensor![0, 1, -1], &predictions, Some(&tensor![1, 1, 0])).unwrap();
        assert_eq!(auc.result(), 1.0);
    }
}
