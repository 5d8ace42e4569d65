//! The loss and the metrics of an epoch.

use data::{Batch, escaped};
use tensor::no_record;

use crate::error::{Error, Result, TrainError};
use crate::history::{EPOCH_COLUMN, Score};
use crate::metrics::{Metric, Running};
use crate::objective::Outcome;
use crate::state_dict::check_unique;

/// Gathers the mean loss and the metrics batch by batch.
#[derive(Default)]
pub(crate) struct Meter<'a> {
    pub(crate) loss: Running,
    pub(crate) metrics: Vec<Box<dyn Metric + 'a>>,
}

impl Meter<'_> {
    /// A meter that borrows the metrics of this one.
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

    /// The results since the last reset.
    pub(crate) fn score(&self) -> Score {
        let metrics = self.metrics.iter().map(|metric| (metric.name().to_owned(), metric.result())).collect();
        Score { loss: self.loss.mean(), metrics }
    }

    /// The results of `data` since the last reset.
    ///
    /// # Errors
    /// Returns an error if there were no samples.
    pub(crate) fn score_of(&self, data: &str) -> Result<Score> {
        if self.loss.is_empty() { Err(no_samples(data)) } else { Ok(self.score()) }
    }

    /// Checks the names of the metrics.
    pub(crate) fn check(&self) -> Result<()> {
        let names = || self.metrics.iter().map(|metric| metric.name());
        check_unique("metrics", std::iter::once("loss").chain(names()))?;
        match names().find(|name| *name == EPOCH_COLUMN) {
            Some(name) => Err(TrainError::trainer(format!(
                "a metric is named {}, like the column of epoch numbers in logs; rename it by Metric::named",
                escaped(name)
            ))),
            None => Ok(()),
        }
    }
}

/// The error for data without samples.
pub(crate) fn no_samples(data: &str) -> Error {
    TrainError::trainer(format!("{data} has no samples; at least one is required"))
}
