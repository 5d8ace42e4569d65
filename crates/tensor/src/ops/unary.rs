//! Operations on one operand, element by element.

use std::borrow::Cow;

use crate::dtype::{DType, Element, Float, with_dtype, with_float};
use crate::error::{Error, Result};
use crate::kernels::elementwise::Function;
use crate::kernels::finite::all_finite;
use crate::kernels::math;
use crate::ops::elementwise::{map, map_long};
use crate::ops::repeated::once;
use crate::ops::{apply, operands};
use crate::tensor::Tensor;

/// SELU's scale and alpha (Klambauer et al. 2017, appendix).
pub(super) const SELU: (f64, f64) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);

/// `f` of `x`, computed in float64 also for another floating type `T`. (The compiler does not promise to inline what is
/// passed to a function.)
macro_rules! widely {
    ($x:expr, $f:expr) => {
        T::from_f64($f($x.to_f64()))
    };
}
pub(super) use widely;

/// A kernel for floating types `T`: its value, and where the absolute value of `x` is beyond a limit
/// the function of float64 that takes its place.
macro_rules! kernel {
    (|$x:ident| $value:expr $(, beyond $limit:expr => $exact:expr)?) => {{
        struct Kernel;
        impl<T: Float> Function<T, T> for Kernel {
            #[inline(always)]
            fn of(&self, $x: T) -> T {
                $value
            }
            $(
                #[inline(always)]
                fn is_rare(&self, x: T) -> bool {
                    x.abs() > T::from_f64($limit)
                }
                fn rare(&self, x: T) -> T {
                    widely!(x, $exact)
                }
            )?
        }
        Kernel
    }};
}

