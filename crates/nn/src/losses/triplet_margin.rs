//! Triplet loss.

use tensor::{Error, Result, Tensor};

use super::checks::checked_loss;
use super::distance::pairwise_distance;
use super::loss::Loss;

const NAME: &str = "triplet_margin";

/// `max(d(anchor, positive) - d(anchor, negative) + margin, 0)` for each triple of embeddings, where d is the
/// [`pairwise_distance`] with exponent `p` (Balntas et al. 2016): three tensors `[…, n]` give `[…]`. The derivative at the
/// margin is 0.
///
/// # Errors
/// Returns an error if shapes or types differ, the types are not floating, or `p` is below 1.
#[track_caller]
pub fn triplet_margin(anchor: &Tensor, positive: &Tensor, negative: &Tensor, margin: f64, p: f64) -> Result<Tensor> {
    let losses = || {
        let near = pairwise_distance(anchor, positive, p)?;
        let far = pairwise_distance(anchor, negative, p)?;
        Ok(near.try_sub(far)?.try_add(margin)?.relu())
    };
    losses().map_err(|error: Error| {
        let shapes = format!("{}, {} and {}", anchor.shape(), positive.shape(), negative.shape());
        error.context(format!("{NAME} of {shapes}"))
    })
}

/// [`triplet_margin`] as a [`Loss`]: predictions `[…, 3, n]` are anchor, positive and negative, and give
/// `[…]`. Targets are ignored. The defaults are margin 1 and Euclidean distances.
#[derive(Clone, Copy, Debug)]
pub struct TripletMargin {
    margin: f64,
    p: f64,
}

impl TripletMargin {
    /// With this margin, in the unit of the distances.
    pub fn new(margin: f64) -> TripletMargin {
        TripletMargin { margin, p: 2.0 }
    }

    /// Sets the exponent of the distances, at least 1; it may be infinite. [`Loss::loss`] returns an error for other values.
    #[must_use]
    pub fn p(self, p: f64) -> TripletMargin {
        TripletMargin { p, ..self }
    }
}

impl Default for TripletMargin {
    fn default() -> TripletMargin {
        TripletMargin::new(1.0)
    }
}

impl Loss for TripletMargin {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(NAME, targets, predictions, || {
            let shape = predictions.shape();
            if shape.rank() < 2 || shape[shape.rank() - 2] != 3 {
                return Err(Error::shape("predictions", shape, "must be […, 3, n]: anchor, positive and negative"));
            }
            let [anchor, positive, negative] = [0, 1, 2].map(|k| predictions.at(k, -2));
            triplet_margin(&anchor?, &positive?, &negative?, self.margin, self.p)
        })
    }

    fn name(&self) -> &str {
        NAME
    }
}
