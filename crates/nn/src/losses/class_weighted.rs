//! Weights for classes, beside any loss.

use tensor::{Error, Result, Tensor};

use super::reduction::{CLASS_WEIGHTS, aligned, effective, of_classes};
use super::{Loss, Reduction};

/// A loss each of whose samples counts with the weight of its class; made by
/// [`Loss::class_weights`].
#[derive(Clone, Debug)]
pub struct ClassWeighted<L> {
    loss: L,
    weights: Vec<f64>,
}

impl<L: Loss> ClassWeighted<L> {
    pub(super) fn new(loss: L, weights: Vec<f64>) -> ClassWeighted<L> {
        ClassWeighted { loss, weights }
    }

    /// Computes the losses inside again, of targets and predictions in which some samples were made 0.
    fn again(
        &self,
        targets: &Tensor,
        predictions: &Tensor,
        zeroed: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        self.loss.loss(&zeroed(targets)?, &zeroed(predictions)?)
    }

    fn weights(&self, targets: &Tensor, losses: &Tensor, counted: Option<&Tensor>) -> Result<Tensor> {
        check_finite(&self.weights)
            .and_then(|()| of_classes(&self.weights, targets, losses, counted))
            .map_err(|error| error.context(self.name()))
    }
}

fn check_finite(weights: &[f64]) -> Result<()> {
    match weights.iter().enumerate().find(|(_, weight)| !weight.is_finite()) {
        Some((class, weight)) => {
            Err(Error::argument(CLASS_WEIGHTS, format!("the weight of class {class} is {weight:?}; it must be finite")))
        }
        None => Ok(()),
    }
}

impl<L: Loss> Loss for ClassWeighted<L> {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        let losses = self.loss.loss(targets, predictions)?;
        let counted = self.loss.counted(targets, &losses)?;
        let weights = self.weights(targets, &losses, counted.as_ref())?;
        effective(losses, None, Some(&weights), |zeroed| self.again(targets, predictions, zeroed))?.try_mul(weights)
    }

    fn counted(&self, targets: &Tensor, losses: &Tensor) -> Result<Option<Tensor>> {
        self.loss.counted(targets, losses)
    }

    fn reduce(
        &self,
        targets: &Tensor,
        predictions: &Tensor,
        sample_weights: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let losses = self.loss.loss(targets, predictions)?;
        let counted = self.loss.counted(targets, &losses)?;
        let mut weights = self.weights(targets, &losses, counted.as_ref())?;
        if let Some(sample_weights) = sample_weights {
            let aligned = aligned(sample_weights, &losses).map_err(|error| error.context(self.name()))?;
            weights = weights.try_mul(aligned)?;
        }
        let losses =
            effective(losses, counted.as_ref(), Some(&weights), |zeroed| self.again(targets, predictions, zeroed))?;
        reduction.apply(losses, counted.as_ref(), Some(&weights))
    }

    fn takes_logits(&self) -> bool {
        self.loss.takes_logits()
    }

    fn name(&self) -> &str {
        self.loss.name()
    }
}
