//! Weights for classes, beside any loss.

use tensor::{Error, Result, Tensor};

use super::reduction::{CLASS_WEIGHTS, aligned, of_classes};
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

    fn weights(&self, targets: &Tensor, losses: &Tensor) -> Result<Tensor> {
        let counted = self.loss.counted(targets, losses)?;
        check_finite(&self.weights)
            .and_then(|()| of_classes(&self.weights, targets, losses, counted.as_ref()))
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
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        let losses = self.loss.loss(targets, predictions)?;
        losses.try_mul(self.weights(targets, &losses)?)
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
        reduction.apply(losses, counted.as_ref(), Some(&weights))
    }

    fn takes_logits(&self) -> bool {
        self.loss.takes_logits()
    }

    fn name(&self) -> &str {
        self.loss.name()
    }
}
