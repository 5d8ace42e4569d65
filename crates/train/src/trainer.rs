//! Training, evaluation and prediction of a model.

use data::{Batch, Batches, DataSource};
use nn::{Layer, Loss, Mode, Reduction};
use optim::Optimizer;
use tensor::{Tensor, no_record};

use crate::batch_end::BatchEnd;
use crate::divergence::loss_error;
use crate::error::{Result, TrainError};
use crate::fit::Fit;
use crate::history::{History, Score};
use crate::meter::Meter;
use crate::metrics::Metric;
use crate::objective::{self, Objective};
use crate::training::Training;
use crate::untrained::Untrained;

/// A model with a loss, an optimizer and metrics: fits, evaluates and predicts.
///
/// Training minimizes the mean loss of the samples. Losses and metrics of an epoch are means over its samples, each
/// measured before the step of its batch, as in Keras, so they lag behind those of an evaluation.
///
/// Several threads may call [`predict`](Trainer::predict) of one trainer at the same time.
pub struct Trainer<'m> {
    objective: Objective<'m>,
    optimizer: Box<dyn Optimizer>,
    meter: Meter<'static>,
    batch_size: usize,
    /// For [`Trainer::train_on_batch`].
    untrained: Untrained,
}

impl<'m> Trainer<'m> {
    /// A trainer of a borrowed model, whose weights it changes.
    pub fn new(model: &'m dyn Layer, loss: impl Loss + 'static, optimizer: impl Optimizer + 'static) -> Trainer<'m> {
        let objective = Objective { model, loss: Box::new(loss), reduction: Reduction::default() };
        let (optimizer, meter, untrained) = (Box::new(optimizer), Meter::default(), Untrained::default());
        Trainer { objective, optimizer, meter, batch_size: 128, untrained }
    }

    /// Adds a metric. The trainer tells it whether the loss takes [logits](Loss::takes_logits), because the default
    /// threshold of some metrics depends on it.
    #[must_use]
    pub fn metric(mut self, mut metric: impl Metric + 'static) -> Trainer<'m> {
        metric.set_logits(self.objective.loss.takes_logits());
        self.meter.metrics.push(Box::new(metric));
        self
    }

    /// Sets how the losses of a batch are reduced to a scalar; [`Reduction::SumOverBatchSize`] by default, as in Keras.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Trainer<'m> {
        self.objective.reduction = reduction;
        self
    }

    /// Sets the batch size of [`evaluate`](Trainer::evaluate) and [`predict`](Trainer::predict); 128 by default.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Trainer<'m> {
        Trainer { batch_size, ..self }
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &dyn Optimizer {
        &*self.optimizer
    }

    /// The optimizer, for example to set its learning rate.
    pub fn optimizer_mut(&mut self) -> &mut dyn Optimizer {
        &mut *self.optimizer
    }

    /// Trains the model. For each batch it runs a forward pass, computes the gradients of the mean loss for all
    /// trainable weights, and makes a step of the optimizer. Another call continues with the current weights.
    ///
    /// The loss includes the model's penalties, and the constraints of weights are applied after each step. Samples
    /// count by the weights of their batches and by the mask of the model's output, as in Keras.
    ///
    /// # Errors
    /// Returns an error if
    /// - the training or validation data has no samples, or the batch size is 0;
    /// - the loss becomes NaN or infinite; the message names the first such element, and no step is made with this batch;
    /// - a gradient becomes NaN or infinite; the message names its weight;
    /// - the model has no trainable weights, or the loss does not depend on one of them;
    /// - the loss depends on a trainable variable that is not among the model's weights, and so would be neither trained
    ///   nor saved. The first and last batch of each epoch and some others are checked;
    /// - a hyperparameter of the optimizer is out of range;
    /// - model, loss, metrics, callbacks or checkpoints fail.
    pub fn fit<'r>(&'r mut self, source: &'r dyn DataSource, fit: Fit<'r>) -> Result<History> {
        let objective = &self.objective;
        let validates = fit.validation.is_some();
        let mut untrained = Untrained::except(fit.tracked.parts.weights());
        let mut training = Training::new(objective.model, &mut *self.optimizer, fit).with_meter(self.meter.lend());
        'training: while let Some(batches) = training.next_epoch(source)? {
            for batch in batches {
                let batch = batch?;
                if training.is_at_end_of_epoch() {
                    untrained.request_check();
                }
                let (outcome, weights, gradients) = objective.gradients(&batch, &mut untrained)?;
                training.check_finite(&batch, outcome.loss)?;
                training.apply(&weights, &gradients)?;
                training.trained_on(&batch, &outcome)?;
                if training.stopped().is_some() {
                    break 'training;
                }
            }
            if validates {
                for batch in training.validation()? {
                    let batch = batch?;
                    training.validated_on(&batch, &objective.evaluate(&batch)?)?;
                }
            }
            training.end_epoch(&[])?;
        }
        training.end()
    }

    /// Makes one step on one batch and returns the mean loss before it.
    ///
    /// # Errors
    /// Returns an error if the step fails: see [`Trainer::fit`].
    pub fn train_on_batch(&mut self, batch: &Batch) -> Result<f64> {
        let (outcome, variables, gradients) = self.objective.gradients(batch, &mut self.untrained)?;
        if !outcome.loss.is_finite() {
            let end = BatchEnd { epoch: 0, batch: 0, batches: None, loss: outcome.loss };
            return Err(loss_error(&end, self.optimizer.learning_rate(), self.objective.model, batch));
        }
        objective::apply(self.objective.model, &mut *self.optimizer, &variables, &gradients)?;
        Ok(outcome.loss)
    }

    /// Computes the loss and the metrics over epoch 0 of the data, with the model in [`Mode::Inference`].
    ///
    /// # Errors
    /// Returns an error if there are no samples, or model, loss or metrics fail.
    pub fn evaluate(&mut self, source: &dyn DataSource) -> Result<Score> {
        self.meter.check()?;
        self.meter.reset();
        for batch in Batches::new(source, self.batch_size).epoch(0)? {
            let batch = batch?;
            self.meter.update(&batch, &self.objective.evaluate(&batch)?)?;
        }
        self.meter.score_of("evaluate: the data")
    }

    /// Computes the model's outputs for `features`, whose first axis is that of the samples, in batches and in
    /// [`Mode::Inference`].
    ///
    /// # Errors
    /// Returns an error if the features are a scalar, the batch size is 0, or the model fails.
    pub fn predict(&self, features: &Tensor) -> Result<Tensor> {
        let Some(&count) = features.shape().first() else {
            return Err(TrainError::trainer(
                "predict: the features are a scalar; their first axis must be that of the samples".into(),
            ));
        };
        let size = self.batch_size;
        if size == 0 {
            return Err(TrainError::trainer("predict: the batch size is 0; it must be at least 1".into()));
        }
        if count <= size {
            return self.outputs(features, None);
        }
        let batches = (0..count).step_by(size).map(|start| features.slice(start..count.min(start + size)));
        joined(batches.map(|batch| self.outputs(&batch?, None)).collect::<Result<_>>()?)
    }

    /// Computes the model's outputs for epoch 0 of a data source, like [`Trainer::predict`]. The model receives the
    /// [mask](Batch::mask) of each batch; targets are ignored.
    ///
    /// # Errors
    /// Returns an error if there are no samples, the outputs of two batches differ in more than the first axis, as
    /// outputs for sequences may, or data or model fail.
    pub fn predict_samples(&self, source: &dyn DataSource) -> Result<Tensor> {
        let batches = Batches::new(source, self.batch_size).epoch(0)?;
        let outputs: Vec<Tensor> = batches
            .map(|batch| {
                let batch = batch?;
                self.outputs(&batch.features, batch.mask.as_ref())
            })
            .collect::<Result<_>>()?;
        if outputs.is_empty() {
            return Err(TrainError::trainer("predict_samples: there are no samples".into()));
        }
        joined(outputs)
    }

    fn outputs(&self, features: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        Ok(no_record(|| self.objective.model.forward_masked(features, mask, Mode::Inference))?.0)
    }
}

fn joined(parts: Vec<Tensor>) -> Result<Tensor> {
    no_record(|| Tensor::concat(&parts.iter().collect::<Vec<_>>(), 0))
}