/// One row for each operation without attributes: variant, method and name, loop and kernel for floating
/// types, and documentation.
macro_rules! float_functions {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:ident $map:ident |$x:ident| $kernel:expr
        $(, beyond $limit:expr => $exact:expr)?;)*) => {
        /// An operation on one operand, element by element.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Unary {
            $($(#[doc = $doc])+ $variant,)*
            /// `x` where positive, `alpha · x` elsewhere.
            LeakyRelu {
                /// Slope below zero.
                alpha: f64,
            },
            /// `x` where positive, `alpha · (exp(x) - 1)` elsewhere.
            Elu {
                /// The limit toward minus infinity is `-alpha`.
                alpha: f64,
            },
            /// `x · Φ(x)`, Φ being the normal distribution function.
            Gelu {
                /// Whether Φ is approximated through tanh.
                approximate: bool,
            },
            /// `x` limited to a range.
            Clamp {
                /// Lower bound.
                min: Option<f64>,
                /// Upper bound.
                max: Option<f64>,
            },
            /// `x` to a constant power.
            Pow {
                /// The power.
                exponent: f64,
            },
            /// The number of opposite sign.
            Neg,
            /// The absolute value.
            Abs,
            /// -1, 0 or 1.
            Sign,
            /// `x²`.
            Square,
            /// Whether a truth value is false.
            Not,
            /// Whether a number is not a number.
            IsNan,
            /// Whether a number is neither infinite nor NaN.
            IsFinite,
            /// Another element type.
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
            Unary::Not => "logical_not",
            Unary::IsNan => "isnan",
            Unary::IsFinite => "isfinite",
            Unary::Cast { .. } => "cast",
        }

        impl Unary {
            /// The kernels of the operations that give a floating result.
            fn float<T: Float>(self, x: &Tensor) -> Tensor {
                let number = |value: f64| T::from_f64(value);
                match self {
                    $(Unary::$variant => $map::<T, T>(x, kernel!(|$x| $kernel $(, beyond $limit => $exact)?)),)*
                    Unary::LeakyRelu { alpha } => {
                        let alpha = number(alpha);
                        map(x, move |x: T| if x > T::zero() { x } else { alpha * x })
                    }
                    Unary::Elu { alpha } => map_long::<T, T>(x, Elu { alpha: number(alpha) }),
                    Unary::Gelu { approximate: false } => map_long::<T, T>(x, kernel!(|x| widely!(x, math::gelu::<T>))),
                    Unary::Gelu { approximate: true } => map_long::<T, T>(x, kernel!(|x| widely!(x, math::gelu_tanh::<T>))),
                    Unary::Pow { exponent } => power(x, number(exponent)),
                    // Defined for every type, and handled before.
                    Unary::Clamp { .. } | Unary::Neg | Unary::Abs | Unary::Sign | Unary::Square | Unary::Not
                    | Unary::IsNan | Unary::IsFinite | Unary::Cast { .. } => unreachable!("{} is no float function", self.name()),
                }
            }
        }

        impl Tensor {
            $(
                $(#[doc = $doc])+
                ///
                /// Elementwise; integers and truth values give float32.
                #[must_use]
                pub fn $name(&self) -> Tensor {
                    total(Unary::$variant, self)
                }
            )*
        }
    };
}

float_functions! {
    /// `eˣ`.
    Exp exp map_long |x| widely!(x, math::exp::<T>);
    /// `eˣ - 1`, exact near 0.
    Expm1 expm1 map_long |x| widely!(x, math::expm1::<T>);
    /// The natural logarithm; -∞ at 0, NaN below.
    Log log map_long |x| widely!(x, math::log::<T>);
    /// `ln(1 + x)`, exact near 0.
    Log1p log1p map_long |x| widely!(x, math::log1p::<T>);
    /// The square root; NaN below 0. Its derivative at 0 is infinite.
    Sqrt sqrt map |x| x.sqrt();
    /// `1 / √x`.
    Rsqrt rsqrt map |x| x.sqrt().recip();
    /// `1 / x`.
    Reciprocal reciprocal map |x| x.recip();
    /// The sine of an angle in radians.
    Sin sin map_long |x| widely!(x, math::sin::<T>), beyond math::REDUCIBLE => libm::sin;
    /// The cosine of an angle in radians.
    Cos cos map_long |x| widely!(x, math::cos::<T>), beyond math::REDUCIBLE => libm::cos;
    /// The tangent of an angle in radians.
    Tan tan map_long |x| widely!(x, math::tan::<T>), beyond math::REDUCIBLE => libm::tan;
    /// The hyperbolic tangent.
    Tanh tanh map_long |x| widely!(x, math::tanh::<T>);
    /// `1 / (1 + e⁻ˣ)`, without overflow.
    Sigmoid sigmoid map_long |x| widely!(x, math::sigmoid::<T>);
    /// `max(x, 0)`; NaN stays NaN. Its derivative at 0 is 0, and at NaN 1.
    Relu relu map |x| if x <= T::zero() { T::zero() } else { x };
    /// `s · x` where positive and `s · a · (eˣ - 1)` elsewhere, with s = 1.0507 and a = 1.6733. Its
    /// derivative at 0 is `s · a`, and at NaN `s`.
    Selu selu map_long |x| {
        let (scale, alpha) = (T::from_f64(SELU.0), T::from_f64(SELU.1));
        let below = scale * alpha * widely!(x, math::expm1::<T>);
        if x > T::zero() { scale * x } else { below }
    };
    /// `x · sigmoid(x)`, also called swish.
    Silu silu map_long |x| widely!(x, math::silu::<T>);
    /// `ln(1 + eˣ)`, without overflow.
    Softplus softplus map_long |x| widely!(x, math::softplus::<T>);
    /// The error function, `2/√π ∫₀ˣ exp(-t²) dt`.
    Erf erf map_long |x| widely!(x, math::erf::<T>);
    /// The largest integer not above `x`. Its derivative is 0.
    Floor floor map |x| x.floor();
    /// The smallest integer not below `x`. Its derivative is 0.
    Ceil ceil map |x| x.ceil();
    /// The nearest integer, halves to the even one. Its derivative is 0.
    Round round map_long |x| round_half_even(x);
}

/// The kernel of [`Unary::Elu`].
struct Elu<T> {
    alpha: T,
}

impl<T: Float> Function<T, T> for Elu<T> {
    #[inline(always)]
    fn of(&self, x: T) -> T {
        let below = self.alpha * widely!(x, math::expm1::<T>);
        if x > T::zero() { x } else { below }
    }
}

#[inline(always)]
fn round_half_even<T: Float>(x: T) -> T {
    let rounded = x.round();
    let half = T::from_f64(0.5);
    if (x - x.trunc()).abs() == half { (x * half).round() * T::from_f64(2.0) } else { rounded }
}

/// Powers; those that need no more than two roundings as products.
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
        match self {
            Unary::Cast { dtype } => Ok(cast(x, dtype)),
            Unary::Not if x.dtype() == DType::Bool => Ok(map(x, |x: bool| !x)),
            Unary::Not => Err(Error::dtype(self.name(), x.dtype(), "bool; compare first, as in `x.not_equal(0)`")),
            Unary::IsNan => Ok(with_float!(x.dtype(), T => map(x, |x: T| x.is_nan()), else map_bool(x, false))),
            Unary::IsFinite => Ok(with_float!(x.dtype(), T => map(x, |x: T| x.is_finite()), else map_bool(x, true))),
            Unary::Neg | Unary::Abs | Unary::Sign | Unary::Square | Unary::Clamp { .. } => self.arithmetic(x),
            _ => {
                let x = converted(x, x.dtype().to_float());
                Ok(with_float!(x.dtype(), T => self.float::<T>(&x), else unreachable!("cast to float32")))
            }
        }
    }

    /// The operations that keep the element type. Integers wrap.
    fn arithmetic(self, x: &Tensor) -> Result<Tensor> {
        fn float<T: Float>(op: Unary, x: &Tensor) -> Tensor {
            match op {
                Unary::Neg => map(x, |x: T| -x),
                Unary::Abs => map(x, |x: T| x.abs()),
                Unary::Sign => map(x, |x: T| {
                    if x > T::zero() {
                        T::one()
                    } else if x < T::zero() {
                        -T::one()
                    } else {
                        x
                    }
                }),
                Unary::Square => map(x, |x: T| x * x),
                Unary::Clamp { min, max } => {
                    let min = min.map_or(T::neg_infinity(), T::from_f64);
                    let max = max.map_or(T::infinity(), T::from_f64);
                    // Comparisons that let NaN through.
                    // One after the other, which compiles to instructions without a branch.
                    map(x, move |x: T| {
                        let x = if x < min { min } else { x };
                        if x > max { max } else { x }
                    })
                }
                _ => unreachable!("{} is no arithmetic", op.name()),
            }
        }
        fn integer(op: Unary, x: &Tensor) -> Tensor {
            match op {
                Unary::Neg => map(x, |x: i64| x.wrapping_neg()),
                Unary::Abs => map(x, |x: i64| x.wrapping_abs()),
                Unary::Sign => map(x, |x: i64| x.signum()),
                Unary::Square => map(x, |x: i64| x.wrapping_mul(x)),
                Unary::Clamp { min, max } => {
                    // `as` saturates, and rounds toward the inside here.
                    let min = min.map_or(i64::MIN, |min| min.ceil() as i64);
                    let max = max.map_or(i64::MAX, |max| max.floor() as i64);
                    map(x, move |x: i64| x.max(min).min(max))
                }
                _ => unreachable!("{} is no arithmetic", op.name()),
            }
        }
        match x.dtype() {
            DType::F32 => Ok(float::<f32>(self, x)),
            DType::F64 => Ok(float::<f64>(self, x)),
            DType::I64 => Ok(integer(self, x)),
            // Through int64, whose low byte is what wrapping arithmetic on bytes gives; bounds beyond
            // a byte are those of a byte.
            DType::U8 => {
                let wide = integer(self, &cast(x, DType::I64));
                let clamped = matches!(self, Unary::Clamp { .. });
                Ok(map(&wide, move |x: i64| if clamped { x.clamp(0, 255) as u8 } else { x as u8 }))
            }
            DType::Bool => {
                Err(Error::dtype(self.name(), DType::Bool, "a number; cast it first, as in `x.cast(DType::F32)`"))
            }
        }
    }
}

