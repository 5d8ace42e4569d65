//! Contrastive loss of pairs.

use tensor::{Result, Tensor};

use super::checks::{checked_loss, match_targets};
use super::loss::Loss;

const NAME: &str = "contrastive";

/// `t d² + (1 - t) max(margin - d, 0)²` for each pair, which pulls similar pairs (t = 1) together and pushes dissimilar
/// pairs (t = 0) apart up to a margin (Hadsell et al. 2006, without the factor 1/2). Targets and distances have the same
/// shape with at least one axis, which is also that of the losses.
///
/// [`pairwise_distance`](super::pairwise_distance) computes distances of embeddings. As a loss of a model, the distance is
/// the prediction.
///
/// # Errors
/// Returns an error if shapes or types do not fit, or there are no samples.
#[track_caller]
pub fn contrastive(targets: &Tensor, distances: &Tensor, margin: f64) -> Result<Tensor> {
    checked_loss(NAME, targets, distances, || {
        let similar = match_targets(targets, distances)?;
        let shortfall = (margin - distances).relu();
        similar.try_mul(distances.square())?.try_add((1.0 - &similar).try_mul(shortfall.square())?)
    })
}

/// [`contrastive`] as a [`Loss`]; the margin is 1 by default.
#[derive(Clone, Copy, Debug)]
pub struct Contrastive {
    margin: f64,
}

impl Contrastive {
    /// With this margin, in the unit of the distances.
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

    fn name(&self) -> &str {
        NAME
    }
}
