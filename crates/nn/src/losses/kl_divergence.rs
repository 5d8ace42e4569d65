//! The Kullback–Leibler divergence.

use tensor::{Result, Tensor};

use super::{EPSILON, Loss, alike, named};

const NAME: &str = "kl_divergence";

/// `Σ t ln(t / p)` over the last axis: target probabilities and predicted ones, both `[…, n]`, give
/// `[…]`.
///
/// As in Keras, both are clipped to [1e-7, 1]; clipped elements get no gradient.
///
/// # Errors
/// If shapes or types do not fit, or there is no sample.
///
/// ```
/// # use nn::kl_divergence;
/// # use tensor::tensor;
/// let divergence = kl_divergence(&tensor![[0.5, 0.5]], &tensor![[0.25, 0.75]])?.item()?;
/// assert!((divergence - 0.5 * (4f64 / 3.0).ln()).abs() < 1e-6);
/// # Ok::<(), tensor::Error>(())
/// ```
pub fn kl_divergence(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    named(NAME, targets, predictions, || {
        let t = alike(targets, predictions)?.clamp(EPSILON, 1.0)?;
        let p = predictions.clamp(EPSILON, 1.0)?;
        t.try_mul(t.log().try_sub(p.log())?)?.sum_axes(-1)
    })
}

/// [`kl_divergence`] as a [`Loss`].
#[derive(Clone, Copy, Debug, Default)]
pub struct KlDivergence;

impl Loss for KlDivergence {
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        kl_divergence(targets, predictions)
    }

    fn name(&self) -> &str {
        NAME
    }
}
