//! Binary cross-entropy.

use tensor::{Result, Tensor};

use super::categorical_crossentropy::smoothed;
use super::checks::{EPSILON, checked_loss, match_targets};
use super::loss::Loss;

const NAME: &str = "binary_crossentropy";

/// The mean of `-(t ln p + (1 - t) ln(1 - p))` over the last axis: targets from 0 to 1 and
/// probabilities, both `[…, n]`, give `[…]`.
///
/// As in Keras, the probabilities are clipped to [1e-7, 1 - 1e-7]; clipped elements get no
/// gradient. [`binary_crossentropy_from_logits`] clips nothing.
///
/// # Errors
/// Returns an error if shapes or types do not fit, or there are no samples.
#[track_caller]
pub fn binary_crossentropy(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    checked_loss(NAME, targets, predictions, || of_probabilities(&match_targets(targets, predictions)?, predictions))
}

/// The mean over the last axis of `-(t ln σ(x) + (1 - t) ln(1 - σ(x)))`, σ being the sigmoid:
/// targets from 0 to 1 and logits, both `[…, n]`, give `[…]`.
///
/// The loss is 0 for the logit -∞ and the target 0, and for ∞ and 1. It is infinite for the opposite targets.
///
/// # Errors
/// Returns the errors of [`binary_crossentropy`].
#[track_caller]
pub fn binary_crossentropy_from_logits(targets: &Tensor, logits: &Tensor) -> Result<Tensor> {
    checked_loss(NAME, targets, logits, || of_logits(&match_targets(targets, logits)?, logits))
}

fn of_probabilities(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    let p = predictions.clamp(EPSILON, 1.0 - EPSILON)?;
    let yes = targets.try_mul(p.log())?;
    let no = (1.0 - targets).try_mul((1.0 - &p).log())?;
    yes.try_add(no)?.mean_axis(-1)?.try_neg()
}

fn of_logits(targets: &Tensor, logits: &Tensor) -> Result<Tensor> {
    // -ln σ(x) = softplus(-x), and -ln(1 - σ(x)) = softplus(x): both are exact in their tails, and smooth for
    // automatic differentiation, unlike the usual max(x, 0) - x t + ln(1 + exp(-|x|)).
    let yes = logits.try_neg()?.softplus().multiply_no_nan(targets)?;
    let no = logits.softplus().multiply_no_nan(1.0 - targets)?;
    yes.try_add(no)?.mean_axis(-1)
}

/// [`binary_crossentropy`] as a [`Loss`], by default for probabilities.
#[derive(Clone, Copy, Debug, Default)]
pub struct BinaryCrossentropy {
    logits: bool,
    smoothing: f64,
}

impl BinaryCrossentropy {
    /// For logits.
    pub fn from_logits() -> Self {
        BinaryCrossentropy { logits: true, smoothing: 0.0 }
    }

    /// Moves targets toward one half: `(1 - s) t + s / 2`, with `s` from 0 to 1. [`Loss::loss`]
    /// returns an error for other values.
    #[must_use]
    pub fn label_smoothing(self, smoothing: f64) -> Self {
        BinaryCrossentropy { smoothing, ..self }
    }
}

impl Loss for BinaryCrossentropy {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(NAME, targets, predictions, || {
            let mut targets = match_targets(targets, predictions)?;
            if self.smoothing != 0.0 {
                targets = smoothed(&targets, self.smoothing, 2)?;
            }
            if self.logits { of_logits(&targets, predictions) } else { of_probabilities(&targets, predictions) }
        })
    }

    fn takes_logits(&self) -> bool {
        self.logits
    }

    fn name(&self) -> &str {
        NAME
    }
}
