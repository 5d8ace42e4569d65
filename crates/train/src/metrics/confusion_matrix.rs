//! Confusion matrices.

use std::fmt;

use tensor::{Error, Tensor};

use crate::error::Result;
use crate::metrics::classes::Decisions;
use crate::metrics::not_the_state;
use crate::metrics::positives::{Average, Count};
use crate::metrics::threshold::Threshold;

/// The maximum number of classes, for which a matrix takes 128 MiB.
const MOST_CLASSES: usize = 4096;

/// The number of samples for each pair of target class and predicted class.
///
/// It is not a [`Metric`](crate::Metric), because it is not a single number. A program updates it with the targets and
/// predictions of its batches, and prints it or the [`report`](ConfusionMatrix::report) of each class. Predictions are
/// `[batch, …, classes]`, or one number per sample for two classes; targets are class indices or one-hot rows, as for
/// [`Accuracy`](crate::Accuracy).
///
/// ```
/// use tensor::tensor;
/// use train::metrics::ConfusionMatrix;
///
/// let mut matrix = ConfusionMatrix::default().names(["cat", "dog"]);
/// let predictions = tensor![[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]];
/// matrix.update(&tensor![0, 0, 1, 1], &predictions, None)?;
/// assert_eq!(matrix.matrix().to_vec::<f64>()?, [1.0, 1.0, 1.0, 1.0]);
/// assert_eq!(
///     matrix.to_string(),
///     "target \\ predicted  cat  dog\n               cat    1    1\n               dog    1    1"
/// );
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConfusionMatrix {
    threshold: Threshold,
    names: Vec<String>,
    classes: usize,
    /// Row-major; a row is a target class.
    counts: Vec<f64>,
}

impl ConfusionMatrix {
    /// Sets the threshold for predictions of one number; 0.5 by default, for probabilities. Set 0 for logits: unlike a
    /// [`Metric`](crate::Metric), a matrix is not told by a trainer what predictions are.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> ConfusionMatrix {
        self.threshold.state(threshold);
        self
    }

    /// [`Metric::set_logits`](crate::Metric::set_logits) for metrics that use a matrix.
    pub(super) fn set_logits(&mut self, logits: bool) {
        self.threshold.set_logits(logits);
    }

    /// Sets the names of the classes in tables. Classes without a name are shown by their index.
    #[must_use]
    pub fn names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> ConfusionMatrix {
        ConfusionMatrix { names: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Adds a batch, with weights as in [`Metric::update`](crate::Metric::update).
    ///
    /// # Errors
    /// Returns an error if shapes do not fit, the number of classes differs from that of earlier batches or exceeds
    /// 4096, a target is not a class, or a weight is negative or not finite.
    pub fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.add("confusion_matrix", targets, predictions, weights)
    }

    /// [`ConfusionMatrix::update`] for a metric.
    pub(super) fn add(
        &mut self,
        metric: &str,
        targets: &Tensor,
        predictions: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<()> {
        let threshold = self.threshold.value();
        let Decisions { classes, samples } = Decisions::new(metric, threshold, targets, predictions, weights)?;
        if classes > MOST_CLASSES {
            return Err(Error::argument(metric, format!("{classes} classes are more than {MOST_CLASSES}")));
        }
        if !self.counts.is_empty() && self.classes != classes {
            let message = format!("predictions of {classes} classes after some of {}", self.classes);
            return Err(Error::argument(metric, message));
        }
        self.classes = classes;
        self.counts.resize(classes * classes, 0.0);
        for (target, predicted, weight) in samples {
            self.counts[target * classes + predicted] += weight;
        }
        Ok(())
    }

    /// The weights of the samples, float64, `[classes, classes]`: a row for each target class, a column for each
    /// predicted class. `[0, 0]` before the first batch.
    pub fn matrix(&self) -> Tensor {
        let shape = [self.classes, self.classes];
        Tensor::from_vec(self.counts.clone(), shape).unwrap_or_else(|_| Tensor::zeros(shape))
    }

    /// Precision, recall and F1-score of each class, and their averages.
    pub fn report(&self) -> Report {
        let rows = self.class_counts();
        let total: f64 = self.counts.iter().sum();
        let right: f64 = (0..self.classes).map(|class| self.at(class, class)).sum();
        let classes = (0..self.classes).zip(&rows).map(|(class, count)| ClassReport::new(self.name(class), *count));
        let classes: Vec<ClassReport> = classes.collect();
        let averaged = |name: &str, average: Average| {
            let of = |of: fn(Count) -> f64| average.of(&rows, of);
            ClassReport {
                name: name.into(),
                precision: of(Count::precision),
                recall: of(Count::recall),
                f1: of(|count| count.f_beta(1.0)),
                support: total,
            }
        };
        let averages = [averaged("macro average", Average::Macro), averaged("weighted average", Average::Weighted)];
        Report { classes, averages, accuracy: right / total }
    }

    /// Resets the matrix.
    pub fn reset(&mut self) {
        self.classes = 0;
        self.counts.clear();
    }

    pub(super) fn state(&self) -> Vec<f64> {
        self.counts.clone()
    }

    pub(super) fn restore(&mut self, state: &[f64]) -> Result<()> {
        let classes = state.len().isqrt();
        if classes * classes != state.len() || classes > MOST_CLASSES {
            return Err(not_the_state("a confusion matrix", state));
        }
        (self.classes, self.counts) = (classes, state.to_vec());
        Ok(())
    }

    /// The weight of the samples of class `target` that are predicted as `predicted`.
    pub(super) fn at(&self, target: usize, predicted: usize) -> f64 {
        self.counts[target * self.classes + predicted]
    }

    /// The weight of the targets and of the predictions of each class.
    pub(super) fn margins(&self) -> Vec<(f64, f64)> {
        let sums = |class| (0..self.classes).map(move |other| (self.at(class, other), self.at(other, class)));
        let margins = |class| sums(class).fold((0.0, 0.0), |(row, column), (r, c)| (row + r, column + c));
        (0..self.classes).map(margins).collect()
    }

    fn class_counts(&self) -> Vec<Count> {
        let margins = self.margins().into_iter().enumerate();
        margins
            .map(|(class, (targets, predictions))| {
                let right = self.at(class, class);
                Count { true_positives: right, false_positives: predictions - right, false_negatives: targets - right }
            })
            .collect()
    }

    fn name(&self, class: usize) -> String {
        self.names.get(class).cloned().unwrap_or_else(|| class.to_string())
    }
}

/// A table of the counts.
impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CORNER: &str = "target \\ predicted";
        let names: Vec<String> = (0..self.classes).map(|class| self.name(class)).collect();
        let width = |text: &String| text.chars().count();
        let first = names.iter().map(width).max().unwrap_or(0).max(CORNER.len());
        let cells: Vec<String> = self.counts.iter().map(|count| weight(*count)).collect();
        let column = |class: usize| {
            let cells = cells[class..].iter().step_by(self.classes).map(width);
            cells.max().unwrap_or(0).max(width(&names[class]))
        };
        let widths: Vec<usize> = (0..self.classes).map(column).collect();
        write!(f, "{CORNER:>first$}")?;
        names.iter().zip(&widths).try_for_each(|(name, width)| write!(f, "  {name:>width$}"))?;
        for (name, row) in names.iter().zip(cells.chunks(self.classes.max(1))) {
            write!(f, "\n{name:>first$}")?;
            row.iter().zip(&widths).try_for_each(|(cell, width)| write!(f, "  {cell:>width$}"))?;
        }
        Ok(())
    }
}

