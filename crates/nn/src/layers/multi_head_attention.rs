//! Multi-head attention.

use tensor::ops::AttentionOptions;
use tensor::{DType, Error, Result, Tensor};

use super::dropout::Dropout;
use super::linear::{Linear, with_bias};
use super::rotary_encoding::RotaryEncoding;
use crate::initializers::Initializer;
use crate::input_checks::check_input;
use crate::layer::{Layer, Visitor};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::{check_mask, zero_if_masked};
use crate::mode::Mode;
use crate::weight::{WeightOptions, weight_options};

/// Multi-head attention (Vaswani et al. 2017): queries, keys and values are projected for each head; the results of the
/// heads are concatenated and projected again. The layout of the weights is Keras'.
///
/// | | shape |
/// |---|---|
/// | input (query) | `[batch, queries, width]` |
/// | value, key | `[batch, keys, width]`, widths may differ; by default the value is the query, and the key the value |
/// | output | `[batch, queries, width]`, the width of the query |
/// | weights `query.kernel`, `key.kernel`, `value.kernel` | `[width, heads, key_dim]`; initially Glorot uniform |
/// | weights `query.bias`, `key.bias`, `value.bias` | `[heads, key_dim]`; initially zeros |
/// | weight `output.kernel` | `[heads, key_dim, width]`; initially Glorot uniform |
/// | weight `output.bias` | `[width]`; initially zeros |
///
/// Memory grows with the number of queries and keys, not with their product, unless dropout is applied to the weights: see
/// [`Tensor::scaled_dot_product_attention`].
///
/// [`forward`](Layer::forward) is self-attention; the inputs of `forward_many` are, in Keras' order, query, value, and
/// optionally key and mask. [`MultiHeadAttention::attend`] has them as named arguments.
///
/// ```
/// # use nn::{Layer, Mode, MultiHeadAttention};
/// # use tensor::Tensor;
/// let attention = MultiHeadAttention::new(6, 2).causal();
/// let sequence = Tensor::ones([1, 4, 6]);
/// assert_eq!(attention.forward(&sequence, Mode::Inference)?.shape(), &[1, 4, 6]);
/// assert_eq!(attention.weight("query.kernel")?.shape(), [6, 2, 3]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct MultiHeadAttention {
    heads: usize,
    /// The size of each head; `None` for the width divided by the number of heads.
    key_dim: Option<usize>,
    causal: bool,
    rotary: Option<RotaryEncoding>,
    dropout: Dropout,
    kernel: WeightOptions,
    bias: Option<WeightOptions>,
    /// Sized by the widths of query, value and key.
    weights: LazyWeights<Projections>,
}

#[derive(Debug)]
struct Projections {
    query: Projection,
    key: Projection,
    value: Projection,
    output: Projection,
}

/// A kernel and a bias with an axis of heads.
#[derive(Debug)]
struct Projection(Linear);

impl MultiHeadAttention {
    /// A layer for queries, keys and values of one width, which is divided among the heads.
    pub fn new(width: usize, heads: usize) -> MultiHeadAttention {
        MultiHeadAttention {
            key_dim: None,
            weights: LazyWeights::sized([width; 3]),
            ..MultiHeadAttention::heads(heads, 0)
        }
    }

    /// A layer with heads of size `key_dim`. The widths of query, value and key are those of the first inputs.
    pub fn heads(heads: usize, key_dim: usize) -> MultiHeadAttention {
        MultiHeadAttention {
            heads,
            key_dim: Some(key_dim),
            causal: false,
            rotary: None,
            dropout: Dropout::new(0.0),
            kernel: Initializer::GlorotUniform.into(),
            bias: Some(Initializer::Zeros.into()),
            weights: LazyWeights::deferred(),
        }
    }

    /// Lets each step attend only to itself and earlier steps: query `i` attends to the keys up to `i`, also if the numbers
    /// of queries and keys differ.
    #[must_use]
    pub fn causal(self) -> MultiHeadAttention {
        MultiHeadAttention { causal: true, ..self }
    }

    /// Applies a rotary encoding of positions to queries and keys before they are multiplied.
    #[must_use]
    pub fn rotary(self, encoding: RotaryEncoding) -> MultiHeadAttention {
        MultiHeadAttention { rotary: Some(encoding), ..self }
    }

    /// Sets the dropout rate of the attention weights, from 0 to 1; 0 by default.
    #[must_use]
    pub fn dropout(self, rate: f64) -> MultiHeadAttention {
        MultiHeadAttention { dropout: Dropout::new(rate), ..self }
    }

