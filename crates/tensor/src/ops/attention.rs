//! Scaled dot-product attention: one operation for whole sequences, its gradient, and the same composed of other
//! operations.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::dtype::{DType, with_float};
use crate::error::{Error, Result};
use crate::kernels::attention::{self, Mask, Sizes};
use crate::layout::Layout;
use crate::ops::apply::{apply, apply_all};
use crate::ops::checks::same_dtype;
use crate::ops::matmul::batch_of;
use crate::ops::{Fused, Outputs};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Attention, or its gradient, without the matrix of weights in memory: it takes memory in proportion to the length of
/// sequences (Dao et al. 2022).
///
/// Operands are read where they lie, so heads need not be copied out of `[batch, time, heads, size]`. A result and the
/// gradients of queries, keys and values have the memory layout of the corresponding operand in this respect: if
/// the heads of the operand lie within the steps of time, so do those of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attention {
    /// The result, and one more output that only the gradient uses. The operands are, in this order:
    ///
    /// | | shape |
    /// |---|---|
    /// | queries | `[…, queries, width]` |
    /// | keys | `[…, keys, width]` |
    /// | values | `[…, keys, size]` |
    /// | optional: the mask, bool or floating; see [`AttentionOptions::mask`] | broadcasts to `[…, queries, keys]` |
    ///
    /// The result is `[…, queries, size]`; leading axes broadcast.
    Attend(Scoring),
    /// The gradients of queries, keys and values, with all the leading axes of the result, and that of the mask if
    /// `of_mask` is set: `[…, queries, keys]`. The operands are the gradient of the result, then the operands and the
    /// outputs of [`Attention::Attend`]. The outputs are operands only to avoid recomputing them: they are functions
    /// of the others, so no gradient flows into them.
    Gradient {
        /// That of the attention.
        scoring: Scoring,
        /// Whether to compute the gradient of the mask, which must be floating.
        of_mask: bool,
    },
}

names! { Attention:
    Attention::Attend(_) => "attention",
    Attention::Gradient { .. } => "attention_gradient",
}

/// How a query scores the keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scoring {
    /// Whether query `i` may attend to keys `0..=i` only.
    pub causal: bool,
    /// The factor of the products of queries and keys.
    pub scale: f64,
}

impl Scoring {
    /// Computes the result of [`Attention::Attend`] in ordinary operations, with the matrix of weights in memory.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::scaled_dot_product_attention`], and if there are too few or too
    /// many operands.
    #[track_caller]
    pub fn composed(&self, operands: &[Tensor]) -> Result<Tensor> {
        let operands: SmallVec<[&Tensor; 4]> = operands.iter().collect();
        let Operands { query, key, value, mask } = Operands::named(&operands, "attention")?;
        let options = AttentionOptions { mask, causal: self.causal, scale: Some(self.scale) };
        let weights = query.attention_weights(key, &options)?;
        if mask.is_some() || self.causal { weights.sparse_matmul(value) } else { weights.matmul(value) }
    }
}

#[derive(Clone, Copy)]
struct Operands<'a> {
    query: &'a Tensor,
    key: &'a Tensor,
    value: &'a Tensor,
    mask: Option<&'a Tensor>,
}

