//! The loop of a fit.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use data::{Batch, Batches, Epoch, Samples};
use optim::GradientAccumulator;

use crate::checkpoint::Checkpoint;
use crate::checkpoints::Checkpoints;
use crate::error::{Error, Result};
use crate::fit::{BatchEnd, Fit};
use crate::history::{History, Score};
use crate::meter::Meter;
use crate::progress::{Progress, Verbose};
use crate::step::Objective;
use crate::trainer::Trainer;
use crate::training::Training;

/// A fit under way.
pub(crate) struct Run<'r> {
    objective: &'r Objective<'r>,
    pub(crate) meter: &'r mut Meter,
    pub(crate) training: Training<'r>,
    pub(crate) accumulator: GradientAccumulator,
    /// How many samples of this epoch's pass were drawn.
    pub(crate) drawn: usize,
    batches: Batches<'r>,
    validation: Option<Batches<'r>>,
    epochs: usize,
    steps_per_epoch: usize,
    checkpoints: Option<Checkpoints>,
    flag: Option<&'r AtomicBool>,
    verbose: Verbose,
}

impl<'r> Run<'r> {
    pub(crate) fn new(trainer: &'r mut Trainer<'_>, samples: &'r dyn Samples, options: Fit<'r>) -> Result<Run<'r>> {
        let Trainer { objective, optimizer, meter, .. } = trainer;
        let mut training = Training::new(objective.model, &mut **optimizer);
        training.epoch = options.initial_epoch;
        training.callbacks = options.callbacks;
        let mut run = Run {
            objective,
            meter,
            training,
            accumulator: GradientAccumulator::new(options.accumulate as u64),
            drawn: 0,
            batches: Batches::new(samples, options.batch_size),
            validation: options.validation.map(|samples| Batches::new(samples, options.batch_size)),
            epochs: options.epochs,
            steps_per_epoch: options.steps_per_epoch.unwrap_or(usize::MAX),
            checkpoints: options.checkpoints,
            flag: options.stop,
            verbose: options.verbose,
        };
        if let Some(path) = options.resume {
            let checkpoint = Checkpoint::open(&path)?;
            run.build_weights()?;
            checkpoint.restore(&mut run)?;
        }
        if run.steps_per_epoch == 0 {
            return Err(Error::Trainer("fit: steps_per_epoch is 0; an epoch has one at least".into()));
        }
        if let Some(checkpoints) = &run.checkpoints {
            checkpoints.check(run.training.epoch, run.training.batch)?;
        }
        Ok(run)
    }

    pub(crate) fn run(mut self) -> Result<History> {
        self.training.begin()?;
        while self.training.epoch < self.epochs && self.training.stopped().is_none() {
            self.epoch()?;
        }
        self.training.end()?;
        let Training { mut history, stop, .. } = self.training;
        history.stopped = stop;
        Ok(history)
    }

    /// Weights are made when a layer sees its first input, and have to be there to be restored.
    fn build_weights(&mut self) -> Result<()> {
        match self.batches.epoch(0)?.next() {
            Some(batch) => self.objective.evaluate(&batch?).map(drop),
            None => Ok(()),
        }
    }

    /// What is left of the epoch, unless the training is stopped before its end.
    fn epoch(&mut self) -> Result<()> {
        let epoch = self.training.epoch;
        if self.training.batch == 0 {
            self.meter.reset();
            self.training.begin_epoch()?;
        }
        let count = self.batches.count().map(|count| count.min(self.steps_per_epoch));
        let mut progress = Progress::new(self.verbose, epoch, self.epochs, count, self.training.batch);
        let mut pass = self.batches.epoch_from(epoch as u64, self.drawn)?;
        while self.training.batch < self.steps_per_epoch {
            let Some(batch) = pass.next() else { break };
            self.batch(&batch?, &pass, count)?;
            progress.batch(|| (self.meter.score(), self.training.optimizer.learning_rate()));
            if self.training.stopped().is_some() {
                progress.abandon();
                return Ok(());
            }
        }
        if let Some(gradients) = self.accumulator.take()? {
            self.objective.apply(self.training.optimizer, &self.objective.model.trainable_weights(), &gradients)?;
        }
        let score = self.meter.score_of("fit")?;
        let validation = self.validation.map(|batches| self.meter.evaluate(self.objective, batches)).transpose()?;
        progress.finish(&score, validation.as_ref());
        self.drawn = 0;
        self.training.end_epoch(&row(&score, validation.as_ref()))?;
        self.save(|checkpoints, run| checkpoints.after_epoch(run))?;
        if self.is_interrupted() {
            self.interrupt();
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, pass: &Epoch<'_>, batches: Option<usize>) -> Result<()> {
        let (outcome, variables, gradients) = self.objective.gradients(batch)?;
        let end = BatchEnd { epoch: self.training.epoch, batch: self.training.batch, batches, loss: outcome.loss };
        if !end.loss.is_finite() {
            let rate = self.training.optimizer.learning_rate();
            return Err(Error::loss(&end, rate, self.objective.model, batch));
        }
        if let Some(gradients) = self.accumulator.add(&gradients)? {
            self.objective.apply(self.training.optimizer, &variables, &gradients)?;
        }
        self.meter.update(batch, &outcome)?;
        self.drawn = pass.drawn();
        self.training.end_batch(&end)?;
        if self.is_interrupted() {
            self.save(|checkpoints, run| checkpoints.now(run))?;
            self.interrupt();
            return Ok(());
        }
        self.save(|checkpoints, run| checkpoints.after_batch(run))
    }

    fn is_interrupted(&self) -> bool {
        self.flag.is_some_and(|flag| flag.load(SeqCst))
    }

    /// Stops, after a checkpoint was written: whoever goes on from it was not interrupted. The flag has done its work,
    /// and the next fit is not to end by it.
    fn interrupt(&mut self) {
        self.training.stop("interrupted");
        if let Some(flag) = self.flag {
            flag.store(false, SeqCst);
        }
    }

    fn save(&mut self, save: impl FnOnce(&mut Checkpoints, &Run<'_>) -> Result<()>) -> Result<()> {
        let Some(mut checkpoints) = self.checkpoints.take() else { return Ok(()) };
        let saved = save(&mut checkpoints, self);
        self.checkpoints = Some(checkpoints);
        saved
    }
}

/// The row of an epoch in a history.
fn row(score: &Score, validation: Option<&Score>) -> Vec<(String, f64)> {
    let validated = validation.into_iter().flat_map(Score::values).map(|(name, value)| (format!("val_{name}"), value));
    score.values().map(|(name, value)| (name.to_owned(), value)).chain(validated).collect()
}
