//! Layer normalization.

use tensor::{Error, Result, Shape, Tensor};

use super::affine::{Affine, AffineOptions};
use crate::input_checks::check_input;
use crate::layer::{Layer, Visitor, forward_per_step};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::refuse_mask;
use crate::mode::Mode;
use crate::weight::weight_options;

/// Normalizes the last axes to mean 0 and variance 1, multiplies by `gamma` and adds `beta` (Ba et al. 2016): `(x - mean) / √(variance + epsilon) · gamma + beta`.
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, features]` |
/// | weights `gamma`, `beta` | `[features]`; initially ones and zeros |
///
/// ```
/// # use nn::{Layer, LayerNorm, Mode};
/// # use tensor::tensor;
/// let y = LayerNorm::new(2).epsilon(1e-6).forward(&tensor![[1.0, 3.0]], Mode::Inference)?;
/// assert!(y.allclose(&tensor![[-1.0, 1.0]], 0.0, 1e-5)?);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct LayerNorm {
    trailing: usize,
    epsilon: f64,
    affine: AffineOptions,
    weights: LazyWeights<Affine>,
}

impl Default for LayerNorm {
    /// Normalizes the last axis. Its size is that of the first input.
    fn default() -> Self {
        let weights = LazyWeights::deferred();
        LayerNorm { trailing: 1, epsilon: 1e-3, affine: AffineOptions::default(), weights }
    }
}

impl LayerNorm {
    /// Normalizes the last axis, of this size.
    pub fn new(features: usize) -> LayerNorm {
        LayerNorm::over([features])
    }

    /// Normalizes several last axes together. They have these sizes, which are also the shape of the weights.
    pub fn over(sizes: impl Into<Shape>) -> LayerNorm {
        let sizes = sizes.into();
        LayerNorm { trailing: sizes.rank(), weights: LazyWeights::sized(sizes), ..LayerNorm::default() }
    }

    /// Sets epsilon, which is added to the variance, at least 0; 0.001 by default, as in Keras.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> LayerNorm {
        LayerNorm { epsilon, ..self }
    }

    weight_options!("gamma" in affine.gamma: without_scale, gamma_initializer, gamma_regularizer, gamma_constraint);
    weight_options!("beta" in affine.beta: without_center, beta_initializer, beta_regularizer, beta_constraint);

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Affine> {
        Affine::new(&self.affine, sizes, builder)
    }
}

impl Layer for LayerNorm {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        if self.trailing == 0 {
            return Err(Error::argument("layer_norm", "there are no axes to normalize; there must be at least 1"));
        }
        check_input("layer_norm", input, self.trailing, "those to normalize")?;
        let sizes = &input.shape()[input.rank() - self.trailing..];
        let affine = self.weights.get("layer_norm", input, sizes, |sizes, builder| self.build(sizes, builder))?;
        let samples = input.shape()[..input.rank() - self.trailing].iter().product();
        let features = sizes.iter().product();
        let grouped = input.reshape([samples, 1, 1, features])?;
        let [output, ..] = affine.normalize(&grouped, [1, features], self.epsilon)?;
        output.reshape(input.shape())
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        if mask.is_some() && self.trailing + 2 > input.rank() {
            return refuse_mask("layer_norm", "mean and variance are over several steps");
        }
        forward_per_step(self, input, mask, mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(affine) = self.weights.get_if_sized("layer_norm", |sizes, builder| self.build(sizes, builder)) {
            affine.visit(visitor);
        }
    }

    fn describe(&self) -> String {
        match self.weights.sizes() {
            Some(sizes) => format!("LayerNorm {sizes}"),
            None => "LayerNorm".into(),
        }
    }
}