fn map_bool(x: &Tensor, value: bool) -> Tensor {
    with_dtype!(x.dtype(), T => map(x, move |_: T| value))
}

/// `x` itself if it is of a type, or its elements converted to it. Other kernels use this: nothing
/// is recorded.
pub(super) fn converted(x: &Tensor, dtype: DType) -> Cow<'_, Tensor> {
    if x.dtype() == dtype { Cow::Borrowed(x) } else { Cow::Owned(cast(x, dtype)) }
}

fn cast(x: &Tensor, dtype: DType) -> Tensor {
    /// The type to convert to first: for rare conversions one in which they are exact, so that they need no loop of
    /// their own.
    const fn first(from: DType, to: DType) -> DType {
        match (from, to) {
            (DType::U8, DType::Bool) | (DType::Bool, DType::U8) => DType::I64,
            (DType::U8 | DType::Bool, DType::F64) => DType::F32,
            _ => to,
        }
    }
    fn to<A: Element, B: Element>(x: &Tensor) -> Tensor {
        if const { A::DTYPE as u8 == B::DTYPE as u8 } {
            x.row_major()
        } else if const { first(A::DTYPE, B::DTYPE) as u8 != B::DTYPE as u8 } {
            cast(&cast(x, first(A::DTYPE, B::DTYPE)), B::DTYPE)
        } else if A::DTYPE == DType::I64 || B::DTYPE == DType::I64 && !A::DTYPE.is_float() {
            map(x, |x: A| B::from_i64(x.to_i64()))
        } else {
            map(x, |x: A| B::from_f64(x.to_f64()))
        }
    }
    with_dtype!(x.dtype(), A => with_dtype!(dtype, B => to::<A, B>(x)))
}

