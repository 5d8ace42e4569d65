//! Binary focal loss.

use tensor::{Error, Result, Tensor};

use super::categorical_crossentropy::smoothed;
use super::checks::{EPSILON, checked_loss, match_targets, power};
use super::loss::Loss;

const NAME: &str = "binary_focal_crossentropy";

/// The mean over the last axis of `-(1 - q)^gamma (t ln p + (1 - t) ln(1 - p))` with the probability
/// `q = t p + (1 - t)(1 - p)` of the target, which reduces the contribution of easy samples (Lin et al.
/// 2017, gamma = 2): targets from 0 to 1 and probabilities, both `[…, n]`, give `[…]`.
///
/// As in Keras, the probabilities are clipped to [1e-7, 1 - 1e-7] in the logarithms only. Unless gamma is an integer,
/// all derivatives are 0 where q is exactly 1.
///
/// # Errors
/// Returns an error if shapes or types do not fit, there are no samples, or `gamma` is negative or not finite.
#[track_caller]
pub fn binary_focal_crossentropy(targets: &Tensor, predictions: &Tensor, gamma: f64) -> Result<Tensor> {
    BinaryFocalCrossentropy::default().gamma(gamma).loss(targets, predictions)
}

/// [`binary_focal_crossentropy`] as a [`Loss`], by default for probabilities and with gamma = 2.
#[derive(Clone, Copy, Debug)]
pub struct BinaryFocalCrossentropy {
    logits: bool,
    gamma: f64,
    alpha: Option<f64>,
    smoothing: f64,
}

impl Default for BinaryFocalCrossentropy {
    fn default() -> Self {
        BinaryFocalCrossentropy { logits: false, gamma: 2.0, alpha: None, smoothing: 0.0 }
    }
}

impl BinaryFocalCrossentropy {
    /// For logits, without clipping: exact in the tails, where Keras clips the sigmoid.
    pub fn from_logits() -> Self {
        BinaryFocalCrossentropy { logits: true, ..BinaryFocalCrossentropy::default() }
    }

    /// Sets how strongly the contribution of easy samples is reduced; 0 gives the binary cross-entropy. [`Loss::loss`]
    /// returns an error for negative values.
    #[must_use]
    pub fn gamma(self, gamma: f64) -> Self {
        BinaryFocalCrossentropy { gamma, ..self }
    }

    /// Balances the classes with the weight `t alpha + (1 - t)(1 - alpha)`; 0.25 in the paper.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Self {
        BinaryFocalCrossentropy { alpha: Some(alpha), ..self }
    }

    /// Moves targets toward one half: `(1 - s) t + s / 2`, with `s` from 0 to 1. [`Loss::loss`]
    /// returns an error for other values.
    #[must_use]
    pub fn label_smoothing(self, smoothing: f64) -> Self {
        BinaryFocalCrossentropy { smoothing, ..self }
    }
}

impl Loss for BinaryFocalCrossentropy {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(NAME, targets, predictions, || {
            check_gamma(self.gamma)?;
            let yes = smoothed(&match_targets(targets, predictions)?, self.smoothing, 2)?;
            let no = &(1.0 - &yes);
            // `yes` times the first argument plus `no` times the second.
            let mix = |of_yes: Tensor, of_no: Tensor| of_yes.multiply_no_nan(&yes)?.try_add(of_no.multiply_no_nan(no)?);
            let (crossentropy, error_probability) = if self.logits {
                let negative = predictions.try_neg()?;
                let crossentropy = mix(negative.softplus(), predictions.softplus())?;
                (crossentropy, mix(negative.sigmoid(), predictions.sigmoid())?)
            } else {
                let p = predictions.clamp(EPSILON, 1.0 - EPSILON)?;
                let crossentropy = mix(p.log(), (1.0 - p).log())?.try_neg()?;
                (crossentropy, mix(1.0 - predictions, predictions.clone())?)
            };
            let mut losses = power(&error_probability, self.gamma)?.try_mul(crossentropy)?;
            if let Some(alpha) = self.alpha {
                losses = yes.try_mul(alpha)?.try_add(no.try_mul(1.0 - alpha)?)?.try_mul(losses)?;
            }
            losses.mean_axis(-1)
        })
    }

    fn takes_logits(&self) -> bool {
        self.logits
    }

    fn name(&self) -> &str {
        NAME
    }
}

pub(super) fn check_gamma(gamma: f64) -> Result<()> {
    if gamma >= 0.0 && gamma.is_finite() {
        return Ok(());
    }
    Err(Error::argument("gamma", format!("{gamma:?} must be finite and not negative")))
}
