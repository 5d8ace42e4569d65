//! What is measured of an epoch.

use data::{Batch, Batches};
use tensor::no_record;

use crate::error::{Error, Result, TrainError};
use crate::history::Score;
use crate::metrics::{Metric, Running};
use crate::state::unique;
use crate::step::{Objective, Outcome};

/// The mean loss and the metrics.
#[derive(Default)]
pub(crate) struct Meter<'a> {
    pub(crate) loss: Running,
    pub(crate) metrics: Vec<Box<dyn Metric + 'a>>,
}

impl Meter<'_> {
    /// One with the same metrics, lent.
    pub(crate) fn lend(&mut self) -> Meter<'_> {
        let lent = self.metrics.iter_mut().map(|metric| Box::new(&mut **metric) as Box<dyn Metric + '_>);
        Meter { loss: Running::default(), metrics: lent.collect() }
    }

    pub(crate) fn reset(&mut self) {
        self.loss.reset();
        self.metrics.iter_mut().for_each(|metric| metric.reset());
    }

    pub(crate) fn update(&mut self, batch: &Batch, outcome: &Outcome) -> Result<()> {
        self.loss.add(outcome.loss, batch.len());
        let weights = outcome.weights.as_ref();
        no_record(|| {
            self.metrics.iter_mut().try_for_each(|metric| metric.update(&batch.targets, &outcome.predictions, weights))
        })
    }

    /// What was measured since the last reset.
    pub(crate) fn score(&self) -> Score {
        let metrics = self.metrics.iter().map(|metric| (metric.name().to_owned(), metric.result())).collect();
        Score { loss: self.loss.mean(), metrics }
    }

    /// What was measured of this data since the last reset.
    ///
    /// # Errors
    /// Returns an error if there was nothing to measure.
    pub(crate) fn score_of(&self, data: &str) -> Result<Score> {
        if self.loss.is_empty() { Err(no_samples(data)) } else { Ok(self.score()) }
    }

    /// Measures the samples of pass 0.
    pub(crate) fn evaluate(&mut self, objective: &Objective<'_>, batches: Batches<'_>) -> Result<Score> {
        self.reset();
        for batch in batches.epoch(0)? {
            let batch = batch?;
            self.update(&batch, &objective.evaluate(&batch)?)?;
        }
        self.score_of("evaluate: the data")
    }

    pub(crate) fn check(&self) -> Result<()> {
        unique("metrics", std::iter::once("loss").chain(self.metrics.iter().map(|metric| metric.name())))
    }
}

/// The error for data without samples.
pub(crate) fn no_samples(data: &str) -> Error {
    TrainError::trainer(format!("{data} has no samples; one at least is needed"))
}
