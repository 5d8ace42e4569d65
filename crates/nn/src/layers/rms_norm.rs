//! Normalization by the root of the mean square.

use tensor::{Result, Tensor};

use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::mask::along_features;
use crate::weight::{Weight, WeightOptions, weight_options};
use crate::weights::{Draw, Weights, check_input};

/// Each sample's last axis divided by the root of its mean square, times `scale` (Zhang & Sennrich
/// 2019): `x / √(mean x² + epsilon) · scale`.
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, features]` |
/// | weight `scale` | `[features]`; ones at first |
///
/// ```
/// # use nn::{Layer, Mode, RmsNorm};
/// # use tensor::tensor;
/// let y = RmsNorm::new(2).forward(&tensor![[3.0, 3.0]], Mode::Inference)?;
/// assert!(y.allclose(&tensor![[1.0, 1.0]], 0.0, 1e-6)?);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct RmsNorm {
    epsilon: f64,
    scale: WeightOptions,
    weights: Weights<Weight>,
}

impl Default for RmsNorm {
    /// For the last axis of whatever the first input will be.
    fn default() -> Self {
        RmsNorm { epsilon: 1e-6, scale: Initializer::Ones.into(), weights: Weights::unsized_yet() }
    }
}

impl RmsNorm {
    /// For so many features on the last axis.
    pub fn new(features: usize) -> RmsNorm {
        RmsNorm { weights: Weights::sized([features]), ..RmsNorm::default() }
    }

    /// Sets what is added to the mean square, from 0 on; 1e-6 by default, as in Keras.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> RmsNorm {
        RmsNorm { epsilon, ..self }
    }

    weight_options!("scale" in scale: scale_initializer, scale_regularizer, scale_constraint);

    fn build(&self, sizes: &[usize], draw: &mut Draw) -> Result<Weight> {
        draw.weight("scale", &self.scale, sizes)
    }
}

impl Layer for RmsNorm {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        check_input("rms_norm", input, 1, "[…, features]")?;
        let features = input.shape()[input.rank() - 1];
        let scale = self.weights.of("rms_norm", input, &[features], |sizes, draw| self.build(sizes, draw))?;
        input.rms_normalize(-1, self.epsilon)?.try_mul(scale)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        along_features(self, "rms_norm", input, mask, mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(scale) = self.weights.known("rms_norm", |sizes, draw| self.build(sizes, draw)) {
            visitor.weight("scale", scale);
        }
    }
}
