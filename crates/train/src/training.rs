//! A training under way.

use std::iter::Take;
use std::sync::atomic::Ordering::SeqCst;

use autograd::Variable;
use data::{Batch, Batches, Epoch, Samples};
use nn::{Layer, Mode};
use optim::{GradientAccumulator, Optimizer};
use tensor::{Tensor, no_record};

use crate::callbacks::Callback;
use crate::checkpoint::Checkpoint;
use crate::checkpoints::Checkpoints;
use crate::error::{Error, Result, TrainError};
use crate::fit::{BatchEnd, Fit};
use crate::history::{History, Score};
use crate::meter::{Meter, no_samples};
use crate::metrics::Metric;
use crate::progress::Progress;
use crate::step::{self, Outcome};
use crate::unoptimized;

/// A training under way: what callbacks see, and what they may change.
///
/// [`Trainer::fit`](crate::Trainer::fit) is a loop around one. A loop written by hand makes its own, computes what it
/// likes of each batch, and has all that a [`Fit`] can ask for: callbacks, metrics, progress, checkpoints,
/// accumulation.
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
    /// The model.
    pub model: &'a dyn Layer,
    /// The optimizer.
    pub optimizer: &'a mut dyn Optimizer,
    pub(crate) fit: Fit<'a>,
    pub(crate) meter: Meter<'a>,
    pub(crate) accumulator: GradientAccumulator,
    pub(crate) history: History,
    pub(crate) epoch: usize,
    /// How many batches of this epoch were trained on, and how many there are if that is known.
    pub(crate) batch: usize,
    batches: Option<usize>,
    /// How many samples of this epoch's pass were drawn.
    pub(crate) drawn: usize,
    /// What this epoch came to, as soon as it is validated.
    trained: Option<Score>,
    pub(crate) stop: Option<String>,
    /// Whether the flag stopped it. Unlike the reason above this is in no checkpoint: whoever goes on from one was not
    /// interrupted.
    interrupted: bool,
    begun: bool,
    /// Whether it goes on from a checkpoint.
    pub(crate) resumed: bool,
    progress: Option<Progress>,
}

