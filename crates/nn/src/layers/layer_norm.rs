//! Layer normalization.

use tensor::{Error, Result, Shape, Tensor};

use super::affine::{Affine, AffineOptions, affine_options};
use crate::input_checks::check_input;
use crate::layer::{Layer, Mode, Visitor, forward_per_step};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::refuse_mask;

/// Each sample's last axes brought to mean 0 and variance 1, times `gamma` plus `beta` (Ba et al.
/// 2016): `(x - mean) / √(variance + epsilon) · gamma + beta`.
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, features]` |
/// | weights `gamma`, `beta` | `[features]`; ones and zeros at first |
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

affine_options!(LayerNorm);

impl Default for LayerNorm {
    /// For the last axis of whatever the first input will be.
    fn default() -> Self {
        let weights = LazyWeights::deferred();
        LayerNorm { trailing: 1, epsilon: 1e-3, affine: AffineOptions::default(), weights }
    }
}

impl LayerNorm {
    /// For so many features on the last axis.
    pub fn new(features: usize) -> LayerNorm {
        LayerNorm::over([features])
    }

    /// For several last axes together, of these sizes, which are also those of the weights.
    pub fn over(sizes: impl Into<Shape>) -> LayerNorm {
        let sizes = sizes.into();
        LayerNorm { trailing: sizes.rank(), weights: LazyWeights::sized(sizes), ..LayerNorm::default() }
    }

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Affine> {
        Affine::new(&self.affine, sizes, builder)
    }
}

impl Layer for LayerNorm {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        if self.trailing == 0 {
            return Err(Error::argument("layer_norm", "over no axes; there must be at least 1"));
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
