//! Conversions between element types, without recording.

use std::borrow::Cow;

use crate::dtype::{DType, Element, with_dtype};
use crate::ops::elementwise::map;
use crate::tensor::Tensor;

/// `x` converted to `dtype`, without a copy if it already has that type. Not recorded.
pub(super) fn converted(x: &Tensor, dtype: DType) -> Cow<'_, Tensor> {
    if x.dtype() == dtype { Cow::Borrowed(x) } else { Cow::Owned(cast(x, dtype)) }
}

pub(super) fn cast(x: &Tensor, dtype: DType) -> Tensor {
    /// Rare conversions go through an intermediate type, in which they are exact, to avoid compiling separate loops for
    /// them.
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
