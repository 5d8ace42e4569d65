//! Gradients of the unary operations, each in one pass over the gradient `g` of the result and either the result `y` or
//! the operand `x`.
//!
//! Only gradients that would otherwise take several operations are here. The gradient of `exp`, for example, is a
//! single product.

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::gradients;
use crate::ops::checks::{operands, same_dtype};
use crate::ops::elementwise::zip_long;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// One row for each operation without attributes: documentation, variant (also the name of its kernel in
/// [`gradients`]), and name.
macro_rules! gradient_table {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal;)*) => {
        /// The gradient of a unary operation, from the gradient `g` of its result and either the result `y` or the
        /// operand `x`.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum UnaryGradient {
            $($(#[doc = $doc])+ $variant,)*
            /// `g` where `x` is positive, `alpha · g` elsewhere.
            LeakyRelu {
                /// The slope below 0.
                alpha: f64,
            },
            /// `g` where `x` is positive or NaN, `alpha · eˣ · g` elsewhere.
            Elu {
                /// The slope at 0.
                alpha: f64,
            },
            /// `(Φ(x) + x Φ'(x)) · g`, where Φ is the normal distribution function.
            Gelu {
                /// Whether to approximate Φ by tanh.
                approximate: bool,
            },
            /// `g` where `x` lies between the bounds, 0 elsewhere.
            Clamp {
                /// The lower bound.
                min: Option<f64>,
                /// The upper bound.
                max: Option<f64>,
            },
        }

        names! { UnaryGradient:
            $(UnaryGradient::$variant => $name,)*
            UnaryGradient::LeakyRelu { .. } => "leaky_relu_gradient",
            UnaryGradient::Elu { .. } => "elu_gradient",
            UnaryGradient::Gelu { .. } => "gelu_gradient",
            UnaryGradient::Clamp { .. } => "clamp_gradient",
        }

        impl UnaryGradient {
            fn float<T: Float>(self, shape: Shape, g: &Tensor, saved: &Tensor) -> Tensor {
                let number = |value: f64| T::from_f64(value);
                match self {
                    $(UnaryGradient::$variant => zip_long::<T>(shape, g, saved, gradients::$variant),)*
                    UnaryGradient::LeakyRelu { alpha } => {
                        let alpha = number(alpha);
                        zip_long(shape, g, saved, move |g: T, x: T| if x > T::zero() { g } else { alpha * g })
                    }
                    UnaryGradient::Elu { alpha } => zip_long::<T>(shape, g, saved, gradients::Elu { alpha: number(alpha) }),
                    UnaryGradient::Gelu { approximate: false } => {
                        zip_long::<T>(shape, g, saved, gradients::Gelu)
                    }
                    UnaryGradient::Gelu { approximate: true } => {
                        zip_long::<T>(shape, g, saved, gradients::GeluTanh)
                    }
                    UnaryGradient::Clamp { min, max } => {
                        let (unbounded_below, unbounded_above) = (min.is_none(), max.is_none());
                        let (min, max) = (number(min.unwrap_or(0.0)), number(max.unwrap_or(0.0)));
                        zip_long(shape, g, saved, move |g: T, x: T| {
                            let inside = (unbounded_below | (x > min)) & (unbounded_above | (x < max));
                            if inside { g } else { T::zero() }
                        })
                    }
                }
            }
        }
    };
}

gradient_table! {
    /// `sign(x) · g`; 0 where `x` is 0.
    Abs "abs_gradient";
    /// `2 x g`.
    Square "square_gradient";
    /// `g / (x + 1)`.
    Log1p "log1p_gradient";
    /// `(y + 1) · g`.
    Expm1 "expm1_gradient";
    /// `g / 2y`.
    Sqrt "sqrt_gradient";
    /// `-y³/2 · g`.
    Rsqrt "rsqrt_gradient";
    /// `-y² g`.
    Reciprocal "reciprocal_gradient";
    /// `(1 + y²) · g`.
    Tan "tan_gradient";
    /// `(1 - y²) · g`.
    Tanh "tanh_gradient";
    /// `y (1 - y) · g`.
    Sigmoid "sigmoid_gradient";
    /// `g` where `y` is positive or NaN, 0 elsewhere.
    Relu "relu_gradient";
    /// `s · g` where `x` is positive or NaN, `s · a · eˣ · g` elsewhere, with the constants of selu.
    Selu "selu_gradient";
    /// `(s + x s (1 - s)) · g` with `s = sigmoid(x)`.
    Silu "silu_gradient";
    /// `sigmoid(x) · g`.
    Softplus "softplus_gradient";
    /// `2/√π · exp(-x²) · g`.
    Erf "erf_gradient";
}

impl UnaryGradient {
    pub(crate) fn flops(self, _: &[&Tensor], outputs: &[Tensor]) -> u64 {
        outputs[0].size() as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [g, saved] = operands(inputs, self.name())?;
        same_dtype(g, saved, self.name())?;
        let shape = g.shape().broadcast(saved.shape(), self.name())?;
        Ok(with_float!(g.dtype(), T => self.float::<T>(shape, g, saved),
            else return Err(Error::dtype(self.name(), g.dtype(), "a floating type, as gradients are"))))
    }
}
