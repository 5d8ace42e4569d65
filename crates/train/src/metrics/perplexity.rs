//! Perplexity of language models.

use nn::SparseCategoricalCrossentropy;
use tensor::Tensor;

use crate::error::Result;
use crate::metrics::{Mean, Metric};

/// The perplexity: the exponential of the mean cross-entropy of a token, for targets `[batch, time]` of token indices
/// and predictions `[batch, time, tokens]`. It is the number of tokens for uniform predictions and 1 for certain,
/// correct ones.
///
/// Like `Perplexity` of KerasHub, whose `mask_token_id` is the ignored class of [`Perplexity::of`].
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::Perplexity};
///
/// let mut perplexity = Perplexity::default();
/// perplexity.update(&tensor![[0, 1]], &tensor![[[0.25, 0.75], [0.75, 0.25]]], None)?;
/// assert!((perplexity.result() - 4.0).abs() < 1e-6);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Debug)]
pub struct Perplexity {
    crossentropy: Mean,
    /// Whether the kind of predictions was set explicitly.
    stated: bool,
}

impl Perplexity {
    /// For logits. [`Perplexity::default`] takes probabilities, unless a trainer says that predictions are
    /// [logits](Metric::set_logits).
    pub fn from_logits() -> Perplexity {
        Perplexity::of(SparseCategoricalCrossentropy::from_logits())
    }

    /// For a cross-entropy with options such as an ignored class:
    ///
    /// ```
    /// # use nn::SparseCategoricalCrossentropy;
    /// # use train::metrics::Perplexity;
    /// let padding = 0;
    /// let perplexity = Perplexity::of(SparseCategoricalCrossentropy::from_logits().ignore_class(padding));
    /// ```
    pub fn of(crossentropy: SparseCategoricalCrossentropy) -> Perplexity {
        Perplexity { crossentropy: Mean::loss(crossentropy), stated: true }
    }
}

impl Default for Perplexity {
    fn default() -> Perplexity {
        Perplexity { crossentropy: Mean::loss(SparseCategoricalCrossentropy::default()), stated: false }
    }
}

impl Metric for Perplexity {
    fn name(&self) -> &str {
        "perplexity"
    }

    fn set_logits(&mut self, logits: bool) {
        if !self.stated {
            *self = if logits { Perplexity::from_logits() } else { Perplexity::default() };
            self.stated = false;
        }
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        self.crossentropy.update(targets, predictions, weights)
    }

    fn result(&self) -> f64 {
        self.crossentropy.result().exp()
    }

    gathered_in!(crossentropy);
}
