//! The driver of a training.

use std::iter::Take;
use std::sync::atomic::Ordering::SeqCst;

use autograd::Variable;
use data::{Batch, BatchIter, Batches, DataSource, escaped};
use nn::{Layer, Mode};
use optim::Optimizer;
use tensor::{Tensor, no_record};

use crate::accumulation::{Accumulation, Round};
use crate::batch_end::BatchEnd;
use crate::callbacks::Callback;
use crate::checkpoints::Checkpoint;
use crate::divergence::loss_error;
use crate::error::{Result, TrainError};
use crate::fit::Fit;
use crate::history::{History, Score};
use crate::meter::{Meter, no_samples};
use crate::metrics::Metric;
use crate::objective::{self, Outcome};
use crate::progress::Progress;
use crate::training_state::TrainingState;
use crate::unoptimized;

/// A running training: the epochs and batches of a loop, with the callbacks, metrics, progress, checkpoints and
/// gradient accumulation that a [`Fit`] asks for.
///
/// [`Trainer::fit`](crate::Trainer::fit) is a loop around a `Training`. A hand-written loop creates its own, and may
/// compute anything for each batch.
///
/// ```
/// use autograd::GradientTape;
/// use data::{ArrayDataset, Dataset};
/// use nn::{Dense, Layer, Loss, MeanSquaredError, Mode, Sequential};
/// use optim::Sgd;
/// use tensor::tensor;
/// use train::{EarlyStopping, Fit, Training, Verbose};
///
/// let samples = ArrayDataset::from_tensors(&tensor![[0.0], [1.0]], &tensor![[1.0], [3.0]])?;
/// let train = samples.clone().shuffle(1);
/// let model = Sequential::new().add(Dense::new(1, 1));
/// let mut optimizer = Sgd::new(0.1);
///
/// let stopping = EarlyStopping::new("val_loss").patience(2).min_delta(1e-4);
/// let fit = Fit::epochs(1000).batch_size(1).validation(&samples).callback(stopping).verbose(Verbose::Silent);
/// let mut training = Training::new(&model, &mut optimizer, fit);
/// 'training: while let Some(batches) = training.next_epoch(&train)? {
///     for batch in batches {
///         let batch = batch?;
///         let tape = GradientTape::new();
///         let predictions = model.forward(&batch.features, Mode::Training)?;
///         let loss = MeanSquaredError.mean(&batch.targets, &predictions)?;
///         let value = training.loss(&batch, &loss)?;
///         let weights = model.trainable_weights();
///         training.apply(&weights, &tape.gradient(&loss, &weights)?)?;
///         training.end_batch(&batch, &predictions, value)?;
///         if training.stopped().is_some() {
///             break 'training;
///         }
///     }
///     for batch in training.validation()? {
///         let batch = batch?;
///         let predictions = model.forward(&batch.features, Mode::Inference)?;
///         let loss = MeanSquaredError.mean(&batch.targets, &predictions)?;
///         training.end_validation_batch(&batch, &predictions, loss.item()?)?;
///     }
///     training.end_epoch(&[])?;
/// }
/// let history = training.end()?;
/// assert!(history.stopped().unwrap().starts_with("early_stopping: val_loss was best in epoch"));
/// assert!(history.last("val_loss").unwrap() < 1e-2);
/// # Ok::<(), train::Error>(())
/// ```
pub struct Training<'a> {
    state: TrainingState<'a>,
    fit: Fit<'a>,
    /// The number of batches of this epoch, if it is known in advance.
    batches: Option<usize>,
    /// The results of this epoch, once it is validated.
    trained: Option<Score>,
    has_begun: bool,
    progress: Option<Progress>,
}

