//! The Kullback–Leibler divergence.

use super::checks::EPSILON;
use super::plain::plain_losses;

plain_losses! {
    /// `Σ t ln(t / p)` over the last axis, for target probabilities and predicted probabilities (Kullback & Leibler 1951).
    ///
    /// As in Keras, both are clipped to [1e-7, 1]; clipped elements get no gradient.
    ///
    /// ```
    /// # use nn::kl_divergence;
    /// # use tensor::tensor;
    /// let divergence = kl_divergence(&tensor![[0.5, 0.5]], &tensor![[0.25, 0.75]])?.item()?;
    /// assert!((divergence - 0.5 * (4f64 / 3.0).ln()).abs() < 1e-6);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    kl_divergence KlDivergence |t, p| {
        let (t, p) = (t.clamp(EPSILON, 1.0)?, p.clamp(EPSILON, 1.0)?);
        t.try_mul(t.log().try_sub(p.log())?)?.sum_axis(-1)
    };
}
