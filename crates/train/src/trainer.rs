//! A model with all it takes to train it.

use data::{Batch, Batches, Samples};
use nn::{Layer, Loss, Mode, Reduction};
use optim::Optimizer;
use tensor::{Tensor, no_record};

use crate::error::{Result, TrainError};
use crate::fit::{BatchEnd, Fit};
use crate::history::{History, Score};
use crate::meter::Meter;
use crate::metrics::Metric;
use crate::step::{self, Objective};
use crate::training::Training;
use crate::untrained::Untrained;

/// A model with all it takes to train it.
///
/// The mean over samples of the loss is made small. Losses and metrics of an epoch are means over
/// its samples, each measured before the step that its batch leads to, as in Keras: so they lag
/// behind those of an evaluation.
///
/// Several threads may [predict](Trainer::predict) with one trainer at the same time.
pub struct Trainer<'m> {
    objective: Objective<'m>,
    optimizer: Box<dyn Optimizer>,
    meter: Meter<'static>,
    batch_size: usize,
    /// For steps that belong to no fit.
    untrained: Untrained,
}

impl<'m> Trainer<'m> {
    /// A trainer of this model, which stays the caller's: training changes its weights.
    pub fn new(model: &'m dyn Layer, loss: impl Loss + 'static, optimizer: impl Optimizer + 'static) -> Trainer<'m> {
        let objective = Objective { model, loss: Box::new(loss), reduction: Reduction::default() };
        let (optimizer, meter, untrained) = (Box::new(optimizer), Meter::default(), Untrained::default());
        Trainer { objective, optimizer, meter, batch_size: 128, untrained }
    }

    /// Measures one more quantity. The metric learns whether the loss takes [logits](Loss::takes_logits), so that
    /// metrics with a threshold cut where the loss does.
    #[must_use]
    pub fn metric(mut self, mut metric: impl Metric + 'static) -> Trainer<'m> {
        metric.set_logits(self.objective.loss.takes_logits());
        self.meter.metrics.push(Box::new(metric));
        self
    }

    /// Sets how the losses of a batch become the number that is made small; [`Reduction::SumOverBatchSize`] by
    /// default, as in Keras.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Trainer<'m> {
        self.objective.reduction = reduction;
        self
    }

    /// Sets how many samples [`evaluate`](Trainer::evaluate) and [`predict`](Trainer::predict) take at once; 128 by
    /// default.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Trainer<'m> {
        Trainer { batch_size, ..self }
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
    /// The model's penalties are part of the loss, and its weights keep their constraints. Samples count by the
    /// weights of their batches, and where the model's output has a mask, as Keras counts them.
    ///
    /// # Errors
    /// Returns an error if there are no samples, to train or to validate with, or the batch size is 0; if the loss becomes
    /// NaN or infinite, naming where that began, or a gradient does, naming its weight (no step is taken with that batch);
    /// if the model has no trainable weights, or one on which the loss does not depend; if the loss depends on a trainable
    /// variable that is not among the model's weights, and which would be neither trained nor saved; if a hyperparameter
    /// of the optimizer is out of its range; and whatever the model, loss, metrics, callbacks and checkpoints report.
    pub fn fit<'r>(&'r mut self, samples: &'r dyn Samples, fit: Fit<'r>) -> Result<History> {
        let objective = &self.objective;
        let validates = fit.validation.is_some();
        let mut untrained = Untrained::except(fit.kept.parts.weights());
        let mut training = Training::new(objective.model, &mut *self.optimizer, fit);
        training.meter = self.meter.lend();
        'training: while let Some(batches) = training.next_epoch(samples)? {
            for batch in batches {
                let batch = batch?;
                let (outcome, weights, gradients) = objective.gradients(&batch, &mut untrained)?;
                training.finite(&batch, outcome.loss)?;
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

    /// One step on one batch; the mean loss before it.
    ///
    /// # Errors
    /// As [`Trainer::fit`].
    pub fn train_on_batch(&mut self, batch: &Batch) -> Result<f64> {
        let (outcome, variables, gradients) = self.objective.gradients(batch, &mut self.untrained)?;
        if !outcome.loss.is_finite() {
            let end = BatchEnd { epoch: 0, batch: 0, batches: None, loss: outcome.loss };
            return Err(TrainError::loss(&end, self.optimizer.learning_rate(), self.objective.model, batch));
        }
        step::apply(self.objective.model, &mut *self.optimizer, &variables, &gradients)?;
        Ok(outcome.loss)
    }

    /// The loss and the metrics over the samples of pass 0, the model being in [`Mode::Inference`].
    ///
    /// # Errors
    /// If there are no samples, and all that model, loss and metrics report.
    pub fn evaluate(&mut self, samples: &dyn Samples) -> Result<Score> {
        self.meter.check()?;
        self.meter.evaluate(&self.objective, Batches::new(samples, self.batch_size))
    }

    /// The model's outputs for some features, whose first axis counts samples: computed in
    /// batches, the model being in [`Mode::Inference`].
    ///
    /// # Errors
    /// If the features have no axis, the batch size is 0, and all that the model reports.
    pub fn predict(&self, features: &Tensor) -> Result<Tensor> {
        let Some(&count) = features.shape().first() else {
            return Err(TrainError::trainer(
                "predict: the features are a scalar; their first axis must count samples".into(),
            ));
        };
        let size = self.batch_size;
        if size == 0 {
            return Err(TrainError::trainer("predict: the batch size is 0; a batch takes one sample at least".into()));
        }
        if count <= size {
            return self.outputs(features, None);
        }
        let batches = (0..count).step_by(size).map(|start| features.slice(start..count.min(start + size)));
        joined(batches.map(|batch| self.outputs(&batch?, None)).collect::<Result<_>>()?)
    }

    /// The model's outputs for the samples of pass 0, as [`Trainer::predict`] gives them. Steps that a
    /// [mask](Batch::mask) leaves out are left out here too; targets are not looked at.
    ///
    /// # Errors
    /// If there are no samples, if outputs of two batches differ by more than the number of samples, as those for each
    /// step may, and all that data and model report.
    pub fn predict_samples(&self, samples: &dyn Samples) -> Result<Tensor> {
        let batches = Batches::new(samples, self.batch_size).epoch(0)?;
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
