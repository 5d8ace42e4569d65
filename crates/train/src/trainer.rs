//! The training loop.

use std::collections::HashSet;

use autograd::GradientTape;
use data::{Batches, Dataset};
use nn::{Layer, Loss, Mode};
use optim::Optimizer;
use tensor::{Generator, Tensor, no_record};

use crate::error::{Error, Result};
use crate::fit::{BatchEnd, Fit};
use crate::history::{History, Score};
use crate::metrics::{Metric, Running};
use crate::progress::Progress;

/// How many samples [`Trainer::evaluate`] and [`Trainer::predict`] take at once.
const BATCH_SIZE: usize = 128;

/// A model with all it takes to train it.
///
/// The mean over samples of the loss is made small. Losses and metrics of an epoch are means over
/// its samples, each measured before the step that its batch leads to, as in Keras: so they lag
/// behind those of an evaluation.
pub struct Trainer<'m> {
    model: &'m dyn Layer,
    loss: Box<dyn Loss>,
    optimizer: Box<dyn Optimizer>,
    metrics: Vec<Box<dyn Metric>>,
}

impl<'m> Trainer<'m> {
    /// A trainer of this model, which stays the caller's: training changes its weights.
    pub fn new(model: &'m dyn Layer, loss: impl Loss + 'static, optimizer: impl Optimizer + 'static) -> Trainer<'m> {
        Trainer { model, loss: Box::new(loss), optimizer: Box::new(optimizer), metrics: Vec::new() }
    }

    /// Measures one thing more.
    #[must_use]
    pub fn metric(mut self, metric: impl Metric + 'static) -> Trainer<'m> {
        self.metrics.push(Box::new(metric));
        self
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &dyn Optimizer {
        &*self.optimizer
    }

    /// The optimizer, to set its learning rate for example.
    pub fn optimizer_mut(&mut self) -> &mut dyn Optimizer {
        &mut *self.optimizer
    }

    /// Trains the model: for each batch a forward pass, the gradient of the mean loss for all
    /// trainable weights, and a step of the optimizer. Called again, it goes on from there.
    ///
    /// # Errors
    /// If the data set is empty or the batch size 0; if the loss becomes NaN or infinite (the
    /// weights are then those from before that batch); if the model has no trainable weights, or
    /// one on which the loss does not depend; if a hyperparameter of the optimizer is out of its
    /// range; and all that model, loss and metrics report.
    pub fn fit(&mut self, dataset: &dyn Dataset, mut options: Fit<'_>) -> Result<History> {
        self.optimizer.validate()?;
        let mut batches = Batches::over(dataset, options.batch_size)?;
        if let Some(seed) = options.shuffle {
            batches = batches.shuffle(Generator::new(seed).fork("shuffle"));
        }
        let mut history = History::new(self.names(options.validation.is_some())?);
        for epoch in 0..options.epochs {
            let score = self.fit_epoch(&mut batches, epoch, &mut options)?;
            history.push(&score);
        }
        Ok(history)
    }

    /// The loss and the metrics over a data set, the model being in [`Mode::Inference`].
    ///
    /// # Errors
    /// If the data set is empty, and all that model, loss and metrics report.
    pub fn evaluate(&mut self, dataset: &dyn Dataset) -> Result<Score> {
        self.names(false)?;
        self.evaluate_in(dataset, BATCH_SIZE)
    }

    /// The model's outputs for some features, whose first axis counts samples: computed in
    /// batches, the model being in [`Mode::Inference`].
    ///
    /// # Errors
    /// If the features have no axis, and all that the model reports.
    pub fn predict(&self, features: &Tensor) -> Result<Tensor> {
        let Some(&count) = features.shape().first() else {
            return Err(Error::Trainer(
                "predict: the features are a scalar; their first axis must count samples".into(),
            ));
        };
        no_record(|| {
            if count <= BATCH_SIZE {
                return Ok(self.model.forward(features, Mode::Inference)?);
            }
            let parts = (0..count).step_by(BATCH_SIZE).map(|start| {
                let batch = features.slice(start..count.min(start + BATCH_SIZE))?;
                self.model.forward(&batch, Mode::Inference)
            });
            let parts = parts.collect::<tensor::Result<Vec<Tensor>>>()?;
            Ok(Tensor::concat(&parts.iter().collect::<Vec<_>>(), 0)?)
        })
    }

    /// One epoch, and the validation after it; their values in the order of the history.
    fn fit_epoch(&mut self, batches: &mut Batches<'_>, epoch: usize, options: &mut Fit<'_>) -> Result<Vec<f64>> {
        let count = batches.len();
        let mut progress = Progress::new(options.verbose, epoch, options.epochs, count);
        let mut mean_loss = Running::default();
        self.reset_metrics();
        for (batch, samples) in batches.epoch().enumerate() {
            let (features, targets) = samples?;
            let (loss, predictions) = self.step(&features, &targets, epoch, batch)?;
            mean_loss.add(loss, sample_count(&features));
            self.update_metrics(&targets, &predictions)?;
            progress.batch(|| self.score(mean_loss));
            if let Some(on_batch) = &mut options.on_batch {
                on_batch(&BatchEnd { epoch, batch, batches: count, loss });
            }
        }
        let score = self.score(mean_loss);
        let validation = match options.validation {
            Some(dataset) => Some(self.evaluate_in(dataset, options.batch_size)?),
            None => None,
        };
        progress.finish(&score, validation.as_ref());
        Ok(score.values().chain(validation.iter().flat_map(Score::values)).collect())
    }

    /// One training step; the mean loss before it, and the predictions.
    fn step(&mut self, features: &Tensor, targets: &Tensor, epoch: usize, batch: usize) -> Result<(f64, Tensor)> {
        let tape = GradientTape::new();
        let predictions = self.model.forward(features, Mode::Training)?;
        let loss = self.loss.mean(targets, &predictions)?;
        let value = loss.item()?;
        if !value.is_finite() {
            return Err(Error::Loss { loss: value, epoch, batch, learning_rate: self.optimizer.learning_rate() });
        }
        let weights = self.model.trainable_weights();
        if weights.is_empty() {
            return Err(Error::Trainer("fit: the model has no trainable weights; there is nothing to fit".into()));
        }
        let gradients = tape.gradient(&loss, &weights)?;
        self.optimizer.apply(&weights, &gradients)?;
        Ok((value, predictions))
    }

    fn evaluate_in(&mut self, dataset: &dyn Dataset, batch_size: usize) -> Result<Score> {
        let mut batches = Batches::over(dataset, batch_size)?;
        let mut mean_loss = Running::default();
        self.reset_metrics();
        for samples in batches.epoch() {
            let (features, targets) = samples?;
            let (loss, predictions) = no_record(|| {
                let predictions = self.model.forward(&features, Mode::Inference)?;
                let loss = self.loss.mean(&targets, &predictions)?.item()?;
                tensor::Result::Ok((loss, predictions))
            })?;
            mean_loss.add(loss, sample_count(&features));
            self.update_metrics(&targets, &predictions)?;
        }
        Ok(self.score(mean_loss))
    }

    fn update_metrics(&mut self, targets: &Tensor, predictions: &Tensor) -> Result<()> {
        no_record(|| self.metrics.iter_mut().try_for_each(|metric| metric.update(targets, predictions, None)))
    }

    fn reset_metrics(&mut self) {
        self.metrics.iter_mut().for_each(|metric| metric.reset());
    }

    fn score(&self, mean_loss: Running) -> Score {
        let metrics = self.metrics.iter().map(|metric| (metric.name().to_owned(), metric.result())).collect();
        Score { loss: mean_loss.mean(), metrics }
    }

    /// The names of a history.
    fn names(&self, validation: bool) -> Result<Vec<String>> {
        let names = std::iter::once("loss").chain(self.metrics.iter().map(|metric| metric.name()));
        let mut seen = HashSet::new();
        if let Some(name) = names.clone().find(|name| !seen.insert(*name)) {
            return Err(Error::Trainer(format!("two metrics are named {name}; each needs a name of its own")));
        }
        let mut all: Vec<String> = names.clone().map(str::to_owned).collect();
        if validation {
            all.extend(names.map(|name| format!("val_{name}")));
        }
        Ok(all)
    }
}

/// The first axis; a data set has made sure that there is one.
fn sample_count(features: &Tensor) -> usize {
    features.shape().first().copied().unwrap_or(0)
}
