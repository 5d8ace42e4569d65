//! Elementwise kernels applied to tensors, without recording.

use crate::dtype::Element;
use crate::kernels::elementwise::{self as kernels, Function, PairFunction};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Applies `f` to every element of `x`; see [`kernels::map`].
pub(super) fn map<A: Element, O: Element>(x: &Tensor, f: impl Function<A, O>) -> Tensor {
    Tensor::from_buffer(kernels::map(x.typed(), f), x.shape().clone())
}

/// Applies a long function `f` to every element of `x`; see [`kernels::map_long`].
pub(super) fn map_long<A: Element, O: Element>(x: &Tensor, f: impl Function<A, O>) -> Tensor {
    Tensor::from_buffer(kernels::map_long(x.typed(), f), x.shape().clone())
}

/// Applies `f` to every pair of elements of `a` and `b`, broadcast to `shape`; see [`kernels::zip`].
pub(super) fn zip<A: Element, O: Element>(
    shape: Shape,
    a: &Tensor,
    b: &Tensor,
    f: impl Fn(A, A) -> O + Sync,
) -> Tensor {
    Tensor::from_buffer(kernels::zip(&shape, a.typed(), b.typed(), f), shape)
}

/// Applies a long function `f` to every pair of elements of `a` and `b`, broadcast to `shape`; see
/// [`kernels::zip_long`].
pub(super) fn zip_long<T: Element>(shape: Shape, a: &Tensor, b: &Tensor, f: impl PairFunction<T>) -> Tensor {
    Tensor::from_buffer(kernels::zip_long(&shape, a.typed(), b.typed(), f), shape)
}
