//! Weights for classes, beside any loss.

use tensor::{Result, Tensor};

use super::reduction::{aligned, effective, of_classes};
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
    fn again<'a>(
        &'a self,
        targets: &'a Tensor,
        predictions: &'a Tensor,
    ) -> impl FnOnce(&dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> + 'a {
        move |zeroed| self.loss.loss(&zeroed(targets)?, &zeroed(predictions)?)
    }

    fn weights(&self, targets: &Tensor, losses: &Tensor) -> Result<Tensor> {
        let counted = self.loss.counted(targets, losses)?;
        of_classes(&self.weights, targets, losses, counted.as_ref())
            .map_err(|error| error.context(format!("class weights of {}", self.name())))
    }
}

impl<L: Loss> Loss for ClassWeighted<L> {
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        let losses = self.loss.loss(targets, predictions)?;
        let weights = self.weights(targets, &losses)?;
        effective(losses, None, Some(&weights), self.again(targets, predictions))?.try_mul(weights)
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
        let mut weights = self.weights(targets, &losses)?;
        if let Some(sample_weights) = sample_weights {
            let aligned = aligned(sample_weights, &losses).map_err(|error| error.context(self.name()))?;
            weights = weights.try_mul(aligned)?;
        }
        let counted = self.loss.counted(targets, &losses)?;
        let losses = effective(losses, counted.as_ref(), Some(&weights), self.again(targets, predictions))?;
        reduction.apply(losses, counted.as_ref(), Some(&weights))
    }

    fn name(&self) -> &str {
        self.loss.name()
    }
}
