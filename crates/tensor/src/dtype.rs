//! Element types.

use std::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit floating point; the default.
    F32,
    /// 64-bit floating point.
    F64,
    /// Signed 64-bit integers: labels, indices, counts.
    I64,
    /// Unsigned 8-bit integers: stored images.
    U8,
    /// Booleans: masks and the results of comparisons.
    Bool,
}

impl DType {
    /// Whether this is a floating-point type. Only floating-point tensors have gradients.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// The size of an element in bytes.
    pub const fn size_of(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 => 4,
            DType::U8 | DType::Bool => 1,
        }
    }

    /// The result type of quotients, means and transcendental functions: this type if it is floating-point, else
    /// float32.
    pub(crate) const fn to_float(self) -> DType {
        if self.is_float() { self } else { DType::F32 }
    }
}

/// The names that NumPy and TensorFlow use: `float32`, `int64`, `uint8`, `bool`.
impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::Bool => "bool",
        })
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for u8 {}
    impl Sealed for bool {}
}

/// A Rust type that tensors can hold: `f32`, `f64`, `i64`, `u8` or `bool`.
pub trait Element:
    sealed::Sealed + Copy + Default + PartialEq + PartialOrd + fmt::Debug + Send + Sync + 'static
{
    /// The corresponding [`DType`].
    const DTYPE: DType;

    /// The value as `f64`; integers beyond 2⁵³ are rounded.
    fn to_f64(self) -> f64;

    /// Converts as Rust's `as` does: integers truncate toward zero and saturate. For `bool`, returns `value != 0`.
    fn from_f64(value: f64) -> Self;

    /// The value as `i64`, converted as Rust's `as` does.
    fn to_i64(self) -> i64;

    /// Converts as Rust's `as` does. For `bool`, returns `value != 0`.
    fn from_i64(value: i64) -> Self;
}

macro_rules! element {
    ($($type:ty => $dtype:ident),*) => {$(
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
            #[inline(always)]
            fn from_f64(value: f64) -> Self { value as $type }
            #[inline(always)]
            fn to_i64(self) -> i64 { self as i64 }
            #[inline(always)]
            fn from_i64(value: i64) -> Self { value as $type }
        }
    )*};
}

element!(f32 => F32, f64 => F64, i64 => I64, u8 => U8);

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as u8 as f64
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value != 0.0
    }
    #[inline(always)]
    fn to_i64(self) -> i64 {
        self as i64
    }
    #[inline(always)]
    fn from_i64(value: i64) -> Self {
        value != 0
    }
}

/// A floating-point element type: `f32` or `f64`. The per-element formulas of optimizers are generic over it.
pub trait Float: Element + num_traits::Float + num_traits::FloatConst + num_traits::NumAssign + std::iter::Sum {}

impl Float for f32 {}
impl Float for f64 {}

/// Runs `$body` with `$T` defined as the element type of the [`DType`] `$dtype`.
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
        }
    };
}

/// Like `with_dtype!`, for floating-point types; evaluates `$other` for all other types.
macro_rules! with_float {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            _ => $other,
        }
    };
}

pub(crate) use {with_dtype, with_float};
