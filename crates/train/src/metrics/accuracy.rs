//! Accuracy.

use tensor::{DType, Tensor};

use crate::error::Result;
use crate::metrics::classes::classes;
use crate::metrics::threshold::Threshold;
use crate::metrics::{Metric, Running};

/// The fraction of correct predictions. The shapes decide what is correct, as in Keras:
///
/// | predictions | targets | right is |
/// |---|---|---|
/// | `[batch, …, 1]`, or `[batch]` | the same shape, or without the last axis | above the threshold where the target is 1, not above it where it is 0 |
/// | `[batch, …, classes]` | `[batch, …]` or `[batch, …, 1]`, numbers of classes | the greatest is that of the target |
/// | `[batch, …, classes]` | `[batch, …, classes]`, one-hot or probabilities | the greatest is that of the targets |
///
/// Among several equal maxima the first one counts. Targets may have any element type. This covers `BinaryAccuracy`,
/// `CategoricalAccuracy` and `SparseCategoricalAccuracy` of Keras, like `"accuracy"` there. For several yes-or-no
/// decisions per sample see [`BinaryAccuracy`](crate::metrics::BinaryAccuracy).
#[derive(Clone, Debug, Default)]
pub struct Accuracy {
    threshold: Threshold,
    running: Running,
}

impl Accuracy {
    /// Sets the threshold for predictions of one number, which are not transformed first. The default is 0.5, or 0 if
    /// predictions are [logits](Metric::set_logits).
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Accuracy {
        self.threshold.state(threshold);
        self
    }
}

impl Metric for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        let (targets, chosen) = classes(self.name(), targets, predictions, self.threshold.value())?;
        // Labels are compared exactly: 2.5 is not a class, and 300 does not wrap in a byte.
        let matches = if targets.dtype().is_float() {
            chosen.cast(targets.dtype()).equal(&targets)?
        } else {
            chosen.equal(targets.cast(DType::I64))?
        };
        self.running.add_values(&matches, weights).map_err(|error| error.context("accuracy"))
    }

    fn result(&self) -> f64 {
        self.running.mean()
    }

    threshold_in!(threshold);
    gathered_in!(running);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    fn accuracy(targets: Tensor, predictions: &Tensor) -> f64 {
        let mut accuracy = Accuracy::default();
        accuracy.update(&targets, predictions, None).unwrap();
        accuracy.result()
    }

    #[test]
    fn labels_of_every_type_and_shape() {
        let predictions = tensor![[0.1, 0.9, 0.0], [0.5, 0.5, 0.0], [0.0, 0.3, 0.7], [1.0, 0.0, 0.0]];
        for dtype in [DType::U8, DType::I64, DType::F32, DType::F64] {
            assert_eq!(accuracy(tensor![1, 0, 1, 0].cast(dtype), &predictions), 0.75);
            assert_eq!(accuracy(tensor![[1], [1], [2], [0]].cast(dtype), &predictions), 0.75);
        }
        let one_hot = tensor![[0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]];
        assert_eq!(accuracy(one_hot, &predictions), 0.5);
        assert_eq!(accuracy(tensor![1.5, 0.0, 1.0, 2.0], &predictions), 0.25);
    }

    #[test]
    fn sequences_have_a_label_a_step() {
        let predictions = tensor![[[0.1, 0.9], [0.8, 0.2]], [[0.6, 0.4], [0.3, 0.7]]];
        assert_eq!(accuracy(tensor![[1, 0], [1, 0]], &predictions), 0.5);
    }

    #[test]
    fn single_numbers_are_compared_with_a_threshold() {
        let predictions = tensor![[0.6], [0.5], [0.4], [0.9]];
        assert_eq!(accuracy(tensor![[1], [1], [0], [0]], &predictions), 0.5);
        assert_eq!(accuracy(tensor![true, false, false, true], &predictions), 1.0);
        assert_eq!(accuracy(tensor![1.0, 0.0], &tensor![0.7, 0.8]), 0.5);
        let mut logits = Accuracy::default().threshold(0.0);
        logits.update(&tensor![[1], [0]], &tensor![[0.2], [-0.2]], None).unwrap();
        assert_eq!(logits.result(), 1.0);
    }

    #[test]
    fn batches_count_by_their_size_until_a_reset() {
        let mut accuracy = Accuracy::default();
        assert!(accuracy.result().is_nan());
        accuracy.update(&tensor![0, 0, 0], &tensor![[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], None).unwrap();
        accuracy.update(&tensor![1], &tensor![[1.0, 0.0]], None).unwrap();
        assert_eq!(accuracy.result(), 0.75);
        accuracy.reset();
        accuracy.update(&tensor![1], &tensor![[1.0, 0.0]], None).unwrap();
        assert_eq!(accuracy.result(), 0.0);
    }

    #[test]
    fn samples_count_by_their_weights() {
        let mut accuracy = Accuracy::default();
        let predictions = tensor![[[0.1, 0.9], [0.8, 0.2]], [[0.6, 0.4], [0.3, 0.7]]];
        let labels = tensor![[1, 1], [0, 0]];
        accuracy.update(&labels, &predictions, Some(&tensor![[1.0, 0.0], [2.0, 1.0]])).unwrap();
        assert_eq!(accuracy.result(), 0.75);
        accuracy.update(&labels, &predictions, Some(&tensor![0.0, 4.0])).unwrap();
        assert_eq!(accuracy.result(), (3.0 + 4.0) / (4.0 + 8.0));
    }

    #[test]
    fn shapes_that_do_not_go_together_are_refused() {
        let mut accuracy = Accuracy::default();
        let mut message = |targets: Tensor, predictions: Tensor| {
            accuracy.update(&targets, &predictions, None).unwrap_err().to_string()
        };
        assert_eq!(
            message(tensor![0, 1], tensor![[0.5, 0.5]]),
            "accuracy: shape [2]: of the targets does not go with that of the predictions, [1, 2]"
        );
        assert_eq!(
            message(tensor![1], Tensor::scalar(0.5)),
            "accuracy: shape []: needs predictions with a first axis that counts samples"
        );
    }
}