    weight_options!("kernel" in kernel: kernel_initializer, kernel_regularizer, kernel_constraint);
    weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);

    /// Computes the attention of `query` to `key` and `value`. A bool mask is true where attention is allowed. A floating
    /// mask is added to the scores; minus infinity forbids attention. The mask broadcasts to `[batch, queries, keys]` or,
    /// with four axes, to `[batch, heads, queries, keys]`.
    ///
    /// A key that a query may not attend to, because of the mask or causality, has no effect on it, even if it is NaN. If a
    /// query has no key in a head, the head contributes 0 and no gradient; if it has none in any head, its output is the
    /// output bias.
    ///
    /// # Errors
    /// Returns an error if shapes or types do not fit, or the mask is of an integer type.
    pub fn attend(
        &self,
        query: &Tensor,
        value: &Tensor,
        key: &Tensor,
        mask: Option<&Tensor>,
        mode: Mode,
    ) -> Result<Tensor> {
        let kind = "multi_head_attention";
        for input in [query, value, key] {
            check_input(kind, input, 3, "[batch, time, width]")?;
        }
        if value.shape()[1] != key.shape()[1] {
            let message = format!("the numbers of values and keys must be equal; the keys are {}", key.shape());
            return Err(Error::shape(kind, value.shape(), message));
        }
        let widths = [query, value, key].map(|input| input.shape()[input.rank() - 1]);
        let projections = self.weights.get(kind, query, &widths, |widths, builder| self.build(widths, builder))?;
        // Some steps may not contribute to the result; their values must not reach the gradients of the weights.
        let partial = mask.is_some() || self.causal && query.shape()[1] != key.shape()[1];
        let [mut queries, values, mut keys] = [
            projections.query.split_heads(query, partial)?,
            projections.value.split_heads(value, partial)?,
            projections.key.split_heads(key, partial)?,
        ];
        if let Some(rotary) = &self.rotary {
            (queries, keys) = (rotary.forward(&queries, mode)?, rotary.forward(&keys, mode)?);
        }
        let mask = mask.map(|mask| self.mask_of_heads(mask, &queries, &keys)).transpose()?;
        let mut options = AttentionOptions::default();
        if self.causal {
            options = options.causal();
        }
        if let Some(mask) = &mask {
            options = options.mask(mask);
        }
        if !self.dropout.is_active(&queries, mode)? {
            return projections.output.join_heads(&queries.scaled_dot_product_attention(&keys, &values, &options)?);
        }
        // Dropout needs the weights.
        let weights = self.dropout.forward(&queries.attention_weights(&keys, &options)?, mode)?;
        let all = mask.is_none() && !self.causal;
        projections.output.join_heads(&if all { weights.matmul(values)? } else { weights.sparse_matmul(values)? })
    }

    /// The mask with an axis of heads, or an error if it does not fit the scores.
    fn mask_of_heads(&self, mask: &Tensor, queries: &Tensor, keys: &Tensor) -> Result<Tensor> {
        let scores: tensor::Shape = [queries.shape()[0], self.heads, queries.shape()[2], keys.shape()[2]].into();
        let heads = if mask.rank() == 3 { mask.expand_dims(1)? } else { mask.clone() };
        match scores.broadcast(heads.shape(), "mask") {
            Ok(shape) if shape == scores => match mask.dtype() {
                DType::Bool => Ok(heads),
                DType::F32 | DType::F64 => Ok(heads.cast(queries.dtype())),
                other => {
                    let expected = "bool, true where attention is allowed, or floating, to be added to the scores";
                    Err(Error::dtype("multi_head_attention", other, expected))
                }
            },
            _ => {
                let [batch, _, queries, keys] = [scores[0], scores[1], scores[2], scores[3]];
                let message =
                    format!("a mask must broadcast to [batch, queries, keys], here [{batch}, {queries}, {keys}]");
                Err(Error::shape("multi_head_attention", mask.shape(), message))
            }
        }
    }

    fn build(&self, widths: &[usize], builder: &mut WeightBuilder) -> Result<Projections> {
        let &[query, value, key] = widths else { unreachable!("three widths are stated") };
        let heads = self.heads;
        let size = match self.key_dim {
            Some(size) => size,
            None if heads > 0 && query.is_multiple_of(heads) => query / heads,
            None => {
                let message = format!("the width {query} cannot be divided among {heads} heads");
                return Err(Error::argument("multi_head_attention", message));
            }
        };
        if heads == 0 || size == 0 {
            let message = format!("{heads} heads of size {size}: both must be at least 1");
            return Err(Error::argument("multi_head_attention", message));
        }
        let mut projection = |name: &str, kernel: [usize; 3], bias: &[usize], fans: [usize; 2]| -> Result<Projection> {
            let path = |weight: &str| format!("{name}.{weight}");
            let kernel = builder.weight_with_fans(&path("kernel"), &self.kernel, kernel, fans)?;
            Ok(Projection(Linear { kernel, bias: builder.optional_weight(&path("bias"), &self.bias, bias)? }))
        };
        // Saturated, so that the initializer returns the error of a size that overflows.
        let all = heads.saturating_mul(size);
        Ok(Projections {
            query: projection("query", [query, heads, size], &[heads, size], [query, all])?,
            key: projection("key", [key, heads, size], &[heads, size], [key, all])?,
            value: projection("value", [value, heads, size], &[heads, size], [value, all])?,
            output: projection("output", [heads, size, query], &[query], [all, query])?,
        })
    }
}

