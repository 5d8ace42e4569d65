//! Operands: tensors, variables and numbers.

use std::borrow::Cow;

use crate::dtype::{DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// A number of any Rust type, as an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer.
    Integer(i128),
    /// A floating-point number.
    Float(f64),
}

impl Number {
    /// The value as `f64`; integers beyond 2⁵³ are rounded.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Integer(value) => wide_to_f64(value),
            Number::Float(value) => value,
        }
    }

    /// Converts to a scalar of type `dtype`, which must be floating-point or hold the number exactly.
    #[track_caller]
    pub(crate) fn to_tensor(self, dtype: DType, operation: &str) -> Result<Tensor> {
        let range = match dtype {
            DType::F32 | DType::F64 => return Ok(Tensor::full_of([], self.to_f64(), dtype)),
            DType::I64 => i64::MIN as i128..=i64::MAX as i128,
            DType::U8 => 0..=255,
            DType::Bool => 0..=1,
        };
        let integer = match self {
            Number::Integer(value) => Some(value),
            // No integer type holds numbers beyond 2⁶³.
            Number::Float(value) if value.fract() == 0.0 && value.abs() < 1e19 => Some(value as i128),
            Number::Float(_) => None,
        };
        match integer.filter(|value| range.contains(value)) {
            Some(value) => Ok(with_dtype!(dtype, T => {
                Tensor::from_buffer(Buffer::filled(1, T::from_i64(value as i64)), Shape::default())
            })),
            None => Err(Error::argument(operation, format!("{self} is not a value of {dtype}; cast the tensor first"))),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Integer(value) => write!(f, "{value}"),
            Number::Float(value) => write!(f, "{value:?}"),
        }
    }
}

macro_rules! numbers {
    ($variant:ident, $wide:ty: $($type:ty),*) => {$(
        impl From<$type> for Number {
            fn from(value: $type) -> Number {
                Number::$variant(value as $wide)
            }
        }
    )*};
}

numbers!(Integer, i128: i8, i16, i32, i64, u8, u16, u32, u64, usize, isize);
numbers!(Float, f64: f32, f64);

/// Converts an integer. Not inlined: the compiler takes the conversion for cheap and would run it for every number.
#[inline(never)]
fn wide_to_f64(value: i128) -> f64 {
    value as f64
}

/// An argument of an operation with a tensor: another tensor, a variable or a number.
pub trait Operand {
    /// The operand as a tensor or a number.
    fn argument(&self) -> Argument<'_>;
}

/// A tensor or a number.
pub enum Argument<'a> {
    /// A tensor.
    Tensor(Cow<'a, Tensor>),
    /// A number, which is converted to the element type of the tensor operand.
    Number(Number),
}

impl<'a> Argument<'a> {
    /// Returns the tensor, or the number as a scalar of type `dtype`.
    #[track_caller]
    pub(crate) fn into_tensor(self, dtype: DType, operation: &str) -> Result<Cow<'a, Tensor>> {
        match self {
            Argument::Tensor(tensor) => Ok(tensor),
            Argument::Number(number) => number.to_tensor(dtype, operation).map(Cow::Owned),
        }
    }
}

impl Operand for Tensor {
    fn argument(&self) -> Argument<'_> {
        Argument::Tensor(Cow::Borrowed(self))
    }
}

impl<O: Operand + ?Sized> Operand for &O {
    fn argument(&self) -> Argument<'_> {
        (**self).argument()
    }
}

macro_rules! number_operands {
    ($($type:ty),*) => {$(
        impl Operand for $type {
            fn argument(&self) -> Argument<'_> {
                Argument::Number((*self).into())
            }
        }
    )*};
}

number_operands!(i8, i16, i32, i64, u8, u16, u32, u64, usize, isize, f32, f64, Number);
