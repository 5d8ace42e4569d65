//! What the blocks of a transformer share.

use tensor::{Result, Tensor};

use super::dense::Dense;
use super::dropout::Dropout;
use super::layer_norm::LayerNorm;
use crate::activation::Activation;
use crate::layer::{Layer, Visitor};
use crate::mode::Mode;
use crate::parts;

/// The connection around a sublayer of a block: normalization before or after it, dropout, and a residual connection.
#[derive(Debug)]
pub(super) struct SublayerConnection {
    norm: LayerNorm,
    dropout: Dropout,
}

/// Where a block normalizes, before or after its sublayers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormPlacement {
    /// `x + sublayer(norm(x))`.
    Pre,
    /// `norm(x + sublayer(x))`.
    Post,
}

impl SublayerConnection {
    pub(super) fn new(width: usize) -> SublayerConnection {
        SublayerConnection { norm: LayerNorm::new(width).epsilon(1e-5), dropout: Dropout::new(0.0) }
    }

    pub(super) fn dropout(self, rate: f64) -> SublayerConnection {
        SublayerConnection { dropout: Dropout::new(rate), ..self }
    }

    pub(super) fn epsilon(self, epsilon: f64) -> SublayerConnection {
        SublayerConnection { norm: self.norm.epsilon(epsilon), ..self }
    }

    /// The output of a sublayer with this connection. The normalization layer is called `name`.
    pub(super) fn apply(
        &self,
        name: &str,
        placement: NormPlacement,
        x: &Tensor,
        mode: Mode,
        sublayer: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        match placement {
            NormPlacement::Pre => x.try_add(self.dropout.forward(&sublayer(&self.norm.call(name, x, mode)?)?, mode)?),
            NormPlacement::Post => self.norm.call(name, &x.try_add(self.dropout.forward(&sublayer(x)?, mode)?)?, mode),
        }
    }

    pub(super) fn visit(&self, norm: &str, dropout: &str, visitor: &mut Visitor) {
        visitor.layer(norm, &self.norm);
        visitor.layer(dropout, &self.dropout);
    }
}

/// Two dense layers that are applied to each step separately.
#[derive(Debug)]
pub(super) struct FeedForward {
    hidden: Dense,
    output: Dense,
}

impl FeedForward {
    pub(super) fn new(width: usize, inner: usize) -> FeedForward {
        FeedForward { hidden: Dense::new(width, inner).activation(Activation::Relu), output: Dense::new(inner, width) }
    }

    pub(super) fn activation(self, activation: Activation) -> FeedForward {
        FeedForward { hidden: self.hidden.activation(activation), ..self }
    }
}

impl Layer for FeedForward {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.output.call("output", &self.hidden.call("hidden", input, mode)?, mode)
    }

    parts!(hidden, output);
}