impl<'a> Training<'a> {
    /// A training that has not begun.
    pub fn new(model: &'a dyn Layer, optimizer: &'a mut dyn Optimizer, mut fit: Fit<'a>) -> Training<'a> {
        let state = TrainingState {
            model,
            optimizer,
            tracked: std::mem::take(&mut fit.tracked),
            accumulation: Accumulation::new(fit.accumulate),
            meter: Meter::default(),
            history: History::default(),
            epoch: fit.initial_epoch,
            batch: 0,
            drawn: 0,
            stop_reason: None,
            interrupted: false,
            resumed: false,
        };
        Training { state, fit, batches: None, trained: None, has_begun: false, progress: None }
    }

    pub(crate) fn with_meter(mut self, meter: Meter<'a>) -> Training<'a> {
        self.state.meter = meter;
        self
    }

    /// Adds a metric, by value or as `&mut metric`. The training does not know the loss of the loop: if predictions are
    /// logits, call [`set_logits`](Metric::set_logits) of metrics that have a threshold.
    #[must_use]
    pub fn metric(mut self, metric: impl Metric + 'a) -> Training<'a> {
        self.state.meter.metrics.push(Box::new(metric));
        self
    }

    /// The state that callbacks see.
    pub fn state(&self) -> &TrainingState<'a> {
        &self.state
    }

    /// The optimizer, for example to change its learning rate.
    pub fn optimizer_mut(&mut self) -> &mut dyn Optimizer {
        self.state.optimizer
    }

    /// The current epoch, or the next one between two epochs, from 0.
    pub fn epoch(&self) -> usize {
        self.state.epoch()
    }

    /// The epochs that have ended.
    pub fn history(&self) -> &History {
        self.state.history()
    }

    /// Asks for the end of the training, like [`TrainingState::stop`].
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.state.stop(reason);
    }

    /// Why the training ends before its last epoch; `None` if it does not.
    pub fn stopped(&self) -> Option<&str> {
        self.state.stopped()
    }

    /// Whether the current batch is the first of its epoch or is known to be the last.
    pub(crate) fn is_at_end_of_epoch(&self) -> bool {
        self.state.batch == 0 || self.batches == Some(self.state.batch + 1)
    }

    /// The batches of the next epoch; `None` after the last epoch or if the training was [stopped](Training::stop). The
    /// first call begins the training. If it [resumes](Fit::resume) a checkpoint, these are the remaining batches of
    /// the epoch.
    ///
    /// # Errors
    /// Returns an error if the epoch before was not [ended](Training::end_epoch), options, optimizer or metrics are
    /// invalid, or data, checkpoint or callbacks fail.
    pub fn next_epoch<'s>(&mut self, source: &'s dyn DataSource) -> Result<Option<Take<BatchIter<'s>>>> {
        if !self.has_begun {
            self.begin(source)?;
        }
        if self.epoch() >= self.fit.epochs || self.stopped().is_some() {
            return Ok(None);
        }
        if self.progress.is_some() {
            let message = format!("next_epoch: epoch {} has not ended; call end_epoch first", self.epoch());
            return Err(TrainError::trainer(message));
        }
        if self.state.batch == 0 {
            self.state.meter.reset();
            self.notify(|callback, training| callback.on_epoch_begin(training))?;
        }
        let batches = Batches::new(source, self.fit.batch_size);
        let steps = self.fit.steps_per_epoch.unwrap_or(usize::MAX);
        self.batches = batches.count().map(|count| count.min(steps));
        let TrainingState { epoch, batch, drawn, .. } = self.state;
        let rest = batches.epoch_from(epoch as u64, drawn)?.take(steps.saturating_sub(batch));
        self.progress = Some(Progress::new(self.fit.verbose, epoch, self.fit.epochs, self.batches, batch));
        Ok(Some(rest))
    }

    /// The loss of the current batch as a number. Call it before the step: a step with a NaN or infinite loss would
    /// make the weights NaN as well.
    ///
    /// # Errors
    /// Returns an error if the loss is not a scalar, or is NaN or infinite; the message names the first such element in
    /// data, weights or layers.
    pub fn loss(&self, batch: &Batch, loss: &Tensor) -> Result<f64> {
        self.check_finite(batch, loss.item()?)
    }

    pub(crate) fn check_finite(&self, batch: &Batch, loss: f64) -> Result<f64> {
        if loss.is_finite() {
            return Ok(loss);
        }
        let rate = self.state.optimizer.learning_rate();
        Err(loss_error(&self.batch_end(loss), rate, self.state.model, batch))
    }

    /// Makes a step of the optimizer with these gradients, then applies the constraints of the weights. If the fit
    /// [accumulates](Fit::accumulate), only the last of so many calls makes a step, and all of them must have the same
    /// weights.
    ///
    /// # Errors
    /// Returns an error, with epoch and batch, if the optimizer fails or a gradient is NaN or infinite, which the loss
    /// may not show, or if accumulated gradients are not of the same weights. Then no step is made.
    pub fn apply(&mut self, weights: &[Variable], gradients: &[Tensor]) -> Result<()> {
        let TrainingState { model, optimizer, accumulation, epoch, batch, .. } = &mut self.state;
        let stepped = match accumulation.add(weights, gradients) {
            Ok(Some(gradients)) => objective::apply(*model, &mut **optimizer, weights, &gradients),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        stepped.map_err(|error| error.context(format!("epoch {epoch}, batch {batch}")))
    }

    /// Ends a batch: adds its mean loss and its predictions to the results of the epoch, calls the callbacks, and
    /// writes a checkpoint if one is due. Samples count by their [weights](Batch::weights). If targets and predictions
    /// have the steps of the batch's [mask](Batch::mask), masked steps do not count.
    ///
    /// Call this once for each batch of the epoch, in their order: a [resumed](Fit::resume) training skips as many
    /// batches. The batch that is measured may be a different one.
    ///
    /// # Errors
    /// Returns an error if the validation of this epoch has begun, or metrics, callbacks or checkpoints fail.
    pub fn end_batch(&mut self, batch: &Batch, predictions: &Tensor, loss: f64) -> Result<()> {
        self.trained_on(batch, &Outcome::of(batch, predictions, loss)?)
    }

    pub(crate) fn trained_on(&mut self, batch: &Batch, outcome: &Outcome) -> Result<()> {
        if self.trained.is_some() {
            return Err(TrainError::trainer(
                "end_batch: the validation of this epoch has begun; call it before `validation`".into(),
            ));
        }
        let end = self.batch_end(outcome.loss);
        self.state.meter.update(batch, outcome)?;
        // The number of samples that were drawn, not that of the measured batch. Only the last batch of an epoch may be
        // smaller, and nothing is drawn after it.
        self.state.drawn = self.state.drawn.saturating_add(self.fit.batch_size);
        self.state.batch += 1;
        self.notify(|callback, training| callback.on_batch_end(training, &end))?;
        let is_interrupted = self.is_interrupted();
        if let Some(checkpoints) = &mut self.fit.checkpoints {
            match is_interrupted {
                true => checkpoints.save(&self.state, &self.fit.callbacks)?,
                false => checkpoints.after_batch(&self.state, &self.fit.callbacks)?,
            }
        }
        if is_interrupted {
            self.interrupt();
        }
        if let Some(progress) = &mut self.progress {
            progress.batch(|| (self.state.meter.score(), self.state.optimizer.learning_rate()));
        }
        Ok(())
    }

    fn batch_end(&self, loss: f64) -> BatchEnd {
        BatchEnd { epoch: self.state.epoch, batch: self.state.batch, batches: self.batches, loss }
    }

    /// The batches of the [validation](Fit::validation) data. This ends the training part of the epoch: accumulated
    /// gradients make their step now.
    ///
    /// # Errors
    /// Returns an error if the fit has no validation data, the epoch had no samples, or data or optimizer fail.
    pub fn validation(&mut self) -> Result<BatchIter<'a>> {
        let Some(source) = self.fit.validation else {
            return Err(TrainError::trainer(
                "validation: the fit has no validation data; set it by Fit::validation".into(),
            ));
        };
        match self.trained {
            Some(_) => self.state.meter.reset(),
            None => self.trained = Some(self.end_steps()?),
        }
        Batches::new(source, self.fit.batch_size).epoch(0)
    }

    /// Ends a batch of the [validation](Training::validation): adds its mean loss and its predictions to the results.
    ///
    /// # Errors
    /// Returns an error if the validation has not begun, or a metric fails.
    pub fn end_validation_batch(&mut self, batch: &Batch, predictions: &Tensor, loss: f64) -> Result<()> {
        self.validated_on(batch, &Outcome::of(batch, predictions, loss)?)
    }

    pub(crate) fn validated_on(&mut self, batch: &Batch, outcome: &Outcome) -> Result<()> {
        if self.trained.is_none() {
            return Err(TrainError::trainer(
                "end_validation_batch: the validation has not begun; call `validation`".into(),
            ));
        }
        self.state.meter.update(batch, outcome)
    }

    /// Ends an epoch, after its validation: appends the results and `more` values to the history, calls the callbacks,
    /// and writes a checkpoint.
    ///
    /// # Errors
    /// Returns an error if the names differ from those of the epochs before, the epoch had no samples, the fit has
    /// validation data but the epoch was not validated, or optimizer, callbacks or checkpoints fail.
    pub fn end_epoch(&mut self, more: &[(&str, f64)]) -> Result<()> {
        let (score, validation) = match self.trained.take() {
            Some(score) => (score, Some(self.state.meter.score_of(VALIDATION)?)),
            None if self.fit.validation.is_some() => {
                let message =
                    "end_epoch: the fit has validation data, but the epoch was not validated; call `validation`";
                return Err(TrainError::trainer(message.into()));
            }
            None => (self.end_steps()?, None),
        };
        let progress = self.progress.take().map(Progress::finish);
        let mut row = row(&score, validation.as_ref());
        row.extend(more.iter().map(|(name, value)| ((*name).to_owned(), *value)));
        let ended = self.finish_epoch(&row);
        // Last, because writing to a slow terminal may block.
        if let Some(finished) = progress {
            finished.show(&score, validation.as_ref());
        }
        ended
    }

    fn finish_epoch(&mut self, row: &[(String, f64)]) -> Result<()> {
        self.state.history.push(row)?;
        self.notify(|callback, training| callback.on_epoch_end(training, row))?;
        (self.state.epoch, self.state.batch, self.state.drawn) = (self.state.epoch + 1, 0, 0);
        if let Some(checkpoints) = &mut self.fit.checkpoints {
            checkpoints.after_epoch(&self.state, &self.fit.callbacks)?;
        }
        if self.is_interrupted() {
            self.interrupt();
        }
        Ok(())
    }

    /// Ends the training: calls the callbacks and returns the history.
    ///
    /// # Errors
    /// Returns an error if a callback fails.
    pub fn end(mut self) -> Result<History> {
        if let Some(progress) = self.progress.take() {
            progress.abandon();
        }
        self.notify(|callback, training| callback.on_end(training))?;
        self.state.history.stopped = self.stopped().map(str::to_owned);
        Ok(self.state.history)
    }

    fn begin(&mut self, source: &dyn DataSource) -> Result<()> {
        unoptimized::note(self.fit.verbose);
        self.state.optimizer.validate()?;
        self.state.meter.check()?;
        self.state.tracked.check(self.state.model)?;
        if self.fit.steps_per_epoch == Some(0) {
            return Err(TrainError::trainer("fit: steps_per_epoch is 0; it must be at least 1".into()));
        }
        // Before the checkpoint is opened, because another training that writes there could delete it.
        if let Some(checkpoints) = &mut self.fit.checkpoints {
            checkpoints.take_folder()?;
        }
        if let Some(validation) = self.fit.validation
            && is_empty(validation)?
        {
            return Err(no_samples(VALIDATION));
        }
        // The path stays in the fit, so that a second call after an error resumes as well.
        let checkpoint = self.fit.resume.as_ref().map(Checkpoint::open).transpose()?;
        if let Some(checkpoints) = &self.fit.checkpoints {
            let (epoch, batch) = match &checkpoint {
                Some(checkpoint) => (checkpoint.epoch()?, checkpoint.batch()?),
                None => (self.state.epoch, self.state.batch),
            };
            checkpoints.refuse_further(epoch, batch)?;
        }
        if let Some(checkpoint) = checkpoint {
            if self.state.model.named_weights().len() < checkpoint.weights().len() {
                self.build_weights(source).map_err(|error| error.context("building lazy weights"))?;
            }
            checkpoint.restore(&mut self.state, &mut self.fit.callbacks)?;
            if let Some(checkpoints) = &mut self.fit.checkpoints {
                checkpoints.resumed_from(&checkpoint)?;
            }
        }
        self.has_begun = true;
        self.notify(|callback, training| callback.on_begin(training))
    }

    /// Builds lazy weights by a forward pass: a checkpoint can only restore weights that exist.
    fn build_weights(&self, source: &dyn DataSource) -> Result<()> {
        let Some(batch) = Batches::new(source, self.fit.batch_size).epoch(0)?.next().transpose()? else {
            return Ok(());
        };
        no_record(|| self.state.model.forward_masked(&batch.features, batch.mask.as_ref(), Mode::Inference))?;
        Ok(())
    }

    /// Ends the training part of the epoch: makes the last step, if gradients are left, and returns the results.
    fn end_steps(&mut self) -> Result<Score> {
        let TrainingState { model, optimizer, accumulation, meter, epoch, .. } = &mut self.state;
        if let Some(Round { variables, gradients }) = accumulation.take()? {
            // Checkpoints of earlier versions do not name the variables.
            let weights = variables.unwrap_or_else(|| model.trainable_weights());
            objective::apply(*model, &mut **optimizer, &weights, &gradients)
                .map_err(|error| error.context(format!("end of epoch {epoch}")))?;
        }
        let score = meter.score_of("fit: the data")?;
        meter.reset();
        Ok(score)
    }

    fn is_interrupted(&self) -> bool {
        self.fit.stop.as_ref().is_some_and(|flag| flag.load(SeqCst))
    }

    /// Stops the training and resets the flag, so that it does not end the next fit.
    fn interrupt(&mut self) {
        self.state.interrupted = true;
        if let Some(flag) = &self.fit.stop {
            flag.store(false, SeqCst);
        }
    }

    fn notify(
        &mut self,
        mut notify: impl FnMut(&mut dyn Callback, &mut TrainingState<'a>) -> Result<()>,
    ) -> Result<()> {
        self.fit.callbacks.iter_mut().try_for_each(|callback| {
            notify(&mut **callback, &mut self.state)
                .map_err(|error| error.context(escaped(callback.name()).to_string()))
        })
    }
}

/// The name of the validation data in errors.
const VALIDATION: &str = "fit: the validation data";

/// Whether epoch 0 has no samples. Draws one if the number of samples is not known in advance.
fn is_empty(source: &dyn DataSource) -> Result<bool> {
    Ok(match source.len_hint() {
        Some(len) => len == 0,
        None => source.epoch(0)?.next(1)?.is_none(),
    })
}

/// The row of an epoch in the history.
fn row(score: &Score, validation: Option<&Score>) -> Vec<(String, f64)> {
    let validated = validation.into_iter().flat_map(Score::values).map(|(name, value)| (format!("val_{name}"), value));
    score.values().map(|(name, value)| (name.to_owned(), value)).chain(validated).collect()
}
