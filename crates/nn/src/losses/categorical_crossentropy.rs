//! Cross-entropy with probabilities as targets.

use tensor::{Error, Result, Tensor};

use super::checks::{EPSILON, checked_loss, match_targets};
use super::loss::Loss;

const NAME: &str = "categorical_crossentropy";

/// `-Σ t ln p` for each sample: target probabilities, such as one-hot rows, and predicted probabilities, both
/// `[…, classes]`, give `[…]`.
///
/// As in Keras, each predicted row is divided by its sum and then clipped to [1e-7, 1 - 1e-7];
/// clipped elements get no gradient. [`categorical_crossentropy_from_logits`] clips nothing.
///
/// # Errors
/// Returns an error if shapes or types do not fit, or there are no samples.
#[track_caller]
pub fn categorical_crossentropy(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    checked_loss(NAME, targets, predictions, || of_probabilities(&match_targets(targets, predictions)?, predictions))
}

/// `-Σ t ln softmax(logits)` for each sample: target probabilities and logits, both `[…, classes]`,
/// give `[…]`.
///
/// A logit of -∞ excludes its class. If the target of the class is 0, as in a one-hot row without label smoothing, it
/// contributes 0 to the loss and its gradient is 0; otherwise the loss is infinite.
///
/// # Errors
/// Returns the errors of [`categorical_crossentropy`].
#[track_caller]
pub fn categorical_crossentropy_from_logits(targets: &Tensor, logits: &Tensor) -> Result<Tensor> {
    checked_loss(NAME, targets, logits, || of_logits(&match_targets(targets, logits)?, logits))
}

fn of_probabilities(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    let probabilities = predictions.try_div(predictions.sum_keepdims(-1)?)?;
    let logarithms = probabilities.clamp(EPSILON, 1.0 - EPSILON)?.log();
    targets.try_mul(logarithms)?.sum_axis(-1)?.try_neg()
}

fn of_logits(targets: &Tensor, logits: &Tensor) -> Result<Tensor> {
    logits.log_softmax(-1)?.multiply_no_nan(targets)?.sum_axis(-1)?.try_neg()
}

/// [`categorical_crossentropy`] as a [`Loss`], by default for probabilities.
///
/// ```
/// # use nn::{CategoricalCrossentropy, Loss};
/// # use tensor::tensor;
/// let loss = CategoricalCrossentropy::from_logits().label_smoothing(0.1);
/// let value = loss.mean(&tensor![2, 0].one_hot(3)?, &tensor![[0.0, 1.0, 4.0], [2.0, 0.0, 0.0]])?;
/// assert!((value.item()? - 0.3360).abs() < 1e-4);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CategoricalCrossentropy {
    logits: bool,
    smoothing: f64,
}

impl CategoricalCrossentropy {
    /// For logits.
    pub fn from_logits() -> Self {
        CategoricalCrossentropy { logits: true, smoothing: 0.0 }
    }

    /// Moves targets toward the uniform distribution: `(1 - s) t + s / classes`, with `s` from 0 to 1 (Szegedy et
    /// al. 2016). [`Loss::loss`] returns an error for other values.
    #[must_use]
    pub fn label_smoothing(self, smoothing: f64) -> Self {
        CategoricalCrossentropy { smoothing, ..self }
    }
}

impl Loss for CategoricalCrossentropy {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(NAME, targets, predictions, || {
            let mut targets = match_targets(targets, predictions)?;
            if self.smoothing != 0.0 {
                let classes = predictions.shape().last().map_or(1, |&classes| classes);
                targets = smoothed(&targets, self.smoothing, classes)?;
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

/// `(1 - s) t + s / classes`.
pub(super) fn smoothed(targets: &Tensor, smoothing: f64, classes: usize) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(Error::argument("label_smoothing", format!("{smoothing:?} must lie between 0 and 1")));
    }
    targets.try_mul(1.0 - smoothing)?.try_add(smoothing / classes as f64)
}
