//! ndarray views.
#![allow(unsafe_code)]

use ndarray::{ArrayViewD, Axis, IxDyn, ShapeBuilder};

use crate::layout::View;

/// The elements of `x` as an ndarray view: no copy, whatever the strides.
pub(crate) fn array_view<T>(x: View<'_, T>) -> ArrayViewD<'_, T> {
    let data = x.data;
    if x.size() == 0 {
        return ArrayViewD::from_shape(IxDyn(x.shape()), &[]).expect("no elements are needed");
    }
    // ndarray takes non-negative strides here; axes are reversed afterwards.
    let mut start = x.offset() as isize;
    let mut strides = Vec::with_capacity(x.rank());
    let mut reversed = Vec::new();
    for (axis, (&size, &stride)) in x.shape().iter().zip(x.strides().iter()).enumerate() {
        if stride < 0 {
            start = start.saturating_add(stride.saturating_mul(size as isize - 1));
            reversed.push(Axis(axis));
        }
        strides.push(stride.unsigned_abs());
    }
    // Saturating: an index that overflows is outside of every slice.
    let distances = x.shape().iter().zip(&strides).map(|(&size, &stride)| (size - 1).saturating_mul(stride));
    let last = distances.fold(start as usize, usize::saturating_add);
    assert!(start >= 0 && last < data.len(), "the elements lie within the data");
    // SAFETY: the assertion above shows that the first and the last element, and so all others, lie within `data`, which the
    // view borrows; the view only reads, so strides of 0 may alias.
    let mut view = unsafe {
        ArrayViewD::from_shape_ptr(IxDyn(x.shape()).strides(IxDyn(&strides)), data[start as usize..].as_ptr())
    };
    for axis in reversed {
        view.invert_axis(axis);
    }
    view
}
