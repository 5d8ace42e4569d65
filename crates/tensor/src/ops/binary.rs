//! Elementwise operations on two operands, with NumPy's broadcasting.

use crate::dtype::{DType, Element, Float, with_dtype};
use crate::error::{Error, Result};
use crate::operand::{Argument, Operand};
use crate::ops::Unary;
use crate::ops::apply::apply;
use crate::ops::cast::converted;
use crate::ops::checks::{operands, same_dtype};
use crate::ops::elementwise::zip;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Rows: variant, method, name, documentation.
macro_rules! binary_table {
    ($($(#[doc = $doc:literal])+ $variant:ident $method:ident $name:literal;)*) => {
        /// An elementwise operation on two broadcast operands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Binary {$(
            $(#[doc = $doc])+
            $variant,
        )*}

        names! { Binary: $(Binary::$variant => $name),* }

        impl Tensor {$(
            $(#[doc = $doc])+
            ///
            /// Works elementwise, and shapes broadcast. The other operand may be a tensor, a variable or a number,
            /// which is converted to the type of this tensor.
            ///
            /// # Errors
            /// Returns an error if shapes do not broadcast, if element types differ or are bool, or if this tensor's
            /// type cannot represent a number.
            #[track_caller]
            pub fn $method(&self, other: impl Operand) -> Result<Tensor> {
                self.binary(Binary::$variant, other.argument())
            }
        )*}
    };
}

binary_table! {
    /// `a + b`; the fallible form of `+`. Integers wrap.
    Add try_add "add";
    /// `a - b`; the fallible form of `-`. Integers wrap.
    Sub try_sub "sub";
    /// `a · b`; the fallible form of `*`. Integers wrap.
    Mul try_mul "mul";
    /// `a · b`, but 0 where `b` is 0, even if `a` is infinite or NaN, as TensorFlow's function of the same name. Use it
    /// if a factor of 0 means that the other one is to be ignored. The gradient for `a` is 0 there as well.
    MulNoNan multiply_no_nan "multiply_no_nan";
    /// `a / b`; the fallible form of `/`. Integers give float32.
    Div try_div "div";
    /// `aᵇ`. Integers give float32. By convention the derivative with respect to `a` at `0⁰` is 0. The derivative with
    /// respect to `b` is 0 where `a` is 0, and NaN where `a` is negative.
    Pow pow "pow";
    /// The larger operand; NaN if either is NaN. Where both are equal, each gets half the gradient. Where either is
    /// NaN, each gets the full gradient.
    Maximum maximum "maximum";
    /// The smaller operand; NaN if either is NaN. Where both are equal, each gets half the gradient. Where either is
    /// NaN, each gets the full gradient.
    Minimum minimum "minimum";
    /// The angle of the point with ordinate `a` and abscissa `b`, from -π to π. Both derivatives at the origin are 0 by
    /// convention.
    Atan2 atan2 "atan2";
    /// `a - b · floor(a / b)`, which has the sign of `b`. Integer division by 0 gives 0.
    Remainder remainder "remainder";
    /// `floor(a / b)`. Integers give integers, and integer division by 0 gives 0. The derivative is 0.
    FloorDiv floor_div "floor_div";
}

impl Binary {
    pub(crate) fn flops(self, _: &[&Tensor], outputs: &[Tensor]) -> u64 {
        outputs[0].size() as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [a, b] = operands(inputs, self.name())?;
        same_dtype(a, b, self.name())?;
        let shape = a.shape().broadcast(b.shape(), self.name())?;
        match a.dtype() {
            DType::F32 => Ok(self.float::<f32>(shape, a, b)),
            DType::F64 => Ok(self.float::<f64>(shape, a, b)),
            DType::I64 => Ok(self.integer(shape, a, b)),
            DType::U8 => {
                // Computed in int64: the low byte of the result equals that of wrapping arithmetic on bytes.
                let wide = self.integer(shape, &converted(a, DType::I64), &converted(b, DType::I64));
                Ok(if wide.dtype() == DType::I64 { converted(&wide, DType::U8).into_owned() } else { wide })
            }
            DType::Bool => {
                Err(Error::dtype(self.name(), DType::Bool, "a number; cast it first, as in `x.cast(DType::F32)`"))
            }
        }
    }

    fn float<T: Float>(self, shape: Shape, a: &Tensor, b: &Tensor) -> Tensor {
        match self {
            Binary::Add => zip(shape, a, b, |a: T, b: T| a + b),
            Binary::Sub => zip(shape, a, b, |a: T, b: T| a - b),
            Binary::Mul => zip(shape, a, b, |a: T, b: T| a * b),
            Binary::MulNoNan => zip(shape, a, b, |a: T, b: T| if b == T::zero() { T::zero() } else { a * b }),
            Binary::Div => zip(shape, a, b, |a: T, b: T| a / b),
            Binary::Pow => zip(shape, a, b, |a: T, b: T| a.powf(b)),
            Binary::Maximum => zip(shape, a, b, |a: T, b: T| if a > b || a.is_nan() { a } else { b }),
            Binary::Minimum => zip(shape, a, b, |a: T, b: T| if a < b || a.is_nan() { a } else { b }),
            Binary::Atan2 => zip(shape, a, b, |a: T, b: T| a.atan2(b)),
            Binary::FloorDiv => zip(shape, a, b, |a: T, b: T| floor_div(a, b)),
            Binary::Remainder => zip(shape, a, b, |a: T, b: T| remainder(a, b)),
        }
    }

    fn integer(self, shape: Shape, a: &Tensor, b: &Tensor) -> Tensor {
        match self {
            Binary::Add => zip(shape, a, b, |a: i64, b: i64| a.wrapping_add(b)),
            Binary::Sub => zip(shape, a, b, |a: i64, b: i64| a.wrapping_sub(b)),
            Binary::Mul | Binary::MulNoNan => zip(shape, a, b, |a: i64, b: i64| a.wrapping_mul(b)),
            Binary::Div => zip(shape, a, b, |a: i64, b: i64| (a as f64 / b as f64) as f32),
            Binary::Pow => zip(shape, a, b, |a: i64, b: i64| (a as f64).powf(b as f64) as f32),
            Binary::Atan2 => zip(shape, a, b, |a: i64, b: i64| (a as f64).atan2(b as f64) as f32),
            Binary::Maximum => zip(shape, a, b, |a: i64, b: i64| a.max(b)),
            Binary::Minimum => zip(shape, a, b, |a: i64, b: i64| a.min(b)),
            Binary::FloorDiv => zip(shape, a, b, |a: i64, b: i64| if b == 0 { 0 } else { integer_floor_div(a, b) }),
            Binary::Remainder => zip(shape, a, b, integer_remainder),
        }
    }
}

#[inline(always)]
fn integer_remainder(a: i64, b: i64) -> i64 {
    if b == 0 { 0 } else { a.wrapping_sub(b.wrapping_mul(integer_floor_div(a, b))) }
}

/// The remainder with the sign of `b`. It is exact because it does not use the rounded quotient.
#[inline(always)]
fn remainder<T: Float>(a: T, b: T) -> T {
    let r = a % b;
    if r != T::zero() && (r < T::zero()) != (b < T::zero()) { r + b } else { r }
}

/// `floor(a / b)`, consistent with [`remainder`] even if the quotient would be rounded up to an integer.
#[inline(always)]
fn floor_div<T: Float>(a: T, b: T) -> T {
    if b.is_infinite() && a.is_finite() {
        // The quotient is infinitely small: only its sign matters.
        if a != T::zero() && (a < T::zero()) != (b < T::zero()) { -T::one() } else { T::zero() }
    } else if b == T::zero() || !a.is_finite() || b.is_nan() {
        (a / b).floor()
    } else {
        ((a - remainder(a, b)) / b).round()
    }
}

#[inline(always)]
fn integer_floor_div(a: i64, b: i64) -> i64 {
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

impl Tensor {
    #[track_caller]
    pub(crate) fn binary(&self, op: Binary, other: Argument<'_>) -> Result<Tensor> {
        if let (Binary::Pow, Argument::Number(exponent)) = (op, &other) {
            return apply(Unary::Pow { exponent: exponent.to_f64() }, &[self]);
        }
        // The type to which a number is converted.
        let beside = match op {
            Binary::Div | Binary::Atan2 => self.dtype().to_float(),
            Binary::Add | Binary::Sub | Binary::Mul | Binary::MulNoNan | Binary::Pow => self.dtype(),
            Binary::Maximum | Binary::Minimum | Binary::Remainder | Binary::FloorDiv => self.dtype(),
        };
        let number = matches!(other, Argument::Number(_));
        let other = other.into_tensor(beside, op.name())?;
        if number && beside != self.dtype() {
            return apply(op, &[&self.cast(beside), &other]);
        }
        apply(op, &[self, &other])
    }

    /// The elementwise linear interpolation `self + weight · (end - self)`, as in PyTorch. All three broadcast.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let x = tensor![0.0, 10.0].lerp(&tensor![4.0, 20.0], &tensor![0.5, 0.25])?;
    /// assert_eq!(x.to_vec::<f32>()?, [2.0, 12.5]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if shapes do not broadcast or types differ.
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: &Tensor) -> Result<Tensor> {
        self.try_add(weight.try_mul(end.try_sub(self)?)?)
    }

    /// Whether all elements of the two broadcast tensors satisfy `|a - b| ≤ absolute + relative · |b|`. NaN is not
    /// close to anything.
    ///
    /// # Errors
    /// Returns an error if shapes do not broadcast or types differ.
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, relative: f64, absolute: f64) -> Result<bool> {
        same_dtype(self, other, "allclose")?;
        let shape = self.shape().broadcast(other.shape(), "allclose")?;
        let close = with_dtype!(self.dtype(), T => zip(shape, self, other, |a: T, b: T| {
            let (a, b) = (a.to_f64(), b.to_f64());
            // An infinity is close only to itself.
            a == b || b.is_finite() && (a - b).abs() <= absolute + relative * b.abs()
        }));
        Ok(close.elements::<bool>().iter().all(|&close| close))
    }
}
