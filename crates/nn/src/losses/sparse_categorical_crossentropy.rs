//! Cross-entropy with class numbers.

use tensor::{DType, Error, Result, Tensor};

use super::checks::{EPSILON, checked_loss};
use super::loss::Loss;
use crate::indices::out_of_range;

const NAME: &str = "sparse_categorical_crossentropy";

/// `-ln p[label]` for each sample: integer labels `[…]` or `[…, 1]` below the number of classes, and
/// probabilities `[…, classes]`, give `[…]`.
///
/// As Keras does in eager code, the probabilities are clipped to [1e-7, 1 - 1e-7] and the
/// logarithms of a row taken as logits, which adds `ln` of the clipped row's sum: nothing, but for
/// rounding and clipping, where the row sums to one. Clipped elements get no gradient.
/// [`sparse_categorical_crossentropy_from_logits`] clips nothing.
///
/// # Errors
/// If shapes do not fit, a label is no class, labels are not integers, predictions not floating, or
/// there is no sample.
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
/// `[…, classes]` give `[…]`. Exact however small the probability.
///
/// # Errors
/// As [`sparse_categorical_crossentropy`].
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

/// What is wrong with a label that none of the predictions is for.
pub(super) fn no_class(label: i64, place: &str, predictions: &Tensor) -> String {
    match predictions.shape().last() {
        Some(&classes) if classes > 1 => format!("{label} {place} is none of the classes 0 to {}", classes - 1),
        _ => {
            format!("{label} {place} is no class, as predictions have one: use a binary cross-entropy or predict more")
        }
    }
}

/// [`sparse_categorical_crossentropy`] as a [`Loss`]: of probabilities by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparseCategoricalCrossentropy {
    logits: bool,
    ignored: Option<i64>,
}

impl SparseCategoricalCrossentropy {
    /// Of logits.
    pub fn from_logits() -> Self {
        SparseCategoricalCrossentropy { logits: true, ignored: None }
    }

    /// Samples with this label, which need be no class, have the loss 0, give no gradient and do not
    /// count in means; their predictions may be anything, even NaN.
    #[must_use]
    pub fn ignore_class(self, label: i64) -> Self {
        SparseCategoricalCrossentropy { ignored: Some(label), ..self }
    }

    /// Of labels `[…]`, none of which is ignored.
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
                    None => message += &format!("; `ignore_class({label})` leaves such samples out"),
                    Some(ignored) => message += &format!("; only the class {ignored} is ignored"),
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
            // A class and a prediction that every model has, so that nothing can go wrong there.
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

    fn has_finite_derivatives(&self) -> bool {
        true
    }

    fn name(&self) -> &str {
        NAME
    }
}

/// Labels as int64, in which every class to be ignored has a place.
fn integers(labels: &Tensor) -> Result<Tensor> {
    match labels.dtype() {
        DType::I64 | DType::U8 => Ok(labels.cast(DType::I64)),
        other => Err(Error::dtype("labels", other, "int64 or uint8, as indices must be")),
    }
}
