//! Class weights for any loss.

use tensor::{Error, Result, Tensor};

use super::loss::Loss;
use super::reduction::Reduction;
use super::reduction::{CLASS_WEIGHTS, Weighting, aligned, of_classes};

/// A loss whose samples are weighted by their classes. [`Loss::class_weights`] makes it.
#[derive(Clone, Debug)]
pub struct ClassWeighted<L> {
    loss: L,
    weights: Vec<f64>,
}

impl<L: Loss> ClassWeighted<L> {
    pub(super) fn new(loss: L, weights: Vec<f64>) -> ClassWeighted<L> {
        ClassWeighted { loss, weights }
    }

    /// The losses before weighting, in which samples without weight contribute nothing.
    fn effective_losses(
        &self,
        targets: &Tensor,
        predictions: &Tensor,
        losses: Tensor,
        counted: Option<&Tensor>,
        weights: &Tensor,
    ) -> Result<Tensor> {
        let finite_derivatives = self.loss.has_finite_derivatives();
        let weighting = Weighting { counted, weights: Some(weights), finite_derivatives };
        weighting.effective(losses, |detached| self.loss.loss(&detached(targets)?, &detached(predictions)?))
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
        self.effective_losses(targets, predictions, losses, None, &weights)?.try_mul(weights)
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
        let losses = self.effective_losses(targets, predictions, losses, counted.as_ref(), &weights)?;
        reduction.apply(losses, counted.as_ref(), Some(&weights))
    }

    fn has_finite_derivatives(&self) -> bool {
        self.loss.has_finite_derivatives()
    }

    fn takes_logits(&self) -> bool {
        self.loss.takes_logits()
    }

    fn name(&self) -> &str {
        self.loss.name()
    }
}
