//! Elementwise operations on one operand.

use crate::dtype::{DType, Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::finite::all_finite;
use crate::kernels::functions;
use crate::layout::View;
use crate::ops::apply::apply;
use crate::ops::cast::cast;
use crate::ops::checks::operands;
use crate::ops::elementwise::{map, map_long};
use crate::tensor::Tensor;

/// One row for each floating-point function without attributes: documentation, variant (also the name of its kernel in
/// [`functions`]), method and name, and loop.
macro_rules! unary_table {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:ident $map:ident;)*) => {
        /// An elementwise operation on one operand.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Unary {
            $($(#[doc = $doc])+ $variant,)*
            /// `x` where positive, `alpha · x` elsewhere.
            LeakyRelu {
                /// The slope below 0.
                alpha: f64,
            },
            /// `x` where positive, `alpha · (exp(x) - 1)` elsewhere.
            Elu {
                /// The scale below 0: the limit toward -∞ is `-alpha`.
                alpha: f64,
            },
            /// `x · Φ(x)`, where Φ is the normal distribution function.
            Gelu {
                /// Whether to approximate Φ by tanh.
                approximate: bool,
            },
            /// `x` limited to a range.
            Clamp {
                /// The lower bound.
                min: Option<f64>,
                /// The upper bound.
                max: Option<f64>,
            },
            /// `x` to a constant power.
            Pow {
                /// The power.
                exponent: f64,
            },
            /// `-x`.
            Neg,
            /// The absolute value.
            Abs,
            /// -1, 0 or 1.
            Sign,
            /// `x²`.
            Square,
            /// Conversion to another element type.
            Cast {
                /// The type to convert to.
                dtype: DType,
            },
        }

        names! { Unary:
            $(Unary::$variant => stringify!($name),)*
            Unary::LeakyRelu { .. } => "leaky_relu",
            Unary::Elu { .. } => "elu",
            Unary::Gelu { .. } => "gelu",
            Unary::Clamp { .. } => "clamp",
            Unary::Pow { .. } => "pow",
            Unary::Neg => "neg",
            Unary::Abs => "abs",
            Unary::Sign => "sign",
            Unary::Square => "square",
            Unary::Cast { .. } => "cast",
        }

        impl Unary {
            /// Applies the operation to floating-point numbers.
            fn float<T: Float>(self, x: &Tensor) -> Tensor {
                match self {
                    $(Unary::$variant => $map::<T, T>(x, functions::$variant),)*
                    Unary::LeakyRelu { alpha } => {
                        let alpha = T::from_f64(alpha);
                        map(x, move |x: T| if x > T::zero() { x } else { alpha * x })
                    }
                    Unary::Elu { alpha } => map_long::<T, T>(x, functions::Elu { alpha: T::from_f64(alpha) }),
                    Unary::Gelu { approximate: false } => map_long::<T, T>(x, functions::Gelu),
                    Unary::Gelu { approximate: true } => map_long::<T, T>(x, functions::GeluTanh),
                    Unary::Pow { exponent } => power(x, T::from_f64(exponent)),
                    Unary::Neg => map(x, |x: T| -x),
                    Unary::Abs => map(x, |x: T| x.abs()),
                    Unary::Sign => map(x, sign::<T>),
                    Unary::Square => map(x, |x: T| x * x),
                    Unary::Clamp { min, max } => {
                        let min = min.map_or(T::neg_infinity(), T::from_f64);
                        let max = max.map_or(T::infinity(), T::from_f64);
                        // Two separate comparisons that pass NaN through compile to branch-free instructions.
                        map(x, move |x: T| {
                            let x = if x < min { min } else { x };
                            if x > max { max } else { x }
                        })
                    }
                    Unary::Cast { dtype } => cast(x, dtype),
                }
            }

            /// Applies the operation to int64, wrapping. `None` if it is computed in float32.
            fn integer(self, x: impl FnOnce() -> Tensor) -> Option<Tensor> {
                match self {
                    Unary::Neg => Some(map(&x(), |x: i64| x.wrapping_neg())),
                    Unary::Abs => Some(map(&x(), |x: i64| x.wrapping_abs())),
                    Unary::Sign => Some(map(&x(), |x: i64| x.signum())),
                    Unary::Square => Some(map(&x(), |x: i64| x.wrapping_mul(x))),
                    Unary::Clamp { min, max } => {
                        // Rounds the bounds inwards; `as` saturates.
                        let min = min.map_or(i64::MIN, |min| min.ceil() as i64);
                        let max = max.map_or(i64::MAX, |max| max.floor() as i64);
                        Some(map(&x(), move |x: i64| x.max(min).min(max)))
                    }
                    Unary::Cast { dtype } => Some(cast(&x(), dtype)),
                    $(Unary::$variant => None,)*
                    Unary::LeakyRelu { .. } | Unary::Elu { .. } | Unary::Gelu { .. } | Unary::Pow { .. } => None,
                }
            }
        }

        impl Tensor {
            $(
                $(#[doc = $doc])+
                ///
                /// Works elementwise. Integers and bools give float32.
                #[must_use]
                pub fn $name(&self) -> Tensor {
                    total(Unary::$variant, self)
                }
            )*
        }
    };
}

unary_table! {
    /// `eˣ`.
    Exp exp map_long;
    /// `eˣ - 1`, accurate near 0.
    Expm1 expm1 map_long;
    /// The natural logarithm; -∞ at 0, NaN below.
    Log log map_long;
    /// `ln(1 + x)`, accurate near 0.
    Log1p log1p map_long;
    /// The square root; NaN below 0. Its derivative at 0 is infinite.
    Sqrt sqrt map;
    /// `1 / √x`.
    Rsqrt rsqrt map;
    /// `1 / x`.
    Reciprocal reciprocal map;
    /// The sine of an angle in radians.
    Sin sin map_long;
    /// The cosine of an angle in radians.
    Cos cos map_long;
    /// The tangent of an angle in radians.
    Tan tan map_long;
    /// The hyperbolic tangent.
    Tanh tanh map_long;
    /// `1 / (1 + e⁻ˣ)`, without overflow.
    Sigmoid sigmoid map_long;
    /// `max(x, 0)`; NaN stays NaN. The derivative is 0 at 0, and 1 at NaN.
    Relu relu map;
    /// `s · x` where positive and `s · a · (eˣ - 1)` elsewhere, with s = 1.0507 and a = 1.6733. The derivative is
    /// `s · a` at 0, and `s` at NaN.
    Selu selu map_long;
    /// `x · sigmoid(x)`, also called swish.
    Silu silu map_long;
    /// `ln(1 + eˣ)`, without overflow.
    Softplus softplus map_long;
    /// The error function, `2/√π ∫₀ˣ exp(-t²) dt`.
    Erf erf map_long;
    /// The largest integer not above `x`. Its derivative is 0.
    Floor floor map;
    /// The smallest integer not below `x`. Its derivative is 0.
    Ceil ceil map;
    /// The nearest integer; halves round to even. Its derivative is 0.
    Round round map_long;
}

/// -1, 0 or 1; NaN stays NaN.
#[inline(always)]
fn sign<T: Float>(x: T) -> T {
    if x > T::zero() {
        T::one()
    } else if x < T::zero() {
        -T::one()
    } else {
        x
    }
}

/// Powers. Exponents for which products need at most two roundings are computed as products.
fn power<T: Float>(x: &Tensor, exponent: T) -> Tensor {
    if exponent == T::one() {
        map(x, |x: T| x)
    } else if exponent == T::from_f64(2.0) {
        map(x, |x: T| x * x)
    } else if exponent == T::from_f64(3.0) {
        map(x, |x: T| x * x * x)
    } else if exponent == -T::one() {
        map(x, |x: T| x.recip())
    } else {
        map(x, move |x: T| x.powf(exponent))
    }
}

impl Unary {
    pub(crate) fn flops(self, _: &[&Tensor], outputs: &[Tensor]) -> u64 {
        outputs[0].size() as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [x] = operands(inputs, self.name())?;
        let in_float32 = || self.float::<f32>(&cast(x, DType::F32));
        Ok(match (x.dtype(), self) {
            (_, Unary::Cast { dtype }) => cast(x, dtype),
            (DType::F32, _) => self.float::<f32>(x),
            (DType::F64, _) => self.float::<f64>(x),
            (DType::I64, _) => self.integer(|| x.clone()).unwrap_or_else(in_float32),
            (DType::U8, _) => match self.integer(|| cast(x, DType::I64)) {
                // Clamping saturates at the range of a byte. For the other operations, the low byte of the int64 result
                // equals that of wrapping arithmetic on bytes.
                Some(wide) => {
                    let clamped = matches!(self, Unary::Clamp { .. });
                    map(&wide, move |x: i64| if clamped { x.clamp(0, 255) as u8 } else { x as u8 })
                }
                None => in_float32(),
            },
            (DType::Bool, Unary::Neg | Unary::Abs | Unary::Sign | Unary::Square | Unary::Clamp { .. }) => {
                return Err(Error::dtype(
                    self.name(),
                    DType::Bool,
                    "a number; cast it first, as in `x.cast(DType::F32)`",
                ));
            }
            (DType::Bool, _) => in_float32(),
        })
    }
}

/// Applies an operation that is defined for every type and shape.
fn total(op: Unary, x: &Tensor) -> Tensor {
    apply(op, &[x]).expect("defined for every tensor")
}

impl Tensor {
    /// `x` where positive, `alpha · x` elsewhere. The derivative at 0 and at NaN is `alpha`.
    #[must_use]
    pub fn leaky_relu(&self, alpha: f64) -> Tensor {
        total(Unary::LeakyRelu { alpha }, self)
    }

    /// `x` where positive, `alpha · (eˣ - 1)` elsewhere. The derivative is `alpha` at 0, and 1 at NaN.
    #[must_use]
    pub fn elu(&self, alpha: f64) -> Tensor {
        total(Unary::Elu { alpha }, self)
    }

    /// `x · Φ(x)` with the normal distribution function Φ (Hendrycks & Gimpel 2016).
    #[must_use]
    pub fn gelu(&self) -> Tensor {
        total(Unary::Gelu { approximate: false }, self)
    }

    /// The tanh approximation of [`Tensor::gelu`], `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    #[must_use]
    pub fn gelu_tanh(&self) -> Tensor {
        total(Unary::Gelu { approximate: true }, self)
    }

    /// Converts to another element type as Rust's `as` does. Floats truncate toward zero and saturate when converted to
    /// integers. Conversion to bool gives `x != 0`. Gradients flow through conversions between floating-point types.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Tensor {
        if self.dtype() == dtype { self.clone() } else { total(Unary::Cast { dtype }, self) }
    }

    /// Whether no element is infinite or NaN. This is not an operation: nothing is recorded.
    #[must_use]
    pub fn all_finite(&self) -> bool {
        let layout = self.layout().without_repeats();
        with_float!(self.dtype(), T => {
            let x = self.typed::<T>();
            self.size() == 0 || all_finite(layout.as_ref().map_or(x, |layout| View::new(x.data, layout)))
        }, else true)
    }

    /// Clamps every element to `min..=max`, where `None` means no bound; NaN stays NaN. The derivative is 0 at a bound,
    /// beyond it, and at NaN.
    ///
    /// # Errors
    /// Returns an error if a bound is NaN or `min` is above `max`, or the tensor is of type bool.
    #[track_caller]
    pub fn clamp(&self, min: impl Into<Option<f64>>, max: impl Into<Option<f64>>) -> Result<Tensor> {
        let (min, max) = (min.into(), max.into());
        let nan = min.into_iter().chain(max).any(f64::is_nan);
        if nan || min.zip(max).is_some_and(|(min, max)| min > max) {
            let message =
                format!("bounds {min:?} and {max:?}: neither may be NaN, and the lower must not exceed the upper");
            return Err(Error::argument("clamp", message));
        }
        apply(Unary::Clamp { min, max }, &[self])
    }
}

macro_rules! arithmetic_methods {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:ident;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])+
            ///
            /// Works elementwise. Bools are converted to the int64 numbers 0 and 1.
            #[must_use]
            pub fn $name(&self) -> Tensor {
                if self.dtype() == DType::Bool {
                    return total(Unary::$variant, &self.cast(DType::I64));
                }
                total(Unary::$variant, self)
            }
        )*}
    };
}

arithmetic_methods! {
    /// The absolute value. The derivative is 0 at 0, and NaN at NaN.
    Abs abs;
    /// -1, 0 or 1; NaN stays NaN. The derivative is 0.
    Sign sign;
    /// `x²`.
    Square square;
}
