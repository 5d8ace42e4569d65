//! Cross-entropy with class numbers as targets.

use tensor::{DType, Error, Result, Tensor};

use super::checks::{EPSILON, checked_loss};
use super::loss::Loss;
use crate::indices::out_of_range;

const NAME: &str = "sparse_categorical_crossentropy";

/// `-ln p[label]` for each sample: integer labels `[…]` or `[…, 1]` below the number of classes, and
/// probabilities `[…, classes]`, give `[…]`.
///
/// As in eager Keras, the probabilities are clipped to [1e-7, 1 - 1e-7], and the logarithms of a row are used as logits.
/// This adds `ln` of the sum of the clipped row, which is 0 up to rounding and clipping if the row sums to 1. Clipped
/// elements get no gradient.
/// [`sparse_categorical_crossentropy_from_logits`] clips nothing.
///
/// # Errors
/// Returns an error if shapes do not fit, a label is not a class, labels are not integers, predictions are not floating,
/// or there are no samples.
///
/// ```
/// # use nn::sparse_categorical_crossentropy;
/// # use tensor::tensor;
/// let probabilities = tensor![[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]];
/// let losses = sparse_categorical_crossentropy(&tensor![0, 1], &probabilities)?.to_vec::<f32>()?;
/// assert!((losses[0] - 2f32.ln()).abs() < 1e-6 && losses[1].abs() < 1e-6);
/// # Ok::<(), tensor::Error>(())
/// ```
#[track_caller]
pub fn sparse_categorical_crossentropy(labels: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    SparseCategoricalCrossentropy::default().loss(labels, predictions)
}

/// `-ln softmax(logits)[label]` for each sample: integer labels `[…]` or `[…, 1]` and logits
/// `[…, classes]` give `[…]`. The loss is exact, also for small probabilities.
///
/// # Errors
/// Returns the errors of [`sparse_categorical_crossentropy`].
#[track_caller]
pub fn sparse_categorical_crossentropy_from_logits(labels: &Tensor, logits: &Tensor) -> Result<Tensor> {
    SparseCategoricalCrossentropy::from_logits().loss(labels, logits)
}

/// Labels `[batch, 1]` for predictions `[batch, classes]` as `[batch]`.
pub(super) fn column_as_vector(labels: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    match labels.shape().split_last() {
        Some((1, rest)) if labels.rank() == predictions.rank() => labels.reshape(rest),
        _ => Ok(labels.clone()),
    }
}

/// The error message for a label that is not a class.
pub(super) fn no_class(label: i64, place: &str, predictions: &Tensor) -> String {
    match predictions.shape().last() {
        Some(&classes) if classes > 1 => format!("{label} {place} is not one of the classes 0 to {}", classes - 1),
        _ => {
            format!(
                "{label} {place} is not a class, because predictions have one class: use a binary cross-entropy or predict more classes"
            )
        }
    }
}

/// [`sparse_categorical_crossentropy`] as a [`Loss`], by default for probabilities.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparseCategoricalCrossentropy {
    logits: bool,
    ignored: Option<i64>,
}

impl SparseCategoricalCrossentropy {
    /// For logits.
    pub fn from_logits() -> Self {
        SparseCategoricalCrossentropy { logits: true, ignored: None }
    }

    /// Ignores samples with this label, which does not have to be a class: they have the loss 0, get no gradient and do not
    /// count in means. Their predictions may be NaN.
    #[must_use]
    pub fn ignore_class(self, label: i64) -> Self {
        SparseCategoricalCrossentropy { ignored: Some(label), ..self }
    }

    /// The losses for labels `[…]` that are all classes.
    fn of_classes(&self, labels: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        let losses = if self.logits {
            predictions.softmax_cross_entropy(labels)
        } else {
            predictions.clamp(EPSILON, 1.0 - EPSILON)?.log().softmax_cross_entropy(labels)
        };
        losses.map_err(|error| {
            out_of_range(error, labels, |label, place| {
                let mut message = no_class(label, &place, predictions);
                match self.ignored {
                    _ if predictions.shape().last() == Some(&1) => {}
                    None => message += &format!("; `ignore_class({label})` ignores such samples"),
                    Some(ignored) => message += &format!("; only the label {ignored} is ignored"),
                }
                Error::argument("labels", message)
            })
        })
    }
}

impl Loss for SparseCategoricalCrossentropy {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(NAME, targets, predictions, || {
            let labels = column_as_vector(targets, predictions)?;
            let Some(ignored) = self.ignored else { return self.of_classes(&labels, predictions) };
            let labels = integers(&labels)?;
            let valid = labels.not_equal(ignored)?;
            // Ignored samples get a valid class and finite predictions.
            let predictions = predictions.masked_fill(&valid.logical_not()?.expand_dims(-1)?, 1.0)?;
            valid.select(self.of_classes(&valid.select(&labels, 0)?, &predictions)?, 0.0)
        })
    }

    fn counted(&self, targets: &Tensor, losses: &Tensor) -> Result<Option<Tensor>> {
        let valid = |ignored| integers(&targets.reshape(losses.shape())?)?.not_equal(ignored);
        self.ignored.map(valid).transpose()
    }

    fn takes_logits(&self) -> bool {
        self.logits
    }

    fn name(&self) -> &str {
        NAME
    }
}

/// Labels as int64, which can represent every ignored label.
fn integers(labels: &Tensor) -> Result<Tensor> {
    match labels.dtype() {
        DType::I64 | DType::U8 => Ok(labels.cast(DType::I64)),
        other => Err(Error::dtype("labels", other, "int64 or uint8, as indices must be")),
    }
}
