//! Attention by scaled products. Compositions of other operations.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::{Fused, apply};
use crate::tensor::Tensor;

/// Which keys a query may attend to, and how scores are scaled. By default all, and by `1/√width`.
///
/// A key that a query may not attend to has no effect on it: its weight is exactly 0, and neither the key nor its value
/// changes the query's result or gradient, even if they are NaN or infinite. A query that may attend to no key gets
/// weights and a result of 0 and has no gradient, as in PyTorch. That holds for the mask and causality together: a causal
/// query whose own and earlier keys are masked does not attend to later ones.
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
    /// Masks scores. The mask broadcasts to their shape, `[…, queries, keys]`. A mask of type bool is true where
    /// attention is allowed. A floating mask is added to the scores; where it is minus infinity, attention is not allowed.
    #[must_use]
    pub fn mask(self, mask: &'a Tensor) -> Self {
        AttentionOptions { mask: Some(mask), ..self }
    }

    /// Lets query `i` attend to the keys up to `i` only. Queries and keys both count from 0, also if there are more of
    /// the one than of the other.
    #[must_use]
    pub fn causal(self) -> Self {
        AttentionOptions { causal: true, ..self }
    }

    /// Multiplies scores by this number.
    #[must_use]
    pub fn scale(self, scale: f64) -> Self {
        AttentionOptions { scale: Some(scale), ..self }
    }
}

impl Tensor {
    /// The softmax, over the keys, of the scaled products of queries (this tensor, `[…, queries,
    /// width]`) and keys (`[…, keys, width]`): `[…, queries, keys]` (Vaswani et al. 2017).
    ///
    /// To average values with weights that are masked, use [`Tensor::sparse_matmul`], in which a value whose weight is 0
    /// has no effect even if it is NaN.
    ///
    /// # Errors
    /// Returns an error if the widths differ, leading axes do not broadcast, or the mask has another type than bool
    /// or that of the scores, or does not broadcast to them.
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
        // Queries are scaled rather than scores, which are mostly more.
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
        // First, as its error names both types.
        let sum = scores.try_add(mask)?;
        // Not by the sum, which is NaN where minus infinity meets a score of infinity or NaN.
        let allowed = mask.not_equal(f64::NEG_INFINITY)?;
        apply(softmax, &[&sum, &allowed])
    }

    /// Values (`[…, keys, size]`) averaged with the weights of [`Tensor::attention_weights`]:
    /// `[…, queries, size]`. This tensor holds the queries.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::attention_weights`], and if there are not as many values as
    /// keys.
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
