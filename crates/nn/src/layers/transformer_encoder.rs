//! The encoder block of a transformer.

use tensor::{Error, Result, Tensor};

use super::multi_head_attention::{MultiHeadAttention, key_mask};
use super::rotary_encoding::RotaryEncoding;
use super::transformer::{FeedForward, NormPlacement, SublayerConnection};
use crate::activation::Activation;
use crate::layer::{Layer, Visitor};
use crate::mask::zero_if_masked;
use crate::mode::Mode;

/// A block of a transformer's encoder (Vaswani et al. 2017): self-attention and two dense layers, each with a residual
/// connection and a normalization. With [`TransformerEncoder::causal`] it is the block of decoder-only models.
///
/// Input and output are `[batch, time, width]`. The second input of `forward_many` is an optional mask, as in
/// [`MultiHeadAttention::attend`]. The normalization comes last, `norm(x + sublayer(x))`, or, with
/// [`TransformerEncoder::norm_first`], first, `x + sublayer(norm(x))`.
///
/// Weights: `attention.…` as in [`MultiHeadAttention`], `attention_norm.gamma` and `.beta`,
/// `feedforward.hidden.kernel` `[width, inner]`, `feedforward.output.kernel` `[inner, width]` with
/// their biases, `feedforward_norm.gamma` and `.beta`.
///
/// ```
/// # use nn::{Activation, Layer, Mode, Sequential, TransformerEncoder};
/// # use tensor::Tensor;
/// let block = || TransformerEncoder::new(8, 2, 32).activation(Activation::Gelu).norm_first();
/// let model = Sequential::new().add_named("blocks", Sequential::new().add_named("0", block()).add_named("1", block()));
/// assert_eq!(model.forward(&Tensor::ones([1, 4, 8]), Mode::Inference)?.shape(), &[1, 4, 8]);
/// assert_eq!(model.weight("blocks.1.attention.query.kernel")?.shape(), [8, 2, 4]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct TransformerEncoder {
    sizes: [usize; 3],
    norm_placement: NormPlacement,
    attention: MultiHeadAttention,
    attention_connection: SublayerConnection,
    feedforward: FeedForward,
    feedforward_connection: SublayerConnection,
}

impl TransformerEncoder {
    /// A block for steps with `width` features, with `heads` heads and `inner` features between the dense layers.
    pub fn new(width: usize, heads: usize, inner: usize) -> TransformerEncoder {
        TransformerEncoder {
            sizes: [width, heads, inner],
            norm_placement: NormPlacement::Post,
            attention: MultiHeadAttention::new(width, heads),
            attention_connection: SublayerConnection::new(width),
            feedforward: FeedForward::new(width, inner),
            feedforward_connection: SublayerConnection::new(width),
        }
    }

    /// Normalizes before each sublayer instead of after it.
    #[must_use]
    pub fn norm_first(self) -> TransformerEncoder {
        TransformerEncoder { norm_placement: NormPlacement::Pre, ..self }
    }

    /// Sets the activation between the dense layers; ReLU by default.
    #[must_use]
    pub fn activation(self, activation: Activation) -> TransformerEncoder {
        TransformerEncoder { feedforward: self.feedforward.activation(activation), ..self }
    }

    /// Lets each step attend only to itself and earlier steps.
    #[must_use]
    pub fn causal(self) -> TransformerEncoder {
        TransformerEncoder { attention: self.attention.causal(), ..self }
    }

    /// Applies a rotary encoding of positions to queries and keys.
    #[must_use]
    pub fn rotary(self, encoding: RotaryEncoding) -> TransformerEncoder {
        TransformerEncoder { attention: self.attention.rotary(encoding), ..self }
    }

    /// Sets the dropout rate of the attention weights and of the outputs of the sublayers; 0 by default.
    #[must_use]
    pub fn dropout(self, rate: f64) -> TransformerEncoder {
        TransformerEncoder {
            attention: self.attention.dropout(rate),
            attention_connection: self.attention_connection.dropout(rate),
            feedforward_connection: self.feedforward_connection.dropout(rate),
            ..self
        }
    }

    /// Sets the epsilon of the normalization layers; 1e-5 by default.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> TransformerEncoder {
        TransformerEncoder {
            attention_connection: self.attention_connection.epsilon(epsilon),
            feedforward_connection: self.feedforward_connection.epsilon(epsilon),
            ..self
        }
    }
}

impl Layer for TransformerEncoder {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_many(&[input], mode)
    }

    /// The inputs are the sequence and, optionally, a mask.
    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let (input, mask) = match *inputs {
            [input] => (input, None),
            [input, mask] => (input, Some(mask)),
            _ => {
                let message = format!("needs 1 or 2 inputs, the sequence and a mask, not {}", inputs.len());
                return Err(Error::argument("transformer_encoder", message));
            }
        };
        let attended = self.attention_connection.apply("attention_norm", self.norm_placement, input, mode, |x| {
            let inputs: Vec<&Tensor> = [x, x, x].into_iter().chain(mask).collect();
            self.attention.call_many("attention", &inputs, mode)
        })?;
        let feedforward = |x: &Tensor| self.feedforward.call("feedforward", x, mode);
        self.feedforward_connection.apply("feedforward_norm", self.norm_placement, &attended, mode, feedforward)
    }

    /// Excluded steps are not attended to, and attend to the others as if they were 0.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let input = &zero_if_masked("transformer_encoder", input, mask)?;
        let keys = mask.map(|mask| key_mask("transformer_encoder", mask, input)).transpose()?;
        let inputs: Vec<&Tensor> = [input].into_iter().chain(&keys).collect();
        Ok((self.forward_many(&inputs, mode)?, mask.cloned()))
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.layer("attention", &self.attention);
        self.attention_connection.visit("attention_norm", "attention_dropout", visitor);
        visitor.layer("feedforward", &self.feedforward);
        self.feedforward_connection.visit("feedforward_norm", "feedforward_dropout", visitor);
    }

    fn describe(&self) -> String {
        let [width, heads, inner] = self.sizes;
        format!("TransformerEncoder {width}, {heads} heads, {inner}")
    }
}
