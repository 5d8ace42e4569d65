//! Copies between operands, which lie anywhere, and blocks.

use super::blocks::{LANES, Places};
use crate::dtype::Float;
use crate::kernels::matrices::Matrix;
use crate::kernels::threads::Shared;
use crate::kernels::transpose::transpose_to;

/// Copies `count` rows of a matrix, each times its factor, into rows that are padded with zeros to `columns`. A row
/// without a factor becomes 0, even if it is NaN.
pub(super) fn rows<T: Float>(
    from: &Matrix<T>,
    [count, width]: [usize; 2],
    factor: impl Fn(usize) -> Option<T>,
    to: &mut [T],
    columns: usize,
) {
    for (row, to) in to.chunks_exact_mut(columns).take(count).enumerate() {
        let Some(factor) = factor(row) else {
            to.fill(T::zero());
            continue;
        };
        let (to, padding) = to.split_at_mut(width);
        padding.fill(T::zero());
        if from.strides[1] == 1 && width > 0 {
            let from = &from.data[from.place(row, 0)..][..width];
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = x * factor);
        } else {
            to.iter_mut().enumerate().for_each(|(column, to)| *to = from.at(row, column) * factor);
        }
    }
}

/// Transposes `count` rows, which start `columns` apart, into `width` rows of `padded` elements; the last ones are 0.
pub(super) fn transposed<T: Float>(
    rows: &[T],
    columns: usize,
    [count, width]: [usize; 2],
    to: &mut [T],
    padded: usize,
) {
    if width > 0 && count > 0 {
        transpose_to(rows, 0, columns as isize, &mut to[..width * padded], [width, count], padded);
    }
    if count < padded {
        to.chunks_exact_mut(padded).take(width).for_each(|row| row[count..].fill(T::zero()));
    }
}

/// The rows of a result, to be written by several tasks.
pub(super) struct Target<T> {
    pub(super) shared: Shared<T>,
    pub(super) places: Places,
}

impl<T: Float> Target<T> {
    /// Writes rows from `first` on of a matrix; `rows` are padded to `columns`.
    ///
    /// # Safety
    /// The rows lie within the result, and no other task writes them.
    pub(super) unsafe fn write(&self, number: usize, first: usize, rows: &[T], columns: usize, width: usize) {
        if width == 0 {
            return;
        }
        for (row, from) in rows.chunks_exact(columns).enumerate() {
            let at = self.places.at(number, first + row, 0);
            // SAFETY: columns of results are contiguous; the row lies within the result and no other task writes it, as
            // this function demands.
            unsafe { self.shared.part(at, width) }.copy_from_slice(&from[..width]);
        }
    }
}

/// A width padded to whole vectors, at least one.
pub(super) fn padded(width: usize) -> usize {
    width.max(1).next_multiple_of(LANES)
}
