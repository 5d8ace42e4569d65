//! The decoder block of a transformer.

use tensor::{Error, Result, Tensor};

use super::multi_head_attention::{MultiHeadAttention, key_mask};
use super::transformer::{FeedForward, NormPlacement, SublayerConnection};
use crate::activation::Activation;
use crate::layer::{Layer, Visitor};
use crate::mask::zero_if_masked;
use crate::mode::Mode;

/// A block of a transformer's decoder (Vaswani et al. 2017): causal self-attention, attention to the output of the encoder,
/// and two dense layers, each with a residual connection and a normalization.
///
/// The inputs of `forward_many` are the sequence, `[batch, time, width]`, the output of the encoder,
/// `[batch, steps, width]`, and optionally masks of the cross-attention and the self-attention, as in
/// [`MultiHeadAttention::attend`]. [`TransformerDecoder::decode`] has masks of steps, `[batch, time]`, instead, for
/// sequences of different lengths. The output is `[batch, time, width]`. The normalization comes last, `norm(x + sublayer(x))`, or, with
/// [`TransformerDecoder::norm_first`], first, `x + sublayer(norm(x))`.
///
/// Weights: `attention.…` and `cross_attention.…` as in [`MultiHeadAttention`], `feedforward.…` as in
/// [`TransformerEncoder`](crate::TransformerEncoder), and `gamma` and `beta` of `attention_norm`,
/// `cross_attention_norm` and `feedforward_norm`.
///
/// ```
/// # use nn::{Layer, Mode, TransformerDecoder};
/// # use tensor::Tensor;
/// let block = TransformerDecoder::new(8, 2, 32);
/// let (sequence, encoded) = (Tensor::ones([1, 4, 8]), Tensor::ones([1, 6, 8]));
/// assert_eq!(block.forward_many(&[&sequence, &encoded], Mode::Inference)?.shape(), &[1, 4, 8]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct TransformerDecoder {
    sizes: [usize; 3],
    norm_placement: NormPlacement,
    attention: MultiHeadAttention,
    attention_connection: SublayerConnection,
    cross_attention: MultiHeadAttention,
    cross_attention_connection: SublayerConnection,
    feedforward: FeedForward,
    feedforward_connection: SublayerConnection,
}

impl TransformerDecoder {
    /// A block for steps with `width` features, with `heads` heads and `inner` features between the dense layers.
    pub fn new(width: usize, heads: usize, inner: usize) -> TransformerDecoder {
        TransformerDecoder {
            sizes: [width, heads, inner],
            norm_placement: NormPlacement::Post,
            attention: MultiHeadAttention::new(width, heads).causal(),
            attention_connection: SublayerConnection::new(width),
            cross_attention: MultiHeadAttention::new(width, heads),
            cross_attention_connection: SublayerConnection::new(width),
            feedforward: FeedForward::new(width, inner),
            feedforward_connection: SublayerConnection::new(width),
        }
    }

    /// Normalizes before each sublayer instead of after it.
    #[must_use]
    pub fn norm_first(self) -> TransformerDecoder {
        TransformerDecoder { norm_placement: NormPlacement::Pre, ..self }
    }

    /// Sets the activation between the dense layers; ReLU by default.
    #[must_use]
    pub fn activation(self, activation: Activation) -> TransformerDecoder {
        TransformerDecoder { feedforward: self.feedforward.activation(activation), ..self }
    }

    /// Sets the dropout rate of the attention weights and of the outputs of the sublayers; 0 by default.
    #[must_use]
    pub fn dropout(self, rate: f64) -> TransformerDecoder {
        TransformerDecoder {
            attention: self.attention.dropout(rate),
            attention_connection: self.attention_connection.dropout(rate),
            cross_attention: self.cross_attention.dropout(rate),
            cross_attention_connection: self.cross_attention_connection.dropout(rate),
            feedforward_connection: self.feedforward_connection.dropout(rate),
            ..self
        }
    }

