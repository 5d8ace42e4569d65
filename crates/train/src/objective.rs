//! The forward pass, the loss and the gradients of one batch.

use autograd::{GradientTape, Variable};
use data::Batch;
use nn::{Layer, Loss, Mode, Part, Reduction, Visitor};
use optim::Optimizer;
use tensor::{DType, Tensor, no_record};

use crate::error::{Result, TrainError};
use crate::untrained::Untrained;

/// What training minimizes: the weighted mean loss of a batch plus the penalties of the model.
pub(crate) struct Objective<'m> {
    pub(crate) model: &'m dyn Layer,
    pub(crate) loss: Box<dyn Loss>,
    pub(crate) reduction: Reduction,
}

/// The results of a batch.
pub(crate) struct Outcome {
    pub(crate) loss: f64,
    pub(crate) predictions: Tensor,
    /// The weight of each loss: sample weights, combined with the mask if there is a target for each step.
    pub(crate) weights: Option<Tensor>,
}

impl Outcome {
    /// The outcome of a hand-written loop. How its model changes the mask is not known, so the mask of the input is
    /// used if predictions and targets have its steps.
    pub(crate) fn of(batch: &Batch, predictions: &Tensor, loss: f64) -> Result<Outcome> {
        let mask = batch.mask.as_ref().filter(|mask| predictions.shape().starts_with(mask.shape()));
        let weights = loss_weights(batch.weights.as_ref(), mask_of_targets(mask, &batch.targets), predictions.dtype())?;
        Ok(Outcome { loss, predictions: predictions.clone(), weights })
    }
}

/// Makes a step of the optimizer, then applies the constraints of the weights.
pub(crate) fn apply(
    model: &dyn Layer,
    optimizer: &mut dyn Optimizer,
    weights: &[Variable],
    gradients: &[Tensor],
) -> Result<()> {
    optimizer.apply(weights, gradients)?;
    model.apply_constraints()
}

impl Objective<'_> {
    /// Computes the loss and the gradients of all trainable weights; no gradients if the loss is not finite.
    ///
    /// # Errors
    /// Returns an error if the loss depends on variables that are [not trained](Untrained).
    pub(crate) fn gradients(
        &self,
        batch: &Batch,
        untrained: &mut Untrained,
    ) -> Result<(Outcome, Vec<Variable>, Vec<Tensor>)> {
        let states = states(self.model);
        let tape = GradientTape::new();
        let (loss, predictions, weights) = self.forward(batch, Mode::Training)?;
        let value = loss.item()?;
        let outcome = Outcome { loss: value, predictions, weights };
        if !value.is_finite() {
            // States such as running means have seen this batch and would not recover from it.
            states.into_iter().try_for_each(|(state, value)| state.assign(value))?;
            return Ok((outcome, Vec::new(), Vec::new()));
        }
        let variables = self.model.trainable_weights();
        untrained.check(&tape, &loss, &variables)?;
        if variables.is_empty() {
            return Err(TrainError::trainer("fit: the model has no trainable weights; there is nothing to fit".into()));
        }
        let gradients = tape.gradient(&loss, &variables)?;
        Ok((outcome, variables, gradients))
    }

    /// Computes the loss in [`Mode::Inference`], without a tape.
    pub(crate) fn evaluate(&self, batch: &Batch) -> Result<Outcome> {
        no_record(|| {
            let (loss, predictions, weights) = self.forward(batch, Mode::Inference)?;
            Ok(Outcome { loss: loss.item()?, predictions, weights })
        })
    }

    fn forward(&self, batch: &Batch, mode: Mode) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        let (predictions, mask) = self.model.forward_masked(&batch.features, batch.mask.as_ref(), mode)?;
        let mask = mask_of_targets(mask.as_ref(), &batch.targets);
        let weights = loss_weights(batch.weights.as_ref(), mask, predictions.dtype())?;
        let scaled = match (mask, &weights, self.reduction) {
            (Some(mask), Some(weights), Reduction::SumOverBatchSize) => Some(over_unmasked_steps(weights, mask)?),
            _ => weights.clone(),
        };
        let mut loss = self.loss.reduce(&batch.targets, &predictions, scaled.as_ref(), self.reduction)?;
        if !loss.shape().is_empty() {
            let message = format!("the loss has the shape {}; the reduction must return a scalar", loss.shape());
            return Err(TrainError::trainer(message));
        }
        if let Some(penalty) = self.model.regularization_loss()? {
            loss = loss.try_add(penalty)?;
        }
        Ok((loss, predictions, weights))
    }
}

/// The states of layers, such as running means, with their values. Nothing is copied.
fn states(model: &dyn Layer) -> Vec<(Variable, Tensor)> {
    let mut states = Vec::new();
    model.visit(&mut Visitor::new(&mut |_, part| {
        if let Part::State(state) = part {
            states.push((state.clone(), no_record(|| state.value())));
        }
    }));
    states
}

/// The mask, if there is a target for each step.
fn mask_of_targets<'a>(mask: Option<&'a Tensor>, targets: &Tensor) -> Option<&'a Tensor> {
    mask.filter(|mask| targets.shape().starts_with(mask.shape()))
}

/// The weight of each loss, in the type of the predictions if that is floating: sample weights times the mask, so that
/// masked steps have the weight 0.
fn loss_weights(weights: Option<&Tensor>, mask: Option<&Tensor>, dtype: DType) -> Result<Option<Tensor>> {
    let dtype = if dtype.is_float() { dtype } else { DType::F32 };
    Ok(match (weights, mask) {
        (Some(weights), Some(mask)) => Some(weights.cast(dtype).expand_dims(-1)?.try_mul(mask.cast(dtype))?),
        (weights, mask) => weights.or(mask).map(|weights| weights.cast(dtype)),
    })
}

/// Scales weights so that the mean over all steps becomes the mean over the unmasked ones, as in Keras.
fn over_unmasked_steps(weights: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let share = mask.cast(DType::F64).mean().item()?;
    if share > 0.0 { Ok(weights.try_div(share)?) } else { Ok(weights.clone()) }
}
