//! Counts of true and false positives for precision, recall and F-scores.

use tensor::{DType, Error, Tensor};

use crate::error::Result;
use crate::metrics::classes::{Decisions, above, arranged, place};
use crate::metrics::not_the_state;
use crate::metrics::threshold::Threshold;
use crate::metrics::weights::weights_of;

/// How the scores of several classes are averaged, with the names of scikit-learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Average {
    /// The score of class 1 of two: for predictions of one number or of two classes.
    #[default]
    Binary,
    /// The score of this class: `class_id` of Keras.
    Class(usize),
    /// The mean over all classes, including those without samples, as in Keras (in scikit-learn with
    /// `labels=range(classes)`).
    Macro,
    /// The score of all decisions together. If each sample has one class, precision, recall and F-score then all equal
    /// the accuracy.
    Micro,
    /// The mean over classes, each weighted by its share of the targets.
    Weighted,
}

impl Average {
    /// The average of a score over these classes, which must fit.
    pub(super) fn of(self, counts: &[Count], of: impl Fn(Count) -> f64) -> f64 {
        let values = || counts.iter().map(|count| of(*count));
        match self {
            Average::Binary => of(counts[1]),
            Average::Class(class) => of(counts[class]),
            Average::Macro => values().sum::<f64>() / counts.len() as f64,
            Average::Micro => of(counts.iter().copied().fold(Count::default(), Count::plus)),
            Average::Weighted => {
                let support: f64 = counts.iter().map(|count| count.support()).sum();
                ratio(values().zip(counts).map(|(value, count)| count.support() * value).sum(), support)
            }
        }
    }
}

/// The weights of the samples of one class by target and prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Count {
    pub(super) true_positives: f64,
    pub(super) false_positives: f64,
    pub(super) false_negatives: f64,
}

impl Count {
    /// The samples of the class.
    pub(super) fn support(self) -> f64 {
        self.true_positives + self.false_negatives
    }

    /// The fraction of the samples predicted as this class that belong to it.
    pub(super) fn precision(self) -> f64 {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }

    /// The fraction of the samples of this class that are predicted as it.
    pub(super) fn recall(self) -> f64 {
        ratio(self.true_positives, self.support())
    }

    /// `(1 + β²) P R / (β² P + R)` of precision P and recall R, without dividing by either.
    pub(super) fn f_beta(self, beta: f64) -> f64 {
        let square = beta * beta;
        let hits = (1.0 + square) * self.true_positives;
        ratio(hits, hits + square * self.false_negatives + self.false_positives)
    }

    fn plus(self, other: Count) -> Count {
        Count {
            true_positives: self.true_positives + other.true_positives,
            false_positives: self.false_positives + other.false_positives,
            false_negatives: self.false_negatives + other.false_negatives,
        }
    }
}

/// A fraction; 0 if the denominator is 0.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// The options and counts of precision, recall and F-score.
#[derive(Clone, Debug, Default)]
pub(super) struct Positives {
    pub(super) average: Average,
    pub(super) threshold: Threshold,
    counts: Vec<Count>,
}

