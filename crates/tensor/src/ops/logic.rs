//! Operations whose results are of type bool: comparisons and logical operations.

use crate::dtype::{DType, with_dtype, with_float};
use crate::error::{Error, Result};
use crate::operand::{Argument, Operand};
use crate::ops::apply::apply;
use crate::ops::cast::converted;
use crate::ops::checks::{operands, same_dtype};
use crate::ops::elementwise::{map, zip};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Rows: variant, method and name, documentation.
macro_rules! comparisons {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:ident;)*) => {
        /// An elementwise operation whose result is of type bool. None has a derivative.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Logic {
            $($(#[doc = $doc])+ $variant,)*
            /// Whether a bool is false.
            Not,
            /// Whether a number is NaN.
            IsNan,
            /// Whether a number is neither infinite nor NaN.
            IsFinite,
        }

        names! { Logic:
            $(Logic::$variant => stringify!($name),)*
            Logic::Not => "logical_not",
            Logic::IsNan => "isnan",
            Logic::IsFinite => "isfinite",
        }

        impl Tensor {$(
            $(#[doc = $doc])+
            ///
            /// Works elementwise, and shapes broadcast. The other operand may be a tensor, a variable or a number,
            /// which is converted to the type of this tensor.
            ///
            /// # Errors
            /// Returns an error if shapes do not broadcast, if the operation does not support the element types, or if
            /// this tensor's type cannot represent a number.
            #[track_caller]
            pub fn $name(&self, other: impl Operand) -> Result<Tensor> {
                self.logic(Logic::$variant, other.argument())
            }
        )*}
    };
}

comparisons! {
    /// Whether `a = b`.
    Equal equal;
    /// Whether `a ≠ b`.
    NotEqual not_equal;
    /// Whether `a < b`.
    Less less;
    /// Whether `a ≤ b`.
    LessEqual less_equal;
    /// Whether `a > b`.
    Greater greater;
    /// Whether `a ≥ b`.
    GreaterEqual greater_equal;
    /// Whether both are true; for bool only.
    And logical_and;
    /// Whether one or both are true; for bool only.
    Or logical_or;
    /// Whether exactly one is true; for bool only.
    Xor logical_xor;
}

impl Logic {
    pub(crate) fn flops(self, _: &[&Tensor], outputs: &[Tensor]) -> u64 {
        outputs[0].size() as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        match self {
            Logic::Equal => self.compare(inputs, f32::eq, f64::eq, i64::eq),
            Logic::NotEqual => self.compare(inputs, f32::ne, f64::ne, i64::ne),
            Logic::Less => self.compare(inputs, f32::lt, f64::lt, i64::lt),
            Logic::LessEqual => self.compare(inputs, f32::le, f64::le, i64::le),
            Logic::Greater => self.compare(inputs, f32::gt, f64::gt, i64::gt),
            Logic::GreaterEqual => self.compare(inputs, f32::ge, f64::ge, i64::ge),
            Logic::And => self.combine(inputs, |a, b| a & b),
            Logic::Or => self.combine(inputs, |a, b| a | b),
            Logic::Xor => self.combine(inputs, |a, b| a ^ b),
            Logic::Not => {
                let [x] = operands(inputs, self.name())?;
                self.check_bool(x)?;
                Ok(map(x, |x: bool| !x))
            }
            Logic::IsNan => {
                let [x] = operands(inputs, self.name())?;
                Ok(with_float!(x.dtype(), T => map(x, |x: T| x.is_nan()), else everywhere(x, false)))
            }
            Logic::IsFinite => {
                let [x] = operands(inputs, self.name())?;
                Ok(with_float!(x.dtype(), T => map(x, |x: T| x.is_finite()), else everywhere(x, true)))
            }
        }
    }

    /// A comparison, given as one function for each type.
    fn compare(
        self,
        inputs: &[&Tensor],
        single: impl Fn(&f32, &f32) -> bool + Sync,
        double: impl Fn(&f64, &f64) -> bool + Sync,
        integer: impl Fn(&i64, &i64) -> bool + Sync,
    ) -> Result<Tensor> {
        let (shape, a, b) = self.pair(inputs)?;
        Ok(match a.dtype() {
            DType::F32 => zip(shape, a, b, move |a, b| single(&a, &b)),
            DType::F64 => zip(shape, a, b, move |a, b| double(&a, &b)),
            // `u8` and `bool` comparisons are rare, so they go through `i64`.
            DType::I64 | DType::U8 | DType::Bool => {
                zip(shape, &converted(a, DType::I64), &converted(b, DType::I64), move |a, b| integer(&a, &b))
            }
        })
    }

    /// A logical operation on two bools.
    fn combine(self, inputs: &[&Tensor], f: impl Fn(bool, bool) -> bool + Sync) -> Result<Tensor> {
        let (shape, a, b) = self.pair(inputs)?;
        self.check_bool(a)?;
        Ok(zip(shape, a, b, f))
    }

    /// Two operands of the same type, and the shape that they broadcast to.
    fn pair<'a>(self, inputs: &[&'a Tensor]) -> Result<(Shape, &'a Tensor, &'a Tensor)> {
        let [a, b] = operands(inputs, self.name())?;
        same_dtype(a, b, self.name())?;
        Ok((a.shape().broadcast(b.shape(), self.name())?, a, b))
    }

    fn check_bool(self, x: &Tensor) -> Result<()> {
        if x.dtype() == DType::Bool {
            return Ok(());
        }
        Err(Error::dtype(self.name(), x.dtype(), "bool; compare first, as in `x.not_equal(0)`"))
    }
}

/// A tensor of the shape of `x`, filled with `value`.
fn everywhere(x: &Tensor, value: bool) -> Tensor {
    with_dtype!(x.dtype(), T => map(x, move |_: T| value))
}

impl Tensor {
    #[track_caller]
    fn logic(&self, op: Logic, other: Argument<'_>) -> Result<Tensor> {
        apply(op, &[self, &*other.into_tensor(self.dtype(), op.name())?])
    }

    /// The negation of each bool.
    ///
    /// # Errors
    /// Returns an error if the tensor is not of type bool.
    #[track_caller]
    pub fn logical_not(&self) -> Result<Tensor> {
        apply(Logic::Not, &[self])
    }

    /// Whether each element is NaN.
    #[must_use]
    pub fn isnan(&self) -> Tensor {
        apply(Logic::IsNan, &[self]).expect("defined for every tensor")
    }

    /// Whether each element is neither infinite nor NaN.
    #[must_use]
    pub fn isfinite(&self) -> Tensor {
        apply(Logic::IsFinite, &[self]).expect("defined for every tensor")
    }
}