/// The mask of attention to the steps of a mask `[batch, time]`.
pub(super) fn key_mask(kind: &str, mask: &Tensor, sequence: &Tensor) -> Result<Tensor> {
    check_mask(kind, mask, sequence)?;
    mask.expand_dims(1)
}

impl Projection {
    /// Projects `[batch, time, width]` to `[batch, heads, time, size]`. `partial` states that some steps may get no
    /// gradient: these then contribute nothing to the gradient of the kernel, even if they are NaN.
    fn split_heads(&self, input: &Tensor, partial: bool) -> Result<Tensor> {
        let kernel = self.0.kernel.value();
        let &[width, heads, size] = &kernel.shape()[..] else { unreachable!("a kernel has three axes") };
        let kernel = kernel.reshape([width, heads * size])?;
        let flat = if partial { input.sampled_matmul(kernel)? } else { input.matmul(kernel)? };
        let apart = flat.reshape([input.shape()[0], input.shape()[1], heads, size])?;
        with_bias(apart, self.0.bias.as_ref())?.transpose(1, 2)
    }

    /// Projects `[batch, heads, time, size]` to `[batch, time, width]`.
    fn join_heads(&self, heads: &Tensor) -> Result<Tensor> {
        let kernel = self.0.kernel.value();
        let &[count, size, width] = &kernel.shape()[..] else { unreachable!("a kernel has three axes") };
        let &[batch, _, time, _] = &heads.shape()[..] else { unreachable!("split heads have four axes") };
        let flat = heads.transpose(1, 2)?.reshape([batch, time, count * size])?;
        with_bias(flat.matmul(kernel.reshape([count * size, width])?)?, self.0.bias.as_ref())
    }
}

impl Layer for MultiHeadAttention {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.attend(input, input, input, None, mode)
    }

    /// The inputs are the query, and optionally value, key and mask.
    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        match *inputs {
            [query] => self.forward(query, mode),
            [query, value] => self.attend(query, value, value, None, mode),
            [query, value, key] => self.attend(query, value, key, None, mode),
            [query, value, key, mask] => self.attend(query, value, key, Some(mask), mode),
            _ => {
                let message = format!("needs 1 to 4 inputs, query, value, key and mask, not {}", inputs.len());
                Err(Error::argument("multi_head_attention", message))
            }
        }
    }

    /// Excluded steps are not attended to, and attend to the others as if they were 0.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let input = &zero_if_masked("multi_head_attention", input, mask)?;
        let keys = mask.map(|mask| key_mask("multi_head_attention", mask, input)).transpose()?;
        Ok((self.attend(input, input, input, keys.as_ref(), mode)?, mask.cloned()))
    }

    fn visit(&self, visitor: &mut Visitor) {
        let weights = self.weights.get_if_sized("multi_head_attention", |widths, builder| self.build(widths, builder));
        if let Some(Projections { query, key, value, output }) = weights {
            for (name, projection) in [("query", query), ("key", key), ("value", value), ("output", output)] {
                visitor.group(name, |visitor| projection.0.visit(visitor));
            }
        }
        visitor.layer("dropout", &self.dropout);
    }

    fn describe(&self) -> String {
        format!("MultiHeadAttention {} heads", self.heads)
    }
}
