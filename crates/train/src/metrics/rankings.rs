//! Scores of one or several classes for metrics without a threshold.

use tensor::{DType, Error, Tensor};

use crate::error::Result;
use crate::metrics::classes::{arranged, no_class};
use crate::metrics::not_the_state;
use crate::metrics::positives::{Average, truths};
use crate::metrics::scores::Scores;
use crate::metrics::weights::weights_of;

/// The default number of distinct predictions of a class: at most 16 MiB.
const CAPACITY: usize = 1 << 18;

/// The maximum number of classes in a state.
const MOST: usize = u32::MAX as usize;

/// The options and scores of metrics without a threshold.
#[derive(Clone, Debug)]
pub(super) struct Rankings {
    pub(super) average: Average,
    pub(super) capacity: usize,
    /// The scores of each class if the average needs them, otherwise of one class.
    scores: Vec<Scores>,
    /// The number of classes of the predictions so far.
    classes: usize,
}

impl Default for Rankings {
    fn default() -> Rankings {
        Rankings { average: Average::Binary, capacity: CAPACITY, scores: Vec::new(), classes: 0 }
    }
}

impl Rankings {
    pub(super) fn update(
        &mut self,
        metric: &str,
        targets: &Tensor,
        predictions: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<()> {
        let Some((&last, rest)) = predictions.shape().split_last() else {
            let expected = "needs predictions with a first axis that counts samples";
            return Err(Error::shape(metric, predictions.shape(), expected));
        };
        let classes = if rest.is_empty() { 1 } else { last };
        let weights = weights_of(weights, predictions.shape()).map_err(|error| error.context(metric))?;
        let truths = if classes == 1 || targets.shape() == predictions.shape() {
            truths(metric, &arranged(metric, targets, predictions.shape(), predictions.shape())?, &weights)?
        } else {
            let labels = arranged(metric, targets, &rest.into(), predictions.shape())?;
            one_hot(metric, &labels, classes, &weights)?
        };
        let numbers = predictions.cast(DType::F64).to_vec::<f64>()?;
        if let Some(place) = (0..numbers.len()).find(|&place| numbers[place].is_nan() && weights[place] > 0.0) {
            return Err(Error::argument(metric, format!("a prediction of sample {} is NaN", place / classes)));
        }
        self.start(metric, classes)?;
        for (place, (number, positive)) in numbers.into_iter().zip(truths).enumerate() {
            let class = place % classes;
            let column = match self.average {
                Average::Binary => (class + 1 == classes).then_some(0),
                Average::Class(chosen) => (class == chosen).then_some(0),
                Average::Micro => Some(0),
                Average::Macro | Average::Weighted => Some(class),
            };
            if let Some(column) = column.filter(|_| weights[place] > 0.0) {
                self.scores[column].add(number, positive, weights[place]);
            }
        }
        Ok(())
    }

    /// Checks the number of classes against earlier batches and the average.
    fn start(&mut self, metric: &str, classes: usize) -> Result<()> {
        let wrong = match self.average {
            Average::Binary if !(1..=2).contains(&classes) => {
                format!("predictions of {classes} classes need an average: Macro, Micro, Weighted or Class(…)")
            }
            Average::Class(class) if class >= classes => format!("there is no class {class} among {classes}"),
            _ if !self.scores.is_empty() && self.classes != classes => {
                format!("predictions of {classes} classes after some of {}", self.classes)
            }
            Average::Macro | Average::Weighted => {
                self.classes = classes;
                self.scores.resize_with(classes, || Scores::new(self.capacity));
                return Ok(());
            }
            _ => {
                self.classes = classes;
                self.scores.resize_with(1, || Scores::new(self.capacity));
                return Ok(());
            }
        };
        Err(Error::argument(metric, wrong))
    }

    /// The average of a score over classes; NaN before the first batch.
    pub(super) fn average(&self, of: impl Fn(&Scores) -> f64) -> f64 {
        let weight = |scores: &Scores| if self.average == Average::Weighted { scores.totals().0 } else { 1.0 };
        let total: f64 = self.scores.iter().map(weight).sum();
        self.scores.iter().map(|scores| weight(scores) * of(scores)).sum::<f64>() / total
    }

    pub(super) fn reset(&mut self) {
        self.scores.clear();
    }

    /// The number of classes, then for each column the number of bins and the bins.
    pub(super) fn state(&self) -> Vec<f64> {
        let mut state = vec![self.classes as f64];
        self.scores.iter().for_each(|scores| scores.append_state(&mut state));
        state
    }

    pub(super) fn restore(&mut self, state: &[f64]) -> Result<()> {
        let wrong = || not_the_state("a ranking", state);
        let (&classes, mut rest) = state.split_first().ok_or_else(wrong)?;
        let mut scores = Vec::new();
        while !rest.is_empty() {
            let (column, others) = Scores::from_state(self.capacity, rest).ok_or_else(wrong)?;
            scores.push(column);
            rest = others;
        }
        let mut restored = Rankings { scores: Vec::new(), ..self.clone() };
        if !scores.is_empty() {
            // The number of columns for the average and this many classes; `None` if it is out of range.
            let most = if matches!(self.average, Average::Macro | Average::Weighted) { scores.len() } else { MOST };
            if classes < 1.0 || classes > most as f64 {
                return Err(wrong());
            }
            restored.start("restore", classes as usize)?;
            if restored.scores.len() != scores.len() {
                return Err(wrong());
            }
        }
        (restored.classes, restored.scores) = (classes as usize, scores);
        *self = restored;
        Ok(())
    }
}

/// Whether each class of each sample is its target.
fn one_hot(metric: &str, labels: &Tensor, classes: usize, weights: &[f64]) -> Result<Vec<bool>> {
    let mut truths = vec![false; weights.len()];
    for (sample, label) in labels.cast(DType::F64).to_vec::<f64>()?.into_iter().enumerate() {
        let counts = weights[sample * classes..][..classes].iter().any(|weight| *weight > 0.0);
        if label.fract() == 0.0 && (0.0..classes as f64).contains(&label) {
            truths[sample * classes + label as usize] = true;
        } else if counts {
            return Err(no_class(metric, label, labels.shape(), sample, classes));
        }
    }
    Ok(truths)
}
