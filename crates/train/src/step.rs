//! What is computed of one batch.

use autograd::{GradientTape, Variable};
use data::Batch;
use nn::{Layer, Loss, Mode, Reduction};
use optim::Optimizer;
use tensor::{DType, Tensor, no_record};

use crate::error::{Error, Result};

/// What is made small: the mean loss of a batch, each sample times its weight, and the penalties of the model.
pub(crate) struct Objective<'m> {
    pub(crate) model: &'m dyn Layer,
    pub(crate) loss: Box<dyn Loss>,
    pub(crate) reduction: Reduction,
}

/// What a batch has come to.
pub(crate) struct Outcome {
    pub(crate) loss: f64,
    pub(crate) predictions: Tensor,
    /// How much each loss counts: weights of samples, and the mask where there is a target for each step.
    pub(crate) weights: Option<Tensor>,
}

impl Objective<'_> {
    /// Forward pass, loss, and the gradients of all trainable weights.
    pub(crate) fn gradients(&self, batch: &Batch) -> Result<(Outcome, Vec<Variable>, Vec<Tensor>)> {
        let tape = GradientTape::new();
        let (loss, predictions, weights) = self.forward(batch, Mode::Training)?;
        let value = loss.item()?;
        let outcome = Outcome { loss: value, predictions, weights };
        if !value.is_finite() {
            return Ok((outcome, Vec::new(), Vec::new()));
        }
        let variables = self.model.trainable_weights();
        if variables.is_empty() {
            return Err(Error::Trainer("fit: the model has no trainable weights; there is nothing to fit".into()));
        }
        let gradients = tape.gradient(&loss, &variables)?;
        Ok((outcome, variables, gradients))
    }

    /// Forward pass and loss, nothing being trained.
    pub(crate) fn evaluate(&self, batch: &Batch) -> Result<Outcome> {
        no_record(|| {
            let (loss, predictions, weights) = self.forward(batch, Mode::Inference)?;
            Ok(Outcome { loss: loss.item()?, predictions, weights })
        })
    }

    /// A step of the optimizer; the weights then keep their constraints.
    pub(crate) fn apply(
        &self,
        optimizer: &mut dyn Optimizer,
        weights: &[Variable],
        gradients: &[Tensor],
    ) -> Result<()> {
        optimizer.apply(weights, gradients)?;
        Ok(self.model.apply_constraints()?)
    }

    fn forward(&self, batch: &Batch, mode: Mode) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        let (predictions, mask) = self.model.forward_masked(&batch.features, batch.mask.as_ref(), mode)?;
        let weights = loss_weights(batch.weights.as_ref(), mask.as_ref(), &batch.targets)?;
        let mut loss = self.loss.reduce(&batch.targets, &predictions, weights.as_ref(), self.reduction)?;
        if !loss.shape().is_empty() {
            let message = format!("a loss of shape {}: the reduction must give one number", loss.shape());
            return Err(Error::Trainer(message));
        }
        if let Some(penalty) = self.model.regularization_loss()? {
            loss = loss.try_add(penalty)?;
        }
        Ok((loss, predictions, weights))
    }
}

/// The weights of a batch's losses. Where the predictions have a mask and there is a target for each step,
/// `[batch, time, …]`, steps that are left out count nothing and the others more, so that the mean is over the steps
/// that there are, as in Keras.
fn loss_weights(weights: Option<&Tensor>, mask: Option<&Tensor>, targets: &Tensor) -> Result<Option<Tensor>> {
    let Some(mask) = mask.filter(|mask| targets.shape().starts_with(mask.shape())) else {
        return Ok(weights.cloned());
    };
    let mask = mask.cast(DType::F32);
    let share = mask.mean().item()?;
    let mask = if share > 0.0 { mask.try_div(share)? } else { mask };
    Ok(Some(match weights {
        Some(weights) => weights.cast(DType::F32).expand_dims(-1)?.try_mul(mask)?,
        None => mask,
    }))
}
