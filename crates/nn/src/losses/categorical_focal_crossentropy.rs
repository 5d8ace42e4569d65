//! Categorical focal loss.

use tensor::{Result, Tensor};

use super::binary_focal_crossentropy::check_gamma;
use super::categorical_crossentropy::smoothed;
use super::checks::{EPSILON, checked_loss, match_targets, power};
use super::loss::Loss;

const NAME: &str = "categorical_focal_crossentropy";

/// `-alpha Σ (1 - p)^gamma t ln p` for each sample, with alpha = 0.25, which reduces the contribution of easy
/// samples (Lin et al. 2017, gamma = 2): target probabilities and predicted probabilities, both
/// `[…, classes]`, give `[…]`.
///
/// As in Keras, each predicted row is divided by its sum and then clipped to [1e-7, 1 - 1e-7];
/// clipped elements get no gradient.
///
/// # Errors
/// Returns an error if shapes or types do not fit, there are no samples, or `gamma` is negative or not finite.
#[track_caller]
pub fn categorical_focal_crossentropy(targets: &Tensor, predictions: &Tensor, gamma: f64) -> Result<Tensor> {
    CategoricalFocalCrossentropy::default().gamma(gamma).loss(targets, predictions)
}

/// [`categorical_focal_crossentropy`] as a [`Loss`], by default for probabilities, with alpha = 0.25 and
/// gamma = 2. For a weight per class, which is also `alpha` in Keras, use [`Loss::class_weights`].
#[derive(Clone, Copy, Debug)]
pub struct CategoricalFocalCrossentropy {
    logits: bool,
    gamma: f64,
    alpha: f64,
    smoothing: f64,
}

impl Default for CategoricalFocalCrossentropy {
    fn default() -> Self {
        CategoricalFocalCrossentropy { logits: false, gamma: 2.0, alpha: 0.25, smoothing: 0.0 }
    }
}

impl CategoricalFocalCrossentropy {
    /// For logits, without clipping: exact in the tails, where Keras clips the softmax. Unless gamma is an integer, all
    /// derivatives are 0 where a probability rounds to 1. A logit of -∞ excludes its class, whose target must be 0.
    pub fn from_logits() -> Self {
        CategoricalFocalCrossentropy { logits: true, ..CategoricalFocalCrossentropy::default() }
    }

    /// Sets how strongly the contribution of easy samples is reduced; 0 gives alpha times the cross-entropy. [`Loss::loss`]
    /// returns an error for negative values.
    #[must_use]
    pub fn gamma(self, gamma: f64) -> Self {
        CategoricalFocalCrossentropy { gamma, ..self }
    }

    /// Sets the factor of the whole loss.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Self {
        CategoricalFocalCrossentropy { alpha, ..self }
    }

    /// Moves targets toward the uniform distribution: `(1 - s) t + s / classes`, with `s` from 0 to 1.
    /// [`Loss::loss`] returns an error for other values.
    #[must_use]
    pub fn label_smoothing(self, smoothing: f64) -> Self {
        CategoricalFocalCrossentropy { smoothing, ..self }
    }
}

impl Loss for CategoricalFocalCrossentropy {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(NAME, targets, predictions, || {
            check_gamma(self.gamma)?;
            let classes = predictions.shape().last().map_or(1, |&classes| classes);
            let targets = smoothed(&match_targets(targets, predictions)?, self.smoothing, classes)?;
            let (p, logarithms) = if self.logits {
                (predictions.softmax(-1)?, predictions.log_softmax(-1)?)
            } else {
                let p = predictions.try_div(predictions.sum_keepdims(-1)?)?.clamp(EPSILON, 1.0 - EPSILON)?;
                let logarithms = p.log();
                (p, logarithms)
            };
            let crossentropies = logarithms.multiply_no_nan(targets)?;
            power(&(1.0 - p), self.gamma)?.try_mul(crossentropies)?.sum_axis(-1)?.try_mul(-self.alpha)
        })
    }

    fn takes_logits(&self) -> bool {
        self.logits
    }

    fn name(&self) -> &str {
        NAME
    }
}