impl<'a> Operands<'a> {
    #[track_caller]
    fn named(list: &[&'a Tensor], name: &str) -> Result<Operands<'a>> {
        match *list {
            [query, key, value] => Ok(Operands { query, key, value, mask: None }),
            [query, key, value, mask] => Ok(Operands { query, key, value, mask: Some(mask) }),
            _ => {
                let message = format!("takes query, key, value and optionally a mask, not {} operands", list.len());
                Err(Error::argument(name, message))
            }
        }
    }

    /// Checks the operands and returns the leading axes of the result, and the sizes.
    fn check(&self, name: &str) -> Result<(Shape, Sizes)> {
        let Operands { query, key, value, mask } = *self;
        let width = check_widths(query, key, name)?;
        for other in [key, value] {
            same_dtype(query, other, name)?;
        }
        if !query.dtype().is_float() {
            return Err(Error::dtype(name, query.dtype(), "a floating type; cast the operands first"));
        }
        let &[.., queries, _] = &query.shape()[..] else { unreachable!("two axes, as was checked") };
        let &[.., keys, _] = &key.shape()[..] else { unreachable!("two axes, as was checked") };
        let &[.., values, size] = &value.shape()[..] else {
            return Err(Error::shape(name, value.shape(), "needs at least two axes, [time, size]"));
        };
        if keys != values {
            let reason = format!("the numbers {keys} of keys and {values} of values differ");
            return Err(Error::product(name, key.shape(), value.shape(), reason));
        }
        let joined = |a: &Tensor, b: &Tensor, batch: Shape| {
            let reason = "the leading axes (all but the last two) do not broadcast";
            batch.broadcast(&batch_of(b), name).map_err(|_| Error::product(name, a.shape(), b.shape(), reason))
        };
        let of_scores = joined(query, key, batch_of(query))?;
        if let Some(mask) = mask {
            check_mask(mask, &of_scores.iter().copied().chain([queries, keys]).collect(), name)?;
            if mask.dtype() != DType::Bool {
                same_dtype(query, mask, name)?;
            }
        }
        let batch = joined(query, value, of_scores)?;
        for sizes in [[queries, size], [queries, width], [keys, width], [keys, size], [2, queries]] {
            batch.iter().copied().chain(sizes).collect::<Shape>().checked_size(name)?;
        }
        Ok((batch, Sizes { queries, keys, width, size }))
    }
}

/// The width of queries and keys, or an error if they differ.
#[track_caller]
fn check_widths(query: &Tensor, key: &Tensor, name: &str) -> Result<usize> {
    let (&[.., _, width], &[.., _, key_width]) = (&query.shape()[..], &key.shape()[..]) else {
        let wrong = if query.rank() < 2 { query } else { key };
        return Err(Error::shape(name, wrong.shape(), "needs at least two axes, [time, width]"));
    };
    if width != key_width {
        let reason = format!("the widths {width} of queries and {key_width} of keys differ");
        return Err(Error::product(name, query.shape(), key.shape(), reason));
    }
    Ok(width)
}

#[track_caller]
fn check_mask(mask: &Tensor, scores: &Shape, name: &str) -> Result<()> {
    if matches!(scores.broadcast(mask.shape(), name), Ok(shape) if shape == *scores) {
        return Ok(());
    }
    let message = format!("a mask must broadcast to the scores, {scores}: […, queries, keys]");
    Err(Error::shape(name, mask.shape(), message))
}

/// A result of this shape: its shape in memory, and its layout, in which heads lie within time if they do in `like`.
fn placed(like: &Tensor, shape: Shape) -> (Shape, Layout) {
    let (rank, from) = (shape.rank(), like.rank());
    if from < 3 || like.strides()[from - 3] >= like.strides()[from - 2] {
        return (shape.clone(), Layout::row_major(shape));
    }
    let mut order: SmallVec<[usize; 8]> = (0..rank).collect();
    order.swap(rank - 3, rank - 2);
    let memory: Shape = order.iter().map(|&axis| shape[axis]).collect();
    let layout = Layout::row_major(memory.clone()).permuted(&order);
    (memory, layout)
}

/// A tensor without negative strides: the tiles read no rows backwards.
fn forwards(x: &Tensor) -> Cow<'_, Tensor> {
    if x.strides().iter().any(|&stride| stride < 0) { Cow::Owned(x.row_major()) } else { Cow::Borrowed(x) }
}

impl Attention {
    fn scoring(self) -> Scoring {
        let (Attention::Attend(scoring) | Attention::Gradient { scoring, .. }) = self;
        scoring
    }