impl Positives {
    pub(super) fn update(
        &mut self,
        metric: &str,
        targets: &Tensor,
        predictions: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<()> {
        let several = predictions.rank() > 1 && predictions.shape().last() != Some(&1);
        match self.threshold.stated() {
            Some(threshold) if several => self.add_labels(metric, threshold, targets, predictions, weights),
            _ => {
                let decisions = Decisions::new(metric, self.threshold.value(), targets, predictions, weights)?;
                self.start(metric, decisions.classes)?;
                for (target, predicted, weight) in decisions.samples {
                    if target == predicted {
                        self.counts[target].true_positives += weight;
                    } else {
                        self.counts[target].false_negatives += weight;
                        self.counts[predicted].false_positives += weight;
                    }
                }
                Ok(())
            }
        }
    }

    /// Counts predictions `[…, labels]`, where each number is a decision.
    fn add_labels(
        &mut self,
        metric: &str,
        threshold: f64,
        targets: &Tensor,
        predictions: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<()> {
        let targets = arranged(metric, targets, predictions.shape(), predictions.shape())?;
        let weights = weights_of(weights, predictions.shape()).map_err(|error| error.context(metric))?;
        let targets = truths(metric, &targets, &weights)?;
        let predictions = above(metric, predictions, threshold)?;
        let labels = predictions.shape()[predictions.rank() - 1];
        self.start(metric, labels)?;
        for (place, (predicted, weight)) in predictions.to_vec::<bool>()?.into_iter().zip(weights).enumerate() {
            let count = &mut self.counts[place % labels];
            match (targets[place], predicted) {
                (true, true) => count.true_positives += weight,
                (true, false) => count.false_negatives += weight,
                (false, true) => count.false_positives += weight,
                (false, false) => {}
            }
        }
        Ok(())
    }

    /// Checks the number of classes against earlier batches and the average.
    fn start(&mut self, metric: &str, classes: usize) -> Result<()> {
        let wrong = match self.average {
            Average::Binary if classes != 2 => {
                format!("predictions of {classes} classes need an average: Macro, Micro, Weighted or Class(…)")
            }
            Average::Class(class) if class >= classes => format!("there is no class {class} among {classes}"),
            _ if !self.counts.is_empty() && self.counts.len() != classes => {
                format!("predictions of {classes} classes after some of {}", self.counts.len())
            }
            _ => {
                self.counts.resize(classes, Count::default());
                return Ok(());
            }
        };
        Err(Error::argument(metric, wrong))
    }

    /// The average of a score over classes; NaN before the first batch.
    pub(super) fn average(&self, of: impl Fn(Count) -> f64) -> f64 {
        if self.counts.is_empty() {
            return f64::NAN;
        }
        self.average.of(&self.counts, of)
    }

    pub(super) fn set_logits(&mut self, logits: bool) {
        self.threshold.set_logits(logits);
    }

    pub(super) fn reset(&mut self) {
        self.counts.clear();
    }

    pub(super) fn state(&self) -> Vec<f64> {
        let numbers = |count: &Count| [count.true_positives, count.false_positives, count.false_negatives];
        self.counts.iter().flat_map(numbers).collect()
    }

    pub(super) fn restore(&mut self, state: &[f64]) -> Result<()> {
        let (counts, []) = state.as_chunks::<3>() else { return Err(not_the_state("true and false positives", state)) };
        let mut restored = Positives { counts: Vec::new(), ..self.clone() };
        if !counts.is_empty() {
            restored.start("restore", counts.len())?;
        }
        let count = |&[true_positives, false_positives, false_negatives]: &[f64; 3]| Count {
            true_positives,
            false_positives,
            false_negatives,
        };
        restored.counts = counts.iter().map(count).collect();
        *self = restored;
        Ok(())
    }
}

/// Targets as booleans. Targets with weight 0 are ignored and may have any value.
pub(super) fn truths(metric: &str, targets: &Tensor, weights: &[f64]) -> Result<Vec<bool>> {
    let shape = targets.shape();
    let targets = targets.cast(DType::F64).to_vec::<f64>()?;
    let truth = |(k, (&target, &weight)): (usize, (&f64, &f64))| match target {
        0.0 | 1.0 => Ok(target == 1.0),
        _ if weight == 0.0 => Ok(false),
        _ => Err(Error::argument(metric, format!("the target {target} {} is neither 0 nor 1", place(shape, k)))),
    };
    targets.iter().zip(weights).enumerate().map(truth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    #[test]
    fn averages_and_classes_that_do_not_go_together_are_refused() {
        let three = tensor![[0.1, 0.2, 0.7]];
        let message = |average, predictions: &Tensor| {
            let mut positives = Positives { average, ..Positives::default() };
            positives.update("recall", &tensor![0], predictions, None).unwrap_err().to_string()
        };
        assert_eq!(
            message(Average::Binary, &three),
            "recall: predictions of 3 classes need an average: Macro, Micro, Weighted or Class(…)"
        );
        assert_eq!(message(Average::Class(3), &three), "recall: there is no class 3 among 3");
        let mut positives = Positives { average: Average::Macro, ..Positives::default() };
        positives.update("recall", &tensor![0], &three, None).unwrap();
        let error = positives.update("recall", &tensor![0], &tensor![[0.1, 0.9]], None).unwrap_err();
        assert_eq!(error.to_string(), "recall: predictions of 2 classes after some of 3");
        positives.reset();
        positives.update("recall", &tensor![0], &tensor![[0.1, 0.9]], None).unwrap();
    }

    #[test]
    fn several_labels_must_be_true_or_false() {
        let mut positives = Positives { average: Average::Micro, ..Positives::default() };
        positives.threshold.state(0.5);
        let predictions = tensor![[0.9, 0.9, 0.1], [0.1, 0.6, 0.7]];
        let error = positives.update("recall", &tensor![[1, 0, 2], [0, 0, 1]], &predictions, None).unwrap_err();
        assert_eq!(error.to_string(), "recall: the target 2 at [0, 2] is neither 0 nor 1");
        let weights = tensor![[1.0, 2.0, 0.0], [1.0, 4.0, 8.0]];
        positives.update("recall", &tensor![[1, 0, 2], [1, 0, 1]], &predictions, Some(&weights)).unwrap();
        assert_eq!(positives.average(Count::recall), 9.0 / 10.0);
        assert_eq!(positives.average(Count::precision), 9.0 / 15.0);
    }
}
