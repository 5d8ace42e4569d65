//! Activation functions.

use tensor::{Result, Tensor};

use crate::layer::{Layer, Mode};

/// An activation function, as attribute of a layer (`Dense::new(4, 8).activation(Activation::Relu)`)
/// or as a layer of its own. Names and formulas are those of Keras; all act element by element but
/// the two softmaxes.
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
    /// The self-normalising ELU (Klambauer et al. 2017).
    Selu,
    /// `x · Φ(x)` with the normal distribution function Φ (Hendrycks & Gimpel 2016).
    Gelu,
    /// GELU approximated through tanh.
    GeluTanh,
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// `x · tanh(softplus(x))` (Misra 2019).
    Mish,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `ln sigmoid(x)`.
    LogSigmoid,
    /// `relu6(x + 3) / 6`.
    HardSigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `eˣ`.
    Exponential,
    /// `eˣ / Σ eˣ` along the last axis.
    Softmax,
    /// `x - ln Σ eˣ` along the last axis.
    LogSoftmax,
}

impl Activation {
    /// The function of `input`, of the same shape.
    ///
    /// # Errors
    /// If the input has no axis (softmax) or is of type bool.
    pub fn apply(&self, input: &Tensor) -> Result<Tensor> {
        Ok(match *self {
            Activation::Linear => input.clone(),
            Activation::Relu => input.relu(),
            Activation::Relu6 => input.clamp(0.0, 6.0)?,
            Activation::LeakyRelu { alpha } => input.leaky_relu(alpha),
            Activation::Elu { alpha } => input.elu(alpha),
            Activation::Selu => input.selu(),
            Activation::Gelu => input.gelu(),
            Activation::GeluTanh => input.gelu_tanh(),
            Activation::Silu => input.silu(),
            Activation::Mish => input.try_mul(input.softplus().tanh())?,
            Activation::Softplus => input.softplus(),
            Activation::Softsign => input.try_div(input.abs().try_add(1)?)?,
            Activation::Sigmoid => input.sigmoid(),
            Activation::LogSigmoid => input.try_neg()?.softplus().try_neg()?,
            Activation::HardSigmoid => input.try_add(3)?.clamp(0.0, 6.0)?.try_div(6)?,
            Activation::Tanh => input.tanh(),
            Activation::Exponential => input.exp(),
            Activation::Softmax => input.softmax(-1)?,
            Activation::LogSoftmax => input.log_softmax(-1)?,
        })
    }
}

impl Layer for Activation {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        self.apply(input)
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}
