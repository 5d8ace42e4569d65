//! Normalization by the root mean square.

use tensor::{Result, Tensor};

use crate::initializers::Initializer;
use crate::input_checks::check_input;
use crate::layer::{Layer, Visitor, forward_per_step};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::check_separate_features;
use crate::mode::Mode;
use crate::weight::{Weight, WeightOptions, weight_options};

/// Divides the last axis by its root mean square and multiplies by `scale` (Zhang & Sennrich 2019):
/// `x / √(mean x² + epsilon) · scale`.
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, features]` |
/// | weight `scale` | `[features]`; initially ones |
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
    weights: LazyWeights<Weight>,
}

impl Default for RmsNorm {
    /// A layer whose number of features is that of the first input.
    fn default() -> Self {
        RmsNorm { epsilon: 1e-6, scale: Initializer::Ones.into(), weights: LazyWeights::deferred() }
    }
}

impl RmsNorm {
    /// A layer for this number of features on the last axis.
    pub fn new(features: usize) -> RmsNorm {
        RmsNorm { weights: LazyWeights::sized([features]), ..RmsNorm::default() }
    }

    /// Sets epsilon, which is added to the mean square, at least 0; 1e-6 by default, as in Keras.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> RmsNorm {
        RmsNorm { epsilon, ..self }
    }

    weight_options!("scale" in scale: scale_initializer, scale_regularizer, scale_constraint);

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Weight> {
        builder.weight("scale", &self.scale, sizes)
    }
}

impl Layer for RmsNorm {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        check_input("rms_norm", input, 1, "[…, features]")?;
        let features = input.shape()[input.rank() - 1];
        let scale = self.weights.get("rms_norm", input, &[features], |sizes, builder| self.build(sizes, builder))?;
        input.rms_normalize(-1, self.epsilon)?.try_mul(scale)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        check_separate_features("rms_norm", input, mask)?;
        forward_per_step(self, input, mask, mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(scale) = self.weights.get_if_sized("rms_norm", |sizes, builder| self.build(sizes, builder)) {
            visitor.weight("scale", scale);
        }
    }
}
