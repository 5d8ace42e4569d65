//! Generalized cross-entropy, for noisy labels.

use tensor::{Error, Result, Tensor};

use super::checks::{checked_loss, power};
use super::loss::Loss;
use super::sparse_categorical_crossentropy::{column_as_vector, no_class};
use crate::indices::out_of_range;

const NAME: &str = "categorical_generalized_cross_entropy";

/// `(1 - p[label]^q) / q` for each sample: between the cross-entropy (q → 0) and the mean absolute error (q = 1), which is
/// more robust to wrong labels (Zhang & Sabuncu 2018). Integer labels `[…]` or `[…, 1]`
/// and probabilities `[…, classes]` give `[…]`.
///
/// Nothing is clipped. A probability of exactly 0 gets no gradient: the derivative is infinite there, but the derivative
/// with respect to the logits of a softmax is 0.
///
/// # Errors
/// Returns an error if shapes do not fit, a label is not a class, labels are not integers, predictions are not floating,
/// there are no samples, or `q` does not lie between 0 and 1.
#[track_caller]
pub fn categorical_generalized_cross_entropy(labels: &Tensor, predictions: &Tensor, q: f64) -> Result<Tensor> {
    checked_loss(NAME, labels, predictions, || {
        if !(q > 0.0 && q < 1.0) {
            return Err(Error::argument("q", format!("{q:?} must lie between 0 and 1")));
        }
        let labels = column_as_vector(labels, predictions)?;
        let p = predictions.gather(&labels.expand_dims(-1)?, -1).map_err(|error| {
            out_of_range(error, &labels, |label, place| Error::argument("labels", no_class(label, &place, predictions)))
        });
        let p = p?.squeeze(-1)?;
        (1.0 - power(&p, q)?).try_div(q)
    })
}

/// [`categorical_generalized_cross_entropy`] as a [`Loss`]; `q` is 0.5 by default.
#[derive(Clone, Copy, Debug)]
pub struct CategoricalGeneralizedCrossEntropy {
    q: f64,
}

impl CategoricalGeneralizedCrossEntropy {
    /// With this exponent, between 0 and 1; [`Loss::loss`] returns an error for other values.
    pub fn new(q: f64) -> Self {
        CategoricalGeneralizedCrossEntropy { q }
    }
}

impl Default for CategoricalGeneralizedCrossEntropy {
    fn default() -> Self {
        CategoricalGeneralizedCrossEntropy::new(0.5)
    }
}

impl Loss for CategoricalGeneralizedCrossEntropy {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        categorical_generalized_cross_entropy(targets, predictions, self.q)
    }

    fn name(&self) -> &str {
        NAME
    }
}
