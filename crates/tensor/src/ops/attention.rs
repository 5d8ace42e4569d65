//! Scaled dot-product attention, composed of other operations.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::Fused;
use crate::ops::apply::apply;
use crate::tensor::Tensor;

/// Which keys a query may attend to, and how scores are scaled. The default is all keys and `1/√width`.
///
/// A key that a query may not attend to has no effect on it: its weight is exactly 0, and neither the key nor its value
/// changes the query's result or gradient, even if they are NaN or infinite. A query that may attend to no key gets
/// zero weights, a zero result and no gradient, as in PyTorch. The mask and causality combine: a causal query whose own
/// and earlier keys are masked attends to no key.
///
/// ```
/// # use tensor::{Tensor, ops::AttentionOptions, tensor};
/// let x = Tensor::ones([1, 3, 2]);
/// let weights = x.attention_weights(&x, &AttentionOptions::default().causal())?;
/// assert_eq!(weights.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
/// let weights = x.attention_weights(&x, &AttentionOptions::default().causal().mask(&tensor![false, true, true]))?;
/// assert_eq!(weights.to_vec::<f32>()?, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.5]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionOptions<'a> {
    mask: Option<&'a Tensor>,
    causal: bool,
    scale: Option<f64>,
}

impl<'a> AttentionOptions<'a> {
    /// Masks the scores. The mask broadcasts to their shape, `[…, queries, keys]`. A bool mask is true where attention
    /// is allowed. A floating-point mask is added to the scores, and -∞ forbids attention.
    #[must_use]
    pub fn mask(self, mask: &'a Tensor) -> Self {
        AttentionOptions { mask: Some(mask), ..self }
    }

    /// Lets query `i` attend to keys `0..=i` only, even if the numbers of queries and keys differ.
    #[must_use]
    pub fn causal(self) -> Self {
        AttentionOptions { causal: true, ..self }
    }

    /// Sets the factor of the scores.
    #[must_use]
    pub fn scale(self, scale: f64) -> Self {
        AttentionOptions { scale: Some(scale), ..self }
    }
}

impl Tensor {
    /// The softmax over the keys of the scaled dot products of queries (this tensor, `[…, queries, width]`) and keys
    /// (`[…, keys, width]`): `[…, queries, keys]` (Vaswani et al. 2017).
    ///
    /// Use [`Tensor::sparse_matmul`] to average values with masked weights: a value whose weight is 0 has no effect,
    /// even if it is NaN.
    ///
    /// # Errors
    /// Returns an error if the widths differ, leading axes do not broadcast, or the mask does not broadcast to the
    /// scores or is neither bool nor of their type.
    #[track_caller]
    pub fn attention_weights(&self, key: &Tensor, options: &AttentionOptions) -> Result<Tensor> {
        let (&[.., _, width], &[.., _, key_width]) = (&self.shape()[..], &key.shape()[..]) else {
            let wrong = if self.rank() < 2 { self } else { key };
            return Err(Error::shape("attention", wrong.shape(), "needs at least two axes, [time, width]"));
        };
        if width != key_width {
            let reason = format!("the widths {width} of queries and {key_width} of keys differ");
            return Err(Error::product("attention", self.shape(), key.shape(), reason));
        }
        // Scales the queries because there are usually more scores.
        let scale = options.scale.unwrap_or_else(|| (width.max(1) as f64).sqrt().recip());
        let queries = self.try_mul(scale)?;
        if options.mask.is_none() && !options.causal {
            return queries.matmul(key.t()?)?.softmax(-1);
        }
        let scores = queries.sampled_matmul(key.t()?)?;
        let softmax = Fused::MaskedSoftmax { causal: options.causal };
        let Some(mask) = options.mask else { return apply(softmax, &[&scores]) };
        if !matches!(scores.shape().broadcast(mask.shape(), "attention"), Ok(shape) if shape == *scores.shape()) {
            let message = format!("a mask must broadcast to the scores, {}: […, queries, keys]", scores.shape());
            return Err(Error::shape("attention", mask.shape(), message));
        }
        if mask.dtype() == DType::Bool {
            return apply(softmax, &[&scores, mask]);
        }
        // Compute the sum first: its error names both types.
        let sum = scores.try_add(mask)?;
        // The sum does not show what is allowed: -∞ added to a score of +∞ or NaN gives NaN.
        let allowed = mask.not_equal(f64::NEG_INFINITY)?;
        apply(softmax, &[&sum, &allowed])
    }

    /// Averages values (`[…, keys, size]`) with the weights of [`Tensor::attention_weights`]: `[…, queries, size]`.
    /// This tensor holds the queries.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::attention_weights`], and if the numbers of values and keys
    /// differ.
    #[track_caller]
    pub fn scaled_dot_product_attention(
        &self,
        key: &Tensor,
        value: &Tensor,
        options: &AttentionOptions,
    ) -> Result<Tensor> {
        let weights = self.attention_weights(key, options)?;
        if options.mask.is_some() || options.causal { weights.sparse_matmul(value) } else { weights.matmul(value) }
    }
}
