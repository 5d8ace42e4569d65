//! Circle loss of embeddings.

use tensor::{Error, Result, Tensor};

use super::checks::checked_loss;
use super::loss::Loss;

const NAME: &str = "circle";

/// `softplus(ln Σₖ exp(aₖ) + ln Σⱼ exp(bⱼ))` for each sample, over the other samples k of its class and the samples j of
/// other classes (Sun et al. 2020), with the distances `d = max(1 - similarity, 0)` and
///
/// - `aₖ = -gamma (margin + dₖ)(margin - dₖ)`,
/// - `bⱼ = gamma max(1 + margin - dⱼ, 0)(1 - margin - dⱼ)`:
///
/// integer labels `[batch]` or `[batch, 1]` and embeddings of length 1, `[batch, n]`, give `[batch]`.
/// The loss of a sample is 0 if no other sample has its class, or all samples have it.
/// Keras' defaults are gamma = 80 and a margin of 0.4.
///
/// # Errors
/// Returns an error if shapes do not fit, labels are not integers, embeddings are not floating, or there are no samples.
#[track_caller]
pub fn circle(labels: &Tensor, embeddings: &Tensor, gamma: f64, margin: f64) -> Result<Tensor> {
    checked_loss(NAME, labels, embeddings, || {
        let &[batch, _] = &embeddings.shape()[..] else {
            return Err(Error::shape("predictions", embeddings.shape(), "must be embeddings [batch, n]"));
        };
        if labels.dtype().is_float() {
            return Err(Error::dtype("labels", labels.dtype(), "int64 or uint8, as labels must be"));
        }
        if labels.size() != batch {
            return Err(Error::shape("labels", labels.shape(), format!("must be [{batch}], one per sample")));
        }
        let same = labels.reshape([batch, 1])?.equal(labels.reshape([1, batch])?)?;
        let itself = Tensor::eye(batch).equal(1.0)?;
        let positive = same.logical_and(itself.logical_not()?)?;
        let negative = same.logical_not()?;

        let distances = (1.0 - embeddings.matmul(embeddings.t()?)?).relu();
        let to_positive = distances.square().try_sub(margin * margin)?;
        let to_negative = (1.0 + margin - &distances).relu().try_mul(1.0 - margin - &distances)?;
        let strength = |exponents: Tensor, mask: &Tensor| {
            mask.select(exponents.try_mul(gamma)?, f64::NEG_INFINITY)?.logsumexp_axis(-1)
        };
        Ok(strength(to_positive, &positive)?.try_add(strength(to_negative, &negative)?)?.softplus())
    })
}

/// [`circle`] as a [`Loss`]. As in Keras, samples with a loss of 0 do not count in a mean.
#[derive(Clone, Copy, Debug)]
pub struct Circle {
    gamma: f64,
    margin: f64,
}

impl Circle {
    /// With the scale `gamma` and a margin from 0 to 1.
    pub fn new(gamma: f64, margin: f64) -> Circle {
        Circle { gamma, margin }
    }
}

impl Default for Circle {
    fn default() -> Circle {
        Circle::new(80.0, 0.4)
    }
}

impl Loss for Circle {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        circle(targets, predictions, self.gamma, self.margin)
    }

    fn counted(&self, _: &Tensor, losses: &Tensor) -> Result<Option<Tensor>> {
        losses.greater(0.0).map(Some)
    }

    fn name(&self) -> &str {
        NAME
    }
}
