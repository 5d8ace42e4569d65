//! Contrastive loss of pairs.

use tensor::{Result, Tensor};

use super::checks::{checked_loss, match_targets};
use super::loss::Loss;

const NAME: &str = "contrastive";

/// `t d² + (1 - t) max(margin - d, 0)²` for each pair: draws together what is alike (t = 1) and pushes
/// apart, up to a margin, what is not (t = 0; Hadsell et al. 2006, but for their factor 1/2). Targets
/// and distances, both of any shape but a scalar's, give the same shape.
///
/// [`pairwise_distance`](super::pairwise_distance) gives distances of embeddings; for a model, the
/// distance is the prediction.
///
/// # Errors
/// If shapes or types do not fit, or there is no sample.
#[track_caller]
pub fn contrastive(targets: &Tensor, distances: &Tensor, margin: f64) -> Result<Tensor> {
    checked_loss(NAME, targets, distances, || {
        let alike = match_targets(targets, distances)?;
        let shortfall = (margin - distances).relu();
        alike.try_mul(distances.square())?.try_add((1.0 - &alike).try_mul(shortfall.square())?)
    })
}

/// [`contrastive`] as a [`Loss`] of distances; the margin is 1 by default.
#[derive(Clone, Copy, Debug)]
pub struct Contrastive {
    margin: f64,
}

impl Contrastive {
    /// With a given margin, in the unit of the distances.
    pub fn new(margin: f64) -> Contrastive {
        Contrastive { margin }
    }
}

impl Default for Contrastive {
    fn default() -> Contrastive {
        Contrastive::new(1.0)
    }
}

impl Loss for Contrastive {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        contrastive(targets, predictions, self.margin)
    }

    fn has_finite_derivatives(&self) -> bool {
        true
    }

    fn name(&self) -> &str {
        NAME
    }
}