/// Applies an operation that is defined for every type and shape.
fn total(op: Unary, x: &Tensor) -> Tensor {
    apply(op, &[x]).expect("defined for every tensor")
}

impl Tensor {
    /// `x` where positive, `alpha · x` elsewhere; the derivative at 0 and at NaN is `alpha`.
    #[must_use]
    pub fn leaky_relu(&self, alpha: f64) -> Tensor {
        total(Unary::LeakyRelu { alpha }, self)
    }

    /// `x` where positive, `alpha · (eˣ - 1)` elsewhere; the derivative at 0 is `alpha`, and at NaN 1.
    #[must_use]
    pub fn elu(&self, alpha: f64) -> Tensor {
        total(Unary::Elu { alpha }, self)
    }

    /// `x · Φ(x)` with the normal distribution function Φ (Hendrycks & Gimpel 2016).
    #[must_use]
    pub fn gelu(&self) -> Tensor {
        total(Unary::Gelu { approximate: false }, self)
    }

    /// The approximation of [`Tensor::gelu`] through tanh,
    /// `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    #[must_use]
    pub fn gelu_tanh(&self) -> Tensor {
        total(Unary::Gelu { approximate: true }, self)
    }

    /// Another element type, converted as Rust's `as` does: floats truncate toward zero and saturate
    /// as integers; as truth values, all but 0 is true. The gradient passes between floating types.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Tensor {
        if self.dtype() == dtype { self.clone() } else { total(Unary::Cast { dtype }, self) }
    }

    /// Whether each element is NaN.
    #[must_use]
    pub fn isnan(&self) -> Tensor {
        total(Unary::IsNan, self)
    }

    /// Whether each element is neither infinite nor NaN.
    #[must_use]
    pub fn isfinite(&self) -> Tensor {
        total(Unary::IsFinite, self)
    }

    /// Whether no element is infinite or NaN. No operation: nothing is recorded.
    #[must_use]
    pub fn all_finite(&self) -> bool {
        let x = once(self);
        let x = x.as_ref().unwrap_or(self);
        with_float!(x.dtype(), T => x.size() == 0 || all_finite::<T>(x.typed()), else true)
    }

    /// The opposite of each truth value.
    ///
    /// # Errors
    /// If the tensor is not of type bool.
    #[track_caller]
    pub fn logical_not(&self) -> Result<Tensor> {
        apply(Unary::Not, &[self])
    }

    /// Every element limited to at least `min` and at most `max`; NaN stays NaN. The derivative at
    /// and beyond a bound, and at NaN, is 0.
    ///
    /// # Errors
    /// If a bound is NaN or `min` is above `max`, or the tensor is of type bool.
    #[track_caller]
    pub fn clamp(&self, min: impl Into<Option<f64>>, max: impl Into<Option<f64>>) -> Result<Tensor> {
        let (min, max) = (min.into(), max.into());
        let nan = min.into_iter().chain(max).any(f64::is_nan);
        if nan || min.zip(max).is_some_and(|(min, max)| min > max) {
            let message = format!("bounds {min:?} and {max:?}: need numbers, the first not above the second");
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
            /// Elementwise; truth values are taken as the int64 0 and 1.
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
    /// The absolute value; the derivative at 0 is 0, and at NaN NaN.
    Abs abs;
    /// -1, 0 or 1; NaN stays NaN. The derivative is 0.
    Sign sign;
    /// `x²`.
    Square square;
}
