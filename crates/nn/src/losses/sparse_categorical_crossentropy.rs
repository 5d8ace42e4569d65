//! Cross-entropy with class numbers.

use tensor::{Result, Tensor};

use super::{EPSILON, Loss, named};

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
pub fn sparse_categorical_crossentropy(labels: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    named(NAME, labels, predictions, || {
        let logits = predictions.clamp(EPSILON, 1.0 - EPSILON)?.log();
        logits.softmax_cross_entropy(&column_as_vector(labels, predictions)?)
    })
}

/// `-ln softmax(logits)[label]` for each sample: integer labels `[…]` or `[…, 1]` and logits
/// `[…, classes]` give `[…]`. Exact however small the probability.
///
/// # Errors
/// As [`sparse_categorical_crossentropy`].
pub fn sparse_categorical_crossentropy_from_logits(labels: &Tensor, logits: &Tensor) -> Result<Tensor> {
    named(NAME, labels, logits, || logits.softmax_cross_entropy(&column_as_vector(labels, logits)?))
}

/// Labels `[batch, 1]` for predictions `[batch, classes]` as `[batch]`.
fn column_as_vector(labels: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    match labels.shape().split_last() {
        Some((1, rest)) if labels.rank() == predictions.rank() => labels.with_shape(rest),
        _ => Ok(labels.clone()),
    }
}

/// [`sparse_categorical_crossentropy`] as a [`Loss`]: of probabilities by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparseCategoricalCrossentropy {
    logits: bool,
}

impl SparseCategoricalCrossentropy {
    /// Of logits.
    pub fn from_logits() -> Self {
        SparseCategoricalCrossentropy { logits: true }
    }
}

impl Loss for SparseCategoricalCrossentropy {
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        if self.logits {
            sparse_categorical_crossentropy_from_logits(targets, predictions)
        } else {
            sparse_categorical_crossentropy(targets, predictions)
        }
    }

    fn name(&self) -> &str {
        NAME
    }
}