/// Formats a count, or a weight with two decimals.
fn weight(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.2}") }
}

/// Precision, recall and F1-score of each class, like `classification_report` of scikit-learn.
///
/// It prints as a table with a row for each class, followed by the averages.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One of each class, in order.
    pub classes: Vec<ClassReport>,
    /// The averages over classes, [`Average::Macro`] and [`Average::Weighted`].
    pub averages: [ClassReport; 2],
    /// The accuracy; NaN without samples.
    pub accuracy: f64,
}

/// The scores of one class. Each fraction is 0 if its denominator is 0.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassReport {
    /// The class.
    pub name: String,
    /// The fraction of the samples predicted as this class that belong to it.
    pub precision: f64,
    /// The fraction of the samples of this class that are predicted as it.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// The weight of the samples of the class.
    pub support: f64,
}

impl ClassReport {
    fn new(name: String, count: Count) -> ClassReport {
        ClassReport {
            name,
            precision: count.precision(),
            recall: count.recall(),
            f1: count.f_beta(1.0),
            support: count.support(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = || self.classes.iter().chain(&self.averages);
        let first = rows().map(|row| row.name.chars().count()).max().unwrap_or(0);
        write!(f, "{:first$}  precision    recall        f1   support", "")?;
        for ClassReport { name, precision, recall, f1, support } in rows() {
            let support = weight(*support);
            write!(f, "\n{name:>first$}  {precision:>9.4} {recall:>9.4} {f1:>9.4} {support:>9}")?;
        }
        write!(f, "\n{:>first$}  {:>9.4}", "accuracy", self.accuracy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    fn example() -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::default();
        let predictions = tensor![[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.3, 0.7, 0.0], [0.8, 0.2, 0.0]];
        matrix.update(&tensor![0, 0, 1, 0], &predictions, None).unwrap();
        matrix
    }

    #[test]
    fn the_report_prints_as_a_table() {
        let table = "
                  precision    recall        f1   support
               0     1.0000    0.6667    0.8000         3
               1     0.5000    1.0000    0.6667         1
               2     0.0000    0.0000    0.0000         0
   macro average     0.5000    0.5556    0.4889         4
weighted average     0.8750    0.7500    0.7667         4
        accuracy     0.7500";
        assert_eq!(format!("\n{}", example().report()), table);
    }

    #[test]
    fn weights_are_shown_with_two_digits() {
        let mut matrix = ConfusionMatrix::default().names(["no"]);
        let weights = tensor![0.125, 10.0, 1.0];
        matrix.update(&tensor![1, 0, 0], &tensor![0.75, 0.25, 0.75], Some(&weights)).unwrap();
        let table = "
target \\ predicted  no     1
                no  10     1
                 1   0  0.12";
        assert_eq!(format!("\n{matrix}"), table);
    }

    #[test]
    fn it_starts_empty_and_is_empty_after_a_reset() {
        let mut matrix = example();
        assert_eq!(matrix.matrix().to_vec::<f64>().unwrap(), [2.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let error = matrix.update(&tensor![1], &tensor![0.5], None).unwrap_err();
        assert_eq!(error.to_string(), "confusion_matrix: predictions of 2 classes after some of 3");
        matrix.reset();
        assert_eq!((matrix.matrix().shape(), matrix.report().classes.len()), (&[0, 0].into(), 0));
        assert_eq!(matrix.to_string(), "target \\ predicted");
        matrix.update(&tensor![1], &tensor![0.75], None).unwrap();
        assert_eq!(matrix.report().accuracy, 1.0);
        let many = Tensor::zeros([1, 5000]);
        let error = ConfusionMatrix::default().update(&tensor![1], &many, None).unwrap_err();
        assert_eq!(error.to_string(), "confusion_matrix: 5000 classes are more than 4096");
    }
}
