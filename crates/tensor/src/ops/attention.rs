//! Attention by scaled products. Compositions of other operations.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Which keys a query may attend to, and how scores are scaled. By default all, and by `1/√width`.
///
/// ```
/// # use tensor::{Tensor, ops::AttentionOptions};
/// let x = Tensor::ones([1, 3, 2]);
/// let weights = x.attention_weights(&x, &AttentionOptions::default().causal())?;
/// assert_eq!(weights.to_vec::<f32>()?[..6], [1.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionOptions<'a> {
    mask: Option<&'a Tensor>,
    causal: bool,
    scale: Option<f64>,
}

impl<'a> AttentionOptions<'a> {
    /// Masks scores, to whose shape `[…, queries, keys]` the mask broadcasts: one of type bool is true
    /// where attention is allowed, a floating one is added. A query that may attend to no key gets
    /// weights of zero, as in PyTorch.
    #[must_use]
    pub fn mask(self, mask: &'a Tensor) -> Self {
        AttentionOptions { mask: Some(mask), ..self }
    }

    /// Lets query `i` attend to the keys up to `i` only.
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
    /// # Errors
    /// If the widths differ, leading axes do not broadcast, there is no key, or the mask does not
    /// suit.
    #[track_caller]
    pub fn attention_weights(&self, key: &Tensor, options: &AttentionOptions) -> Result<Tensor> {
        let (&[.., _, width], &[.., keys, key_width]) = (&self.shape()[..], &key.shape()[..]) else {
            let wrong = if self.rank() < 2 { self } else { key };
            return Err(Error::shape("attention", wrong.shape(), "needs at least two axes, [time, width]"));
        };
        if width != key_width || keys == 0 {
            let reason = if keys == 0 {
                "there is no key to attend to".into()
            } else {
                format!("the widths {width} of queries and {key_width} of keys differ")
            };
            return Err(Error::product("attention", self.shape(), key.shape(), reason));
        }
        // Queries are scaled rather than scores, which are mostly more.
        let scale = options.scale.unwrap_or_else(|| (width.max(1) as f64).sqrt().recip());
        let mut scores = self.try_mul(scale)?.matmul(key.t()?)?;
        if options.causal {
            scores = allowed_only(&scores, &causal_mask(scores.shape()))?;
        }
        let Some(mask) = options.mask else { return scores.softmax(-1) };
        if !matches!(scores.shape().broadcast(mask.shape(), "attention"), Ok(shape) if shape == *scores.shape()) {
            let message = format!("a mask must broadcast to the scores, {}: […, queries, keys]", scores.shape());
            return Err(Error::shape("attention", mask.shape(), message));
        }
        if mask.dtype() != DType::Bool {
            return scores.try_add(mask)?.softmax(-1);
        }
        // Where no key is allowed all scores are equal, and so are their weights; hence the second mask.
        mask.select(allowed_only(&scores, mask)?.softmax(-1)?, 0.0)
    }

    /// Values (`[…, keys, size]`) averaged with the weights of [`Tensor::attention_weights`]:
    /// `[…, queries, size]`. This tensor holds the queries.
    ///
    /// # Errors
    /// As [`Tensor::attention_weights`], and if there are not as many values as keys.
    #[track_caller]
    pub fn scaled_dot_product_attention(
        &self,
        key: &Tensor,
        value: &Tensor,
        options: &AttentionOptions,
    ) -> Result<Tensor> {
        self.attention_weights(key, options)?.matmul(value)
    }
}

/// Scores with the least number where the mask does not allow them: its exponential is zero.
#[track_caller]
fn allowed_only(scores: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let least = if scores.dtype() == DType::F64 { f64::MIN } else { f32::MIN.into() };
    mask.select(scores, least)
}

fn causal_mask(scores: &Shape) -> Tensor {
    let times: Shape = scores[scores.rank() - 2..].into();
    Tensor::full_of(times, 1.0, DType::Bool).tril(0).expect("two axes")
}
