//! What the blocks of a transformer have in common.

use tensor::{Result, Tensor};

use super::dense::Dense;
use super::dropout::Dropout;
use super::layer_norm::LayerNorm;
use crate::activation::Activation;
use crate::layer::{Layer, Mode, Visitor};
use crate::parts;

/// A part of a block with what surrounds it: normalization before or after, dropout, and the way
/// around it.
#[derive(Debug)]
pub(super) struct SublayerConnection {
    norm: LayerNorm,
    dropout: Dropout,
}

/// Where a block normalizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormPlacement {
    /// `x + part(norm(x))`.
    Pre,
    /// `norm(x + part(x))`.
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

    /// The block's output after this part, which shows the norm as `name`.
    pub(super) fn apply(
        &self,
        name: &str,
        norm_placement: NormPlacement,
        x: &Tensor,
        mode: Mode,
        part: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        match norm_placement {
            NormPlacement::Pre => x.try_add(self.dropout.forward(&part(&self.norm.call(name, x, mode)?)?, mode)?),
            NormPlacement::Post => self.norm.call(name, &x.try_add(self.dropout.forward(&part(x)?, mode)?)?, mode),
        }
    }

    pub(super) fn visit(&self, norm: &str, dropout: &str, visitor: &mut Visitor) {
        visitor.layer(norm, &self.norm);
        visitor.layer(dropout, &self.dropout);
    }
}

/// Two dense layers, applied to each step by itself.
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