    pub(crate) fn flops(self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
        let (operands, products) = match self {
            // Scores and averages of values.
            Attention::Attend(_) => (inputs, [1, 1]),
            // Scores and gradients of queries and keys; gradients of weights and of values.
            Attention::Gradient { .. } => (&inputs[1..], [3, 2]),
        };
        let [query, key, value] = [0, 1, 2].map(|k| operands[k].shape());
        let axis = |shape: &Shape, from_end: usize| shape[shape.rank() - from_end] as u64;
        let (queries, keys) = (axis(query, 2), axis(key, 2));
        let (width, size) = (axis(query, 1), axis(value, 1));
        let scores = match self.scoring().causal {
            false => queries.saturating_mul(keys),
            // The first queries attend to 1, 2, 3 … keys, the rest to all.
            true => {
                let first = queries.min(keys);
                (first.saturating_mul(first + 1) / 2).saturating_add((queries - first).saturating_mul(keys))
            }
        };
        let batch = outputs[0].shape();
        let count = batch[..batch.rank() - 2].iter().fold(1u64, |count, &n| count.saturating_mul(n as u64));
        // Of the softmax 5: compare, subtract, exp, add, multiply; of its gradient 4.
        let each = 2 * (products[0] * width + products[1] * size) + if outputs.len() == 2 { 5 } else { 4 };
        count.saturating_mul(scores).saturating_mul(each)
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Outputs> {
        let name = self.name();
        let (given, list, outputs) = match self {
            Attention::Attend(_) => (None, inputs, None),
            Attention::Gradient { .. } => match inputs {
                [given, list @ .., result, statistics] => (Some(*given), list, Some((*result, *statistics))),
                _ => return Err(Error::argument(name, format!("takes more operands than {}", inputs.len()))),
            },
        };
        let operands = Operands::named(list, name)?;
        let (batch, sizes) = operands.check(name)?;
        let shape = |sizes: [usize; 2]| batch.iter().copied().chain(sizes).collect::<Shape>();
        let Sizes { queries, keys, width, size } = sizes;
        let (key, value) = (forwards(operands.key), forwards(operands.value));
        let Scoring { causal, scale } = self.scoring();
        with_float!(operands.query.dtype(), T => {
            let mask = operands.mask.map(|mask| match mask.dtype() == DType::Bool {
                true => Mask::Allowed(mask.typed()),
                false => Mask::Added(mask.typed::<T>()),
            });
            let views = attention::Operands {
                query: operands.query.typed::<T>(),
                key: key.typed(),
                value: value.typed(),
                mask,
            };
            let attention = attention::Attention::new(views, &batch, sizes, causal, scale);
            match (given, outputs) {
                (Some(given), Some((result, statistics))) => {
                    let of_mask = matches!(self, Attention::Gradient { of_mask: true, .. });
                    check_gradient(&operands, [given, result, statistics], &batch, sizes, of_mask, name)?;
                    let parts = [
                        placed(operands.query, shape([queries, width])),
                        placed(operands.key, shape([keys, width])),
                        placed(operands.value, shape([keys, size])),
                    ];
                    let gradients =
                        attention::Gradients::new(attention, given.typed(), result.typed(), statistics.typed());
                    let buffers = gradients.compute(parts.each_ref().map(|(_, layout)| layout), of_mask);
                    let scores = shape([queries, keys]);
                    let parts = parts.into_iter().chain([(scores.clone(), Layout::row_major(scores))]);
                    let tensors = buffers.into_iter().zip(parts);
                    Ok(tensors.map(|(buffer, (memory, layout))| Tensor::from_buffer(buffer, memory).with_layout(layout)).collect())
                }
                _ => {
                    let (memory, layout) = placed(operands.query, shape([queries, size]));
                    let [result, statistics] = attention.forward(&layout);
                    let result = Tensor::from_buffer(result, memory).with_layout(layout);
                    Ok(Outputs::from_vec(vec![result, Tensor::from_buffer(statistics, shape([2, queries]))]))
                }
            }
        }, else unreachable!("the operands are floating, as was checked"))
    }
}

/// Checks the operands that a gradient has besides those of the attention, and whether the mask has a gradient.
fn check_gradient(
    operands: &Operands,
    [given, result, statistics]: [&Tensor; 3],
    batch: &Shape,
    Sizes { queries, keys, size, .. }: Sizes,
    of_mask: bool,
    name: &str,
) -> Result<()> {
    for (other, sizes) in [(given, [queries, size]), (result, [queries, size]), (statistics, [2, queries])] {
        same_dtype(operands.query, other, name)?;
        let expected: Shape = batch.iter().copied().chain(sizes).collect();
        if *other.shape() != expected {
            return Err(Error::shape(name, other.shape(), format!("must be {expected}")));
        }
    }
    if !of_mask {
        return Ok(());
    }
    match operands.mask {
        Some(mask) if mask.dtype().is_float() => {
            batch.iter().copied().chain([queries, keys]).collect::<Shape>().checked_size(name).map(drop)
        }
        _ => Err(Error::argument(name, "only a floating mask has a gradient")),
    }
}

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

    /// Causality and scale for these queries.
    fn scoring(&self, query: &Tensor) -> Scoring {
        let width = query.shape().last().map_or(1, |&width| width.max(1));
        Scoring { causal: self.causal, scale: self.scale.unwrap_or_else(|| (width as f64).sqrt().recip()) }
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
        check_widths(self, key, "attention")?;
        // Scales the queries because there are usually more scores.
        let queries = self.try_mul(options.scoring(self).scale)?;
        if options.mask.is_none() && !options.causal {
            return queries.matmul(key.t()?)?.softmax(-1);
        }
        let scores = queries.sampled_matmul(key.t()?)?;
        let softmax = Fused::MaskedSoftmax { causal: options.causal };
        let Some(mask) = options.mask else { return apply(softmax, &[&scores]) };
        check_mask(mask, scores.shape(), "attention")?;
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
    /// This tensor holds the queries, `[…, queries, width]`, and `key` is `[…, keys, width]`. Leading axes broadcast.
    ///
    /// The weights are computed in blocks and never all in memory, neither here nor for the gradient (Dao et al. 2022);
    /// only the gradient of the gradient takes memory in proportion to queries times keys. Views are read without
    /// copies. [`Attention`] describes the memory layout of the result.
    ///
    /// ```
    /// # use tensor::{Tensor, ops::AttentionOptions, tensor};
    /// let (query, key) = (tensor![[0.0, 0.0]], tensor![[1.0, 2.0], [3.0, 4.0]]);
    /// let average = query.scaled_dot_product_attention(&key, &tensor![[1.0], [5.0]], &AttentionOptions::default())?;
    /// assert_eq!(average.to_vec::<f32>()?, [3.0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
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
        let operands: SmallVec<[&Tensor; 4]> = [self, key, value].into_iter().chain(options.mask).collect();
        let mut outputs = apply_all(Attention::Attend(options.scoring(self)), &operands)?;
        Ok(outputs.swap_remove(0))
    }
}
