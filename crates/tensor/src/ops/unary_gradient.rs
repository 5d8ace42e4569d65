//! Gradients of the operations on one operand, each in one pass: what becomes of the gradient of the
//! result, given that result `y` or the operand `x`.
//!
//! Here are those that would be several operations otherwise. The gradient of `exp`, say, is a product.

use std::f64::consts::FRAC_2_SQRT_PI;

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::elementwise::PairFunction;
use crate::kernels::math;
use crate::ops::elementwise::zip_long;
use crate::ops::unary::{SELU, widely};
use crate::ops::{operands, same_dtype};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A kernel for floating types `T`: the gradient of the operand.
macro_rules! kernel {
    (|$g:ident, $kept:ident| $value:expr) => {{
        struct Kernel;
        impl<T: Float> PairFunction<T> for Kernel {
            #[inline(always)]
            fn of(&self, $g: T, $kept: T) -> T {
                $value
            }
        }
        Kernel
    }};
}

/// One row for each operation without attributes: documentation, variant, name, and kernel.
macro_rules! gradients {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal |$g:ident, $kept:ident| $kernel:expr;)*) => {
        /// The gradient of an operation on one operand: of `g`, the gradient of its result, and of
        /// that result `y` or the operand `x`.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum UnaryGradient {
            $($(#[doc = $doc])+ $variant,)*
            /// `g` where `x` is positive, `alpha · g` elsewhere.
            LeakyRelu {
                /// Slope below zero.
                alpha: f64,
            },
            /// `g` where `x` is positive or NaN, `alpha · eˣ · g` elsewhere.
            Elu {
                /// The slope at 0.
                alpha: f64,
            },
            /// `(Φ(x) + x Φ'(x)) · g`, Φ being the normal distribution function.
            Gelu {
                /// Whether Φ is approximated through tanh.
                approximate: bool,
            },
            /// `g` where `x` lies between the bounds, 0 elsewhere.
            Clamp {
                /// Lower bound.
                min: Option<f64>,
                /// Upper bound.
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
            fn float<T: Float>(self, shape: Shape, g: &Tensor, kept: &Tensor) -> Tensor {
                let number = |value: f64| T::from_f64(value);
                match self {
                    $(UnaryGradient::$variant => zip_long::<T>(shape, g, kept, kernel!(|$g, $kept| $kernel)),)*
                    UnaryGradient::LeakyRelu { alpha } => {
                        let alpha = number(alpha);
                        zip_long(shape, g, kept, move |g: T, x: T| if x > T::zero() { g } else { alpha * g })
                    }
                    UnaryGradient::Elu { alpha } => zip_long::<T>(shape, g, kept, Elu { alpha: number(alpha) }),
                    UnaryGradient::Gelu { approximate: false } => {
                        zip_long::<T>(shape, g, kept, kernel!(|g, x| g * widely!(x, math::gelu_slope::<T>)))
                    }
                    UnaryGradient::Gelu { approximate: true } => {
                        zip_long::<T>(shape, g, kept, kernel!(|g, x| g * widely!(x, math::gelu_tanh_slope::<T>)))
                    }
                    UnaryGradient::Clamp { min, max } => {
                        let (unbounded_below, unbounded_above) = (min.is_none(), max.is_none());
                        let (min, max) = (number(min.unwrap_or(0.0)), number(max.unwrap_or(0.0)));
                        zip_long(shape, g, kept, move |g: T, x: T| {
                            let inside = (unbounded_below | (x > min)) & (unbounded_above | (x < max));
                            if inside { g } else { T::zero() }
                        })
                    }
                }
            }
        }
    };
}

gradients! {
    /// `sign(x) · g`, 0 where `x` is.
    Abs "abs_gradient" |g, x| {
        let sign = if x > T::zero() { T::one() } else { -T::one() };
        g * if x == T::zero() || x.is_nan() { x } else { sign }
    };
    /// `2 x g`.
    Square "square_gradient" |g, x| g * (T::from_f64(2.0) * x);
    /// `g / (x + 1)`.
    Log1p "log1p_gradient" |g, x| g / (x + T::one());
    /// `(y + 1) · g`.
    Expm1 "expm1_gradient" |g, y| g * (y + T::one());
    /// `g / 2y`.
    Sqrt "sqrt_gradient" |g, y| g / (y * T::from_f64(2.0));
    /// `-y³/2 · g`.
    Rsqrt "rsqrt_gradient" |g, y| g * (y * y * y) * T::from_f64(-0.5);
    /// `-y² g`.
    Reciprocal "reciprocal_gradient" |g, y| -(g * (y * y));
    /// `(1 + y²) · g`.
    Tan "tan_gradient" |g, y| g * (y * y + T::one());
    /// `(1 - y²) · g`.
    Tanh "tanh_gradient" |g, y| g * (T::one() - y * y);
    /// `y (1 - y) · g`.
    Sigmoid "sigmoid_gradient" |g, y| g * (y * (T::one() - y));
    /// `g` where `y` is positive or NaN, 0 elsewhere.
    Relu "relu_gradient" |g, y| if y <= T::zero() { T::zero() } else { g };
    /// `s · g` where `x` is positive or NaN, `s · a · eˣ · g` elsewhere, with the constants of selu.
    Selu "selu_gradient" |g, x| exponential_below(g, x, T::from_f64(SELU.0), T::from_f64(SELU.0 * SELU.1));
    /// `(s + x s (1 - s)) · g` with `s = sigmoid(x)`.
    Silu "silu_gradient" |g, x| g * widely!(x, math::silu_slope::<T>);
    /// `sigmoid(x) · g`.
    Softplus "softplus_gradient" |g, x| g * widely!(x, math::sigmoid::<T>);
    /// `2/√π · exp(-x²) · g`.
    Erf "erf_gradient" |g, x| g * widely!(x, |x: f64| FRAC_2_SQRT_PI * math::exp::<T>(-x * x));
}

/// `g` times `above`, up to 0 times `below · eˣ`.
#[inline(always)]
fn exponential_below<T: Float>(g: T, x: T, above: T, below: T) -> T {
    let slope = below * widely!(x, math::exp::<T>);
    g * if x <= T::zero() { slope } else { above }
}

/// The kernel of [`UnaryGradient::Elu`].
struct Elu<T> {
    alpha: T,
}

impl<T: Float> PairFunction<T> for Elu<T> {
    #[inline(always)]
    fn of(&self, g: T, x: T) -> T {
        exponential_below(g, x, T::one(), self.alpha)
    }
}

impl UnaryGradient {
    pub(crate) fn flops(self, _: &[&Tensor], outputs: &[Tensor]) -> u64 {
        outputs[0].size() as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [g, kept] = operands(inputs, self.name())?;
        same_dtype(g, kept, self.name())?;
        let shape = g.shape().broadcast(kept.shape(), self.name())?;
        Ok(with_float!(g.dtype(), T => self.float::<T>(shape, g, kept),
            else return Err(Error::dtype(self.name(), g.dtype(), "a floating type, as gradients are"))))
    }
}
