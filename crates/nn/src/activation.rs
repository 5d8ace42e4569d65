//! Activation functions.

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, forward_per_step};
use crate::mask::check_separate_features;
use crate::mode::Mode;

/// An activation function, as an option of a layer (`Dense::new(4, 8).activation(Activation::Relu)`) or as a layer.
/// Names and formulas are those of Keras. All functions are elementwise, except the softmaxes and `Glu`, which combine
/// elements along the last axis.
///
/// ```
/// # use nn::Activation;
/// # use tensor::tensor;
/// let y = Activation::LeakyRelu { alpha: 0.2 }.apply(&tensor![-1.0, 2.0])?;
/// assert_eq!(y.to_vec::<f32>()?, [-0.2, 2.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// `x`.
    #[default]
    Linear,
    /// `max(x, 0)`; the derivative at 0 is 0.
    Relu,
    /// `min(max(x, 0), 6)`; the derivative at 0 and 6 is 0.
    Relu6,
    /// `x` where positive, `alpha · x` elsewhere.
    LeakyRelu {
        /// The slope below zero; 0.2 in Keras, 0.01 in PyTorch.
        alpha: f64,
    },
    /// `x` where positive, `alpha · (eˣ - 1)` elsewhere.
    Elu {
        /// The limit toward minus infinity is `-alpha`; 1 in Keras and PyTorch.
        alpha: f64,
    },
    /// `x` where positive, `alpha · (e^(x / alpha) - 1)` elsewhere (Barron 2017).
    Celu {
        /// The limit toward minus infinity is `-alpha`; 1 in Keras and PyTorch.
        alpha: f64,
    },
    /// The self-normalizing ELU (Klambauer et al. 2017).
    Selu,
    /// `x · Φ(x)` with the standard normal distribution function Φ (Hendrycks & Gimpel 2016).
    Gelu,
    /// The approximation of GELU with tanh.
    GeluTanh,
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// `x · relu6(x + 3) / 6` (Howard et al. 2019), also called hard swish.
    HardSilu,
    /// `x · tanh(softplus(x))` (Misra 2019).
    Mish,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `(x + √(x² + b)) / 2` (Barron 2021).
    Squareplus {
        /// The smoothness; 4 in Keras.
        b: f64,
    },
    /// 0 below -1, `(x + 1)² / 4` from -1 to 1, `x` above 1: the integral of `SparseSigmoid`.
    SparsePlus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `ln sigmoid(x)`.
    LogSigmoid,
    /// `relu6(x + 3) / 6`.
    HardSigmoid,
    /// `min(max((x + 1) / 2, 0), 1)`; the derivative at -1 and 1 is 0.
    SparseSigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `min(max(x, -1), 1)`; the derivative at -1 and 1 is 0.
    HardTanh,
    /// `x - tanh(x)`.
    TanhShrink,
    /// 0 where `|x|` is at most the threshold, `x` elsewhere.
    HardShrink {
        /// At least 0; 0.5 in Keras and PyTorch.
        threshold: f64,
    },
    /// 0 where `|x|` is at most the threshold; elsewhere `x` moved towards 0 by the threshold.
    SoftShrink {
        /// At least 0; 0.5 in Keras and PyTorch.
        threshold: f64,
    },
    /// `x` where it is above the threshold, a constant elsewhere.
    Threshold {
        /// The threshold.
        threshold: f64,
        /// The constant.
        value: f64,
    },
    /// `eˣ`.
    Exponential,
    /// `eˣ / Σ eˣ` along the last axis.
    Softmax,
    /// `x - ln Σ eˣ` along the last axis.
    LogSoftmax,
    /// The nearest point of the probability simplex along the last axis (Martins & Astudillo 2016): similar to softmax,
    /// but small probabilities are 0.
    Sparsemax,
    /// `a · sigmoid(b)` of the two halves `a` and `b` of the last axis (Dauphin et al. 2017). It halves the last axis.
    Glu,
}

