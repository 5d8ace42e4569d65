//! Conversion of literals, vectors and arrays to tensors.

use ndarray::{ArrayBase, Dimension, OwnedRepr};

use crate::dtype::{Element, with_dtype};
use crate::shape::Shape;
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// An argument of [`tensor!`](crate::tensor) or [`Tensor::scalar`]: a number, a `bool`, or a nested array of them.
/// Unsuffixed literals become float32 or int64.
pub trait Literal {
    /// Converts to a tensor. A number gives rank 0, an array one more than the rank of its elements.
    fn into_tensor(self) -> Tensor;
}

/// A literal that is a single number or `bool`.
pub trait ScalarLiteral: Literal {}

macro_rules! literals {
    ($($type:ty => $element:ty),*) => {$(
        impl Literal for $type {
            fn into_tensor(self) -> Tensor {
                Tensor::from_buffer(Buffer::filled(1, self as $element), Shape::default())
            }
        }

        impl ScalarLiteral for $type {}
    )*};
}

literals!(f32 => f32, f64 => f32, i32 => i64, i64 => i64, usize => i64, u8 => u8, bool => bool);

impl<L: Literal, const N: usize> Literal for [L; N] {
    fn into_tensor(self) -> Tensor {
        stack_equal(self.map(L::into_tensor).as_slice())
    }
}

/// Joins tensors of the same shape and type along a new first axis. This is not an operation: nothing is recorded.
fn stack_equal(parts: &[Tensor]) -> Tensor {
    let Some(first) = parts.first() else {
        return Tensor::zeros([0]);
    };
    with_dtype!(first.dtype(), T => {
        let mut buffer = Buffer::new::<T>(parts.len() * first.size());
        let chunks = buffer.as_mut_slice::<T>().chunks_mut(first.size().max(1));
        for (chunk, part) in chunks.zip(parts) {
            chunk.copy_from_slice(&part.elements());
        }
        Tensor::from_buffer(buffer, first.shape().inserted(0, parts.len()))
    })
}

/// A tensor from nested literals: `tensor![1.0, 2.0]` is float32, `tensor![[1, 2], [3, 4]]` is int64,
/// `tensor![true, false]` is bool. The brackets determine the shape.
#[macro_export]
macro_rules! tensor {
    ($($element:expr),* $(,)?) => {
        $crate::Literal::into_tensor([$($element),*])
    };
}

/// A scalar of the type of the value.
impl<T: Element> From<T> for Tensor {
    fn from(value: T) -> Tensor {
        Tensor::from_buffer(Buffer::filled(1, value), Shape::default())
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    fn from(values: Vec<T>) -> Tensor {
        let shape = Shape::from([values.len()]);
        Tensor::from_buffer(Buffer::from_vec(values), shape)
    }
}

impl<T: Element> From<&[T]> for Tensor {
    fn from(values: &[T]) -> Tensor {
        values.to_vec().into()
    }
}

impl<T: Element> FromIterator<T> for Tensor {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Tensor {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

macro_rules! from_nested_arrays {
    ($($array:ty, [$($size:ident),+], |$values:ident| $flat:expr;)*) => {$(
        impl<T: Element, $(const $size: usize),+> From<$array> for Tensor {
            fn from($values: $array) -> Tensor {
                Tensor::from_buffer(Buffer::from_vec($flat.to_vec()), [$($size),+].into())
            }
        }
    )*};
}

from_nested_arrays! {
    [T; A], [A], |values| values;
    [[T; B]; A], [A, B], |values| values.as_flattened();
    [[[T; C]; B]; A], [A, B, C], |values| values.as_flattened().as_flattened();
    [[[[T; D]; C]; B]; A], [A, B, C, D], |values| values.as_flattened().as_flattened().as_flattened();
}

/// Converts an ndarray array, without a copy if it is in row-major order.
impl<T: Element, D: Dimension> From<ArrayBase<OwnedRepr<T>, D>> for Tensor {
    fn from(array: ArrayBase<OwnedRepr<T>, D>) -> Tensor {
        let shape = Shape::from(array.shape());
        let values = if array.is_standard_layout() {
            match array.into_raw_vec_and_offset() {
                (values, None | Some(0)) if values.len() == shape.size() => values,
                (values, offset) => {
                    let offset = offset.unwrap_or(0);
                    values[offset..offset + shape.size()].to_vec()
                }
            }
        } else {
            array.iter().copied().collect()
        };
        Tensor::from_buffer(Buffer::from_vec(values), shape)
    }
}
