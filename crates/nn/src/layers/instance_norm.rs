//! Instance normalization.

use tensor::{Error, Result, Tensor};

use super::affine::{Affine, AffineOptions};
use crate::input_checks::check_input;
use crate::layer::{Layer, Visitor};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::refuse_mask;
use crate::mode::Mode;
use crate::weight::weight_options;

/// Normalizes each channel of each sample to mean 0 and variance 1 over all positions (Ulyanov et al. 2016):
/// `(x - mean) / √(variance + epsilon)`, like PyTorch's InstanceNorm1d and 2d. With [`affine`](InstanceNorm::affine), the
/// result is multiplied by `gamma`, and `beta` is added. Training and inference do the same.
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, channels]` with at least 2 positions |
/// | weights `gamma`, `beta` with `affine` | `[channels]`; initially ones and zeros |
///
/// # Errors
/// Returns an error if the input has fewer than three axes, fewer than two positions (a single value has no variance), no
/// floating type, or another number of channels than the layer.
///
/// ```
/// # use nn::{InstanceNorm, Layer, Mode};
/// # use tensor::tensor;
/// let x = tensor![[[1.0, 10.0], [3.0, 50.0]]];
/// let y = InstanceNorm::default().forward(&x, Mode::Inference)?;
/// assert!(y.allclose(&tensor![[[-1.0, -1.0], [1.0, 1.0]]], 0.0, 1e-4)?);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct InstanceNorm {
    epsilon: f64,
    is_affine: bool,
    affine: AffineOptions,
    weights: LazyWeights<Affine>,
}

impl Default for InstanceNorm {
    /// A layer whose number of channels is that of the first input.
    fn default() -> Self {
        InstanceNorm {
            epsilon: 1e-5,
            is_affine: false,
            affine: AffineOptions::default(),
            weights: LazyWeights::deferred(),
        }
    }
}

impl InstanceNorm {
    /// A layer for this number of channels.
    pub fn new(channels: usize) -> InstanceNorm {
        InstanceNorm { weights: LazyWeights::sized([channels]), ..InstanceNorm::default() }
    }

    /// Sets epsilon, which is added to the variance, at least 0; 1e-5 by default, as in PyTorch.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> InstanceNorm {
        InstanceNorm { epsilon, ..self }
    }

    /// Adds the weights `gamma` and `beta`. The options of these weights have no effect without it. Existing weights are
    /// discarded.
    #[must_use]
    pub fn affine(mut self) -> InstanceNorm {
        self.is_affine = true;
        self.weights.reset();
        self
    }

    weight_options!("gamma" in affine.gamma: without_scale, gamma_initializer, gamma_regularizer, gamma_constraint);
    weight_options!("beta" in affine.beta: without_center, beta_initializer, beta_regularizer, beta_constraint);

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Affine> {
        if self.is_affine { Affine::new(&self.affine, sizes, builder) } else { Ok(Affine { gamma: None, beta: None }) }
    }
}

impl Layer for InstanceNorm {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        check_input("instance_norm", input, 3, "[batch, …, channels]")?;
        let (batch, channels) = (input.shape()[0], input.shape()[input.rank() - 1]);
        let positions: usize = input.shape()[1..input.rank() - 1].iter().product();
        if positions < 2 {
            let message = format!("needs at least 2 positions, not {positions}: a single value has no variance");
            return Err(Error::shape("instance_norm", input.shape(), message));
        }
        let affine =
            self.weights.get("instance_norm", input, &[channels], |sizes, builder| self.build(sizes, builder))?;
        let grouped = input.reshape([batch, positions, channels, 1])?;
        let [output, ..] = affine.normalize(&grouped, [channels, 1], self.epsilon)?;
        output.reshape(input.shape())
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        match mask {
            Some(_) => refuse_mask("instance_norm", "mean and variance are over all steps of a sample"),
            None => Ok((self.forward(input, mode)?, None)),
        }
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(affine) = self.weights.get_if_sized("instance_norm", |sizes, builder| self.build(sizes, builder)) {
            affine.visit(visitor);
        }
    }
}