impl Activation {
    /// Applies the function. The result has the shape of the input, except for `Glu`.
    ///
    /// # Errors
    /// Returns an error if the input is a scalar and the function needs an axis, the last axis is odd for `Glu`, the input
    /// is not floating (some functions support integers), or a parameter is out of range: `alpha` of `Celu` and `b` must
    /// be positive, and the thresholds of `HardShrink` and `SoftShrink` must not be negative.
    pub fn apply(&self, input: &Tensor) -> Result<Tensor> {
        Ok(match *self {
            Activation::Linear => input.clone(),
            Activation::Relu => input.relu(),
            Activation::Relu6 => input.clamp(0.0, 6.0)?,
            Activation::LeakyRelu { alpha } => input.leaky_relu(alpha),
            Activation::Elu { alpha } => input.elu(alpha),
            Activation::Celu { alpha } => {
                let alpha = parameter("celu", "alpha", alpha, alpha > 0.0)?;
                input.try_div(alpha)?.elu(1.0).try_mul(alpha)?
            }
            Activation::Selu => input.selu(),
            Activation::Gelu => input.gelu(),
            Activation::GeluTanh => input.gelu_tanh(),
            Activation::Silu => input.silu(),
            Activation::HardSilu => input.try_mul(Activation::HardSigmoid.apply(input)?)?,
            Activation::Mish => input.try_mul(input.softplus().tanh())?,
            Activation::Softplus => input.softplus(),
            Activation::Squareplus { b } => {
                let b = parameter("squareplus", "b", b, b > 0.0)?;
                let root = input.square().try_add(b)?.sqrt();
                // For negative `x`, where `x` and the root cancel, an equivalent form without cancellation.
                let below = root.try_sub(input.minimum(0)?)?.try_mul(2)?.reciprocal().try_mul(b)?;
                input.less(0)?.select(below, root.try_add(input)?.try_div(2)?)?
            }
            Activation::SparsePlus => {
                let square = input.clamp(-1.0, 1.0)?.try_add(1)?.square().try_div(4)?;
                input.greater_equal(1)?.select(input, square)?
            }
            Activation::Softsign => input.try_div(input.abs().try_add(1)?)?,
            Activation::Sigmoid => input.sigmoid(),
            Activation::LogSigmoid => input.try_neg()?.softplus().try_neg()?,
            Activation::HardSigmoid => input.try_add(3)?.clamp(0.0, 6.0)?.try_div(6)?,
            Activation::SparseSigmoid => input.clamp(-1.0, 1.0)?.try_add(1)?.try_div(2)?,
            Activation::Tanh => input.tanh(),
            Activation::HardTanh => input.clamp(-1.0, 1.0)?,
            Activation::TanhShrink => input.try_sub(input.tanh())?,
            // The comparison is false for NaN, so NaN remains.
            Activation::HardShrink { threshold } => {
                let threshold = parameter("hard_shrink", "threshold", threshold, threshold >= 0.0)?;
                input.abs().less_equal(threshold)?.select(0.0, input)?
            }
            Activation::SoftShrink { threshold } => {
                let threshold = parameter("soft_shrink", "threshold", threshold, threshold >= 0.0)?;
                let nearer = input.try_sub(input.sign().try_mul(threshold)?)?;
                input.abs().less_equal(threshold)?.select(0.0, nearer)?
            }
            Activation::Threshold { threshold, value } => input.less_equal(threshold)?.select(value, input)?,
            Activation::Exponential => input.exp(),
            Activation::Softmax => input.softmax(-1)?,
            Activation::LogSoftmax => input.log_softmax(-1)?,
            Activation::Sparsemax => sparsemax(input)?,
            Activation::Glu => {
                let size = input.shape().last().copied().unwrap_or(0);
                if input.rank() == 0 || !size.is_multiple_of(2) {
                    return Err(Error::shape("glu", input.shape(), "the last axis must be even, to be halved"));
                }
                let halves = input.split([size / 2; 2], -1)?;
                halves[0].try_mul(halves[1].sigmoid())?
            }
        })
    }
}

/// The parameter, or an error if it is out of range.
fn parameter(kind: &str, name: &str, value: f64, fits: bool) -> Result<f64> {
    if fits && value.is_finite() {
        return Ok(value);
    }
    Err(Error::argument(kind, format!("{name} {value:?} is out of range")))
}

/// `max(x - τ, 0)` along the last axis, with the threshold `τ` for which the sum is 1: with the elements in descending
/// order and the largest `k` for which `1 + k · z_k > z_1 + … + z_k`, it is `τ = (z_1 + … + z_k - 1) / k`.
fn sparsemax(input: &Tensor) -> Result<Tensor> {
    // The result does not depend on a shift. This one keeps the sums small, so that 1 is not lost to rounding.
    let input = input.try_sub(input.max_keepdims(-1)?)?;
    let (sorted, _) = input.sort_descending(-1)?;
    let size = input.shape().last().copied().unwrap_or(0);
    let counts = Tensor::arange(1, size as i64 + 1, 1)?.cast(sorted.dtype());
    let supports = sorted.try_mul(counts)?.try_add(1)?.greater(sorted.cumsum(-1)?)?;
    // Not a product: 0 times minus infinity would be NaN.
    let sum = supports.select(&sorted, 0.0)?.sum_keepdims(-1)?;
    let threshold = sum.try_sub(1)?.try_div(supports.cast(sorted.dtype()).sum_keepdims(-1)?)?;
    Ok(input.try_sub(threshold)?.relu())
}

impl Layer for Activation {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        self.apply(input)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        if let Activation::Softmax | Activation::LogSoftmax | Activation::Sparsemax | Activation::Glu = self {
            check_separate_features("activation", input, mask)?;
        }
        forward_per_step(self, input, mask, mode)
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}