    /// Sets the epsilon of the normalization layers; 1e-5 by default.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> TransformerDecoder {
        TransformerDecoder {
            attention_connection: self.attention_connection.epsilon(epsilon),
            cross_attention_connection: self.cross_attention_connection.epsilon(epsilon),
            feedforward_connection: self.feedforward_connection.epsilon(epsilon),
            ..self
        }
    }

    /// Computes the output for a sequence and the output of the encoder, each with a mask of steps of type bool,
    /// `[batch, time]` and `[batch, steps]`, as [`Layer::forward_masked`] of other layers returns them. Excluded steps are not
    /// attended to, and their values have no effect.
    ///
    /// ```
    /// # use nn::{Embedding, Layer, Mode, TransformerDecoder, TransformerEncoder};
    /// # use tensor::tensor;
    /// let words = Embedding::new(9, 8).mask_zero();
    /// let (encoder, decoder) = (TransformerEncoder::new(8, 2, 32), TransformerDecoder::new(8, 2, 32));
    /// let mode = Mode::Inference;
    /// let (source, source_mask) = words.forward_masked(&tensor![[3, 1, 0], [2, 0, 0]], None, mode)?;
    /// let (encoded, encoded_mask) = encoder.forward_masked(&source, source_mask.as_ref(), mode)?;
    /// let (target, target_mask) = words.forward_masked(&tensor![[5, 4], [6, 0]], None, mode)?;
    /// let output = decoder.decode((&target, target_mask.as_ref()), (&encoded, encoded_mask.as_ref()), mode)?;
    /// assert_eq!(output.shape(), &[2, 2, 8]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if shapes do not fit, or a mask does not have the steps of its sequence.
    pub fn decode(
        &self,
        (sequence, mask): (&Tensor, Option<&Tensor>),
        (encoded, encoded_mask): (&Tensor, Option<&Tensor>),
        mode: Mode,
    ) -> Result<Tensor> {
        let keys = |mask: Option<&Tensor>, of| mask.map(|mask| key_mask("transformer_decoder", mask, of)).transpose();
        let sequence = &zero_if_masked("transformer_decoder", sequence, mask)?;
        let encoded = &zero_if_masked("transformer_decoder", encoded, encoded_mask)?;
        let (keys, encoded_keys) = (keys(mask, sequence)?, keys(encoded_mask, encoded)?);
        self.run(sequence, encoded, encoded_keys.as_ref(), keys.as_ref(), mode)
    }

    /// The output, given masks of the cross-attention and the self-attention.
    fn run(
        &self,
        input: &Tensor,
        encoded: &Tensor,
        cross_mask: Option<&Tensor>,
        mask: Option<&Tensor>,
        mode: Mode,
    ) -> Result<Tensor> {
        let attended = self.attention_connection.apply("attention_norm", self.norm_placement, input, mode, |x| {
            let inputs: Vec<&Tensor> = [x, x, x].into_iter().chain(mask).collect();
            self.attention.call_many("attention", &inputs, mode)
        })?;
        let attended = self.cross_attention_connection.apply(
            "cross_attention_norm",
            self.norm_placement,
            &attended,
            mode,
            |x| {
                let inputs: Vec<&Tensor> = [x, encoded, encoded].into_iter().chain(cross_mask).collect();
                self.cross_attention.call_many("cross_attention", &inputs, mode)
            },
        )?;
        let feedforward = |x: &Tensor| self.feedforward.call("feedforward", x, mode);
        self.feedforward_connection.apply("feedforward_norm", self.norm_placement, &attended, mode, feedforward)
    }
}

impl Layer for TransformerDecoder {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_many(&[input], mode)
    }

    /// The inputs are the sequence, the output of the encoder, and optionally masks of the cross-attention and the
    /// self-attention.
    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let (&[input, encoded], masks) = match inputs.split_first_chunk::<2>() {
            Some(both) if inputs.len() <= 4 => both,
            _ => {
                let message = format!(
                    "needs 2 to 4 inputs, the sequence, the output of the encoder and masks, not {}",
                    inputs.len()
                );
                return Err(Error::argument("transformer_decoder", message));
            }
        };
        self.run(input, encoded, masks.first().copied(), masks.get(1).copied(), mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.layer("attention", &self.attention);
        self.attention_connection.visit("attention_norm", "attention_dropout", visitor);
        visitor.layer("cross_attention", &self.cross_attention);
        self.cross_attention_connection.visit("cross_attention_norm", "cross_attention_dropout", visitor);
        visitor.layer("feedforward", &self.feedforward);
        self.feedforward_connection.visit("feedforward_norm", "feedforward_dropout", visitor);
    }

    fn describe(&self) -> String {
        let [width, heads, inner] = self.sizes;
        format!("TransformerDecoder {width}, {heads} heads, {inner}")
    }
}