impl<'a> Training<'a> {
    /// A training that has not begun.
    pub fn new(model: &'a dyn Layer, optimizer: &'a mut dyn Optimizer, fit: Fit<'a>) -> Training<'a> {
        Training {
            model,
            optimizer,
            meter: Meter::default(),
            accumulator: GradientAccumulator::new(fit.accumulate as u64),
            history: History::default(),
            epoch: fit.initial_epoch,
            batch: 0,
            batches: None,
            drawn: 0,
            trained: None,
            stop: None,
            interrupted: false,
            begun: false,
            resumed: false,
            progress: None,
            fit,
        }
    }

    /// Measures one more quantity, by a metric given or lent (`&mut metric`). The loss is the loop's: if predictions are
    /// logits, [say so](Metric::set_logits) to metrics with a threshold.
    #[must_use]
    pub fn metric(mut self, metric: impl Metric + 'a) -> Training<'a> {
        self.meter.metrics.push(Box::new(metric));
        self
    }

    /// The epoch that runs, or comes next, from 0.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// The epochs that have ended.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Asks for the end: of [`Trainer::fit`](crate::Trainer::fit) after the batch in which it is asked. The first
    /// reason given stays.
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.stop.get_or_insert_with(|| reason.into());
    }

    /// Why the training is to end before its last epoch, if it is.
    pub fn stopped(&self) -> Option<&str> {
        self.stop.as_deref().or(self.interrupted.then_some("interrupted"))
    }

    /// What is left of the next epoch, as batches; nothing if there is none, or the training was
    /// [stopped](Training::stop). The first call begins the training, from a checkpoint if it [resumes](Fit::resume)
    /// one: then the epoch may have begun already.
    ///
    /// # Errors
    /// If the epoch before was not [ended](Training::end_epoch), options, optimizer or metrics cannot be used, and what
    /// data, checkpoint and callbacks report.
    pub fn next_epoch<'s>(&mut self, samples: &'s dyn Samples) -> Result<Option<Take<Epoch<'s>>>> {
        if !self.begun {
            self.begin(samples)?;
        }
        if self.epoch >= self.fit.epochs || self.stopped().is_some() {
            return Ok(None);
        }
        if self.progress.is_some() {
            let message = format!("next_epoch: epoch {} has not ended; end it by end_epoch", self.epoch);
            return Err(TrainError::trainer(message));
        }
        if self.batch == 0 {
            self.meter.reset();
            self.each(|callback, training| callback.on_epoch_begin(training))?;
        }
        let batches = Batches::new(samples, self.fit.batch_size);
        let steps = self.fit.steps_per_epoch.unwrap_or(usize::MAX);
        self.batches = batches.count().map(|count| count.min(steps));
        let pass = batches.epoch_from(self.epoch as u64, self.drawn)?.take(steps.saturating_sub(self.batch));
        self.progress = Some(Progress::new(self.fit.verbose, self.epoch, self.fit.epochs, self.batches, self.batch));
        Ok(Some(pass))
    }

    /// The loss of the batch that runs as a number, to be asked for before the step: a loss that is none would leave
    /// none in the weights either.
    ///
    /// # Errors
    /// If it is NaN or infinite, naming where that began; if it is not one number.
    pub fn loss(&self, batch: &Batch, loss: &Tensor) -> Result<f64> {
        self.finite(batch, loss.item()?)
    }

    pub(crate) fn finite(&self, batch: &Batch, loss: f64) -> Result<f64> {
        if loss.is_finite() {
            return Ok(loss);
        }
        Err(TrainError::loss(&self.batch_end(loss), self.optimizer.learning_rate(), self.model, batch))
    }

    /// A step of the optimizer with these gradients, after which weights keep their constraints. If the fit
    /// [accumulates](Fit::accumulate), they are those of all trainable weights, and only the last of so many calls
    /// makes a step.
    ///
    /// # Errors
    /// What the optimizer reports, with epoch and batch in front: infinite and NaN gradients among others, of which the
    /// loss may show nothing, and which are never applied. Those of [`GradientAccumulator::add`].
    pub fn apply(&mut self, weights: &[Variable], gradients: &[Tensor]) -> Result<()> {
        self.accumulated(weights, gradients)
            .map_err(|error| error.context(format!("epoch {}, batch {}", self.epoch, self.batch)))
    }

    /// Adds the gradients, and makes a step if there are enough.
    fn accumulated(&mut self, weights: &[Variable], gradients: &[Tensor]) -> Result<()> {
        if self.accumulator.batches() > 1 {
            // Sums would carry such an element into checkpoints, and an error at their step would name another batch.
            let spoilt = weights.iter().zip(gradients).find(|(_, gradient)| !gradient.all_finite());
            if let Some((weight, _)) = spoilt {
                let message =
                    "the gradient has infinite or NaN elements; it was not added, and no variable was changed";
                return Err(Error::argument("accumulate", message).context(weight.name()));
            }
        }
        match self.accumulator.add(gradients)? {
            Some(gradients) => step::apply(self.model, self.optimizer, weights, &gradients),
            None => Ok(()),
        }
    }

    /// A batch was trained on: adds its mean loss and its predictions to what is measured, each sample by its
    /// [weight](Batch::weights), and where targets and predictions have the steps of its [mask](Batch::mask) those that
    /// are left out not at all; tells callbacks, and writes a checkpoint if it is time for one.
    ///
    /// It is to be called once for each batch of the epoch, in their order: a training that is
    /// [resumed](Fit::resume) goes on after so many of them. What is measured may be another batch.
    ///
    /// # Errors
    /// If the epoch's validation has begun, and what metrics, callbacks and checkpoints report.
    pub fn end_batch(&mut self, batch: &Batch, predictions: &Tensor, loss: f64) -> Result<()> {
        self.trained_on(batch, &Outcome::of(batch, predictions, loss)?)
    }

    pub(crate) fn trained_on(&mut self, batch: &Batch, outcome: &Outcome) -> Result<()> {
        if self.trained.is_some() {
            return Err(TrainError::trainer(
                "end_batch: this epoch's validation has begun; no more is trained in it".into(),
            ));
        }
        let end = self.batch_end(outcome.loss);
        self.meter.update(batch, outcome)?;
        // As many as the pass gave, whatever was made of them; its last batch may be smaller, and nothing is after it.
        self.drawn = self.drawn.saturating_add(self.fit.batch_size);
        self.batch += 1;
        self.each(|callback, training| callback.on_batch_end(training, &end))?;
        if self.is_interrupted() {
            self.save(|checkpoints, training| checkpoints.now(training))?;
            self.interrupt();
        } else {
            self.save(|checkpoints, training| checkpoints.after_batch(training))?;
        }
        if let Some(progress) = &mut self.progress {
            progress.batch(|| (self.meter.score(), self.optimizer.learning_rate()));
        }
        Ok(())
    }

    /// What callbacks are told of the batch that runs.
    fn batch_end(&self, loss: f64) -> BatchEnd {
        BatchEnd { epoch: self.epoch, batch: self.batch, batches: self.batches, loss }
    }

    /// The data by which this epoch is [validated](Fit::validation), as batches, its pass 0. No more is trained in
    /// this epoch: gradients that were accumulated make their step now.
    ///
    /// # Errors
    /// If the fit has no such data, the epoch had no samples, and what data and optimizer report.
    pub fn validation(&mut self) -> Result<Epoch<'a>> {
        let Some(samples) = self.fit.validation else {
            return Err(TrainError::trainer(
                "validation: the fit has no data for it; give it some by Fit::validation".into(),
            ));
        };
        match self.trained {
            Some(_) => self.meter.reset(),
            None => self.trained = Some(self.end_steps()?),
        }
        Batches::new(samples, self.fit.batch_size).epoch(0)
    }

    /// A batch of the [validation](Training::validation) was evaluated: adds its mean loss and its predictions to what
    /// is measured.
    ///
    /// # Errors
    /// If the validation has not begun, and what metrics report.
    pub fn end_validation_batch(&mut self, batch: &Batch, predictions: &Tensor, loss: f64) -> Result<()> {
        self.validated_on(batch, &Outcome::of(batch, predictions, loss)?)
    }

    pub(crate) fn validated_on(&mut self, batch: &Batch, outcome: &Outcome) -> Result<()> {
        if self.trained.is_none() {
            return Err(TrainError::trainer("end_validation_batch: this epoch's validation has not begun".into()));
        }
        self.meter.update(batch, outcome)
    }

    /// The epoch was trained, and validated if it is to be: appends what was measured to the history, and `more`
    /// values, tells callbacks, writes a checkpoint, and goes on to the next.
    ///
    /// # Errors
    /// If the names are not those of the epochs before, the epoch had no samples, or no validation though the fit has
    /// data for one, and what optimizer, callbacks and checkpoints report.
    pub fn end_epoch(&mut self, more: &[(&str, f64)]) -> Result<()> {
        let (score, validation) = match self.trained.take() {
            Some(score) => (score, Some(self.meter.score_of(VALIDATION)?)),
            None if self.fit.validation.is_some() => {
                let message =
                    "end_epoch: the fit has data for a validation, which this epoch had not; see `validation`";
                return Err(TrainError::trainer(message.into()));
            }
            None => (self.end_steps()?, None),
        };
        let progress = self.progress.take().map(Progress::finish);
        let mut row = row(&score, validation.as_ref());
        row.extend(more.iter().map(|(name, value)| ((*name).to_owned(), *value)));
        let ended = self.epoch_ended(&row);
        // Last: what reads the line may keep the training waiting.
        if let Some(finished) = progress {
            finished.show(&score, validation.as_ref());
        }
        ended
    }

    /// Appends the row to the history, tells callbacks, writes a checkpoint, and goes on to the next epoch.
    fn epoch_ended(&mut self, row: &[(String, f64)]) -> Result<()> {
        self.history.push(row)?;
        self.each(|callback, training| callback.on_epoch_end(training, row))?;
        (self.epoch, self.batch, self.drawn) = (self.epoch + 1, 0, 0);
        self.save(|checkpoints, training| checkpoints.after_epoch(training))?;
        if self.is_interrupted() {
            self.interrupt();
        }
        Ok(())
    }

    /// Tells callbacks that the training has ended; its history.
    ///
    /// # Errors
    /// What callbacks report.
    pub fn end(mut self) -> Result<History> {
        if let Some(progress) = self.progress.take() {
            progress.abandon();
        }
        self.each(|callback, training| callback.on_end(training))?;
        self.history.stopped = self.stopped().map(str::to_owned);
        Ok(self.history)
    }

    fn begin(&mut self, samples: &dyn Samples) -> Result<()> {
        unoptimized::note(self.fit.verbose);
        self.optimizer.validate()?;
        self.meter.check()?;
        self.fit.kept.check(self.model)?;
        if self.fit.steps_per_epoch == Some(0) {
            return Err(TrainError::trainer("fit: steps_per_epoch is 0; an epoch has one at least".into()));
        }
        // Before the checkpoint is opened, which another training that writes there might delete.
        if let Some(checkpoints) = &mut self.fit.checkpoints {
            checkpoints.take_folder()?;
        }
        if let Some(validation) = self.fit.validation
            && is_empty(validation)?
        {
            return Err(no_samples(VALIDATION));
        }
        // Not taken out of the fit: a call after an error is to resume as well.
        let checkpoint = self.fit.resume.as_ref().map(Checkpoint::open).transpose()?;
        if let Some(checkpoints) = &self.fit.checkpoints {
            let (epoch, batch) = match &checkpoint {
                Some(checkpoint) => (checkpoint.epoch()?, checkpoint.batch()?),
                None => (self.epoch, self.batch),
            };
            checkpoints.refuse_further(epoch, batch)?;
        }
        if let Some(checkpoint) = checkpoint {
            if self.model.named_weights().len() < checkpoint.weights().len() {
                self.build_weights(samples)
                    .map_err(|error| error.context("making the weights that wait for a first input"))?;
            }
            checkpoint.restore(self)?;
            self.save(|checkpoints, _| checkpoints.resumed_from(&checkpoint))?;
        }
        self.begun = true;
        self.each(|callback, training| callback.on_begin(training))
    }

    /// Weights are made when a layer sees its first input, and have to be there to be restored.
    fn build_weights(&self, samples: &dyn Samples) -> Result<()> {
        let Some(batch) = Batches::new(samples, self.fit.batch_size).epoch(0)?.next().transpose()? else {
            return Ok(());
        };
        no_record(|| self.model.forward_masked(&batch.features, batch.mask.as_ref(), Mode::Inference))?;
        Ok(())
    }

    /// No more is trained in this epoch: the last step, if there are gradients for one, and the score.
    fn end_steps(&mut self) -> Result<Score> {
        if let Some(gradients) = self.accumulator.take()? {
            step::apply(self.model, self.optimizer, &self.model.trainable_weights(), &gradients)
                .map_err(|error| error.context(format!("end of epoch {}", self.epoch)))?;
        }
        let score = self.meter.score_of("fit: the data")?;
        self.meter.reset();
        Ok(score)
    }

    fn is_interrupted(&self) -> bool {
        self.fit.stop.as_ref().is_some_and(|flag| flag.load(SeqCst))
    }

    /// Stops. The flag has done its work, and the next fit is not to end by it.
    fn interrupt(&mut self) {
        self.interrupted = true;
        if let Some(flag) = &self.fit.stop {
            flag.store(false, SeqCst);
        }
    }

    fn save(&mut self, save: impl FnOnce(&mut Checkpoints, &Self) -> Result<()>) -> Result<()> {
        let Some(mut checkpoints) = self.fit.checkpoints.take() else { return Ok(()) };
        let saved = save(&mut checkpoints, self);
        self.fit.checkpoints = Some(checkpoints);
        saved
    }

    fn each(&mut self, mut tell: impl FnMut(&mut dyn Callback, &mut Self) -> Result<()>) -> Result<()> {
        let mut callbacks = std::mem::take(&mut self.fit.callbacks);
        let told = callbacks
            .iter_mut()
            .try_for_each(|callback| tell(&mut **callback, self).map_err(|error| error.context(callback.name())));
        self.fit.callbacks = callbacks;
        told
    }
}

/// What errors call the data by which epochs are validated.
const VALIDATION: &str = "fit: the validation data";

/// Whether pass 0 gives no samples. Where their number is not known before, one is drawn.
fn is_empty(samples: &dyn Samples) -> Result<bool> {
    Ok(match samples.known_len() {
        Some(len) => len == 0,
        None => samples.pass(0)?.next(1)?.is_none(),
    })
}

/// The row of an epoch in a history.
fn row(score: &Score, validation: Option<&Score>) -> Vec<(String, f64)> {
    let validated = validation.into_iter().flat_map(Score::values).map(|(name, value)| (format!("val_{name}"), value));
    score.values().map(|(name, value)| (name.to_owned(), value)).chain(validated).collect()
}
