//! Copies between operands, which lie anywhere, and blocks.

use std::ops::Range;

use super::blocks::{LANES, Places};
use crate::dtype::Float;
use crate::kernels::matrices::Matrix;
use crate::kernels::simd::{Loop, Set, vectorized};
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
    vectorized(Rows { from, count, width, factor, to, columns });
}

struct Rows<'a, T, F> {
    from: &'a Matrix<'a, T>,
    count: usize,
    width: usize,
    factor: F,
    to: &'a mut [T],
    columns: usize,
}

impl<T: Float, F: Fn(usize) -> Option<T>> Loop for Rows<'_, T, F> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let Rows { from, count, width, factor, to, columns } = self;
        for (row, to) in to.chunks_exact_mut(columns).take(count).enumerate() {
            let Some(factor) = factor(row) else {
                to.fill(T::zero());
                continue;
            };
            let (to, padding) = to.split_at_mut(width);
            padding.fill(T::zero());
            if from.strides[1] != 1 || width == 0 {
                to.iter_mut().enumerate().for_each(|(column, to)| *to = from.at(row, column) * factor);
                continue;
            }
            let (chunks, rest) = from.data[from.place(row, 0)..][..width].as_chunks::<LANES>();
            let (to, last) = to.as_chunks_mut::<LANES>();
            to.iter_mut().zip(chunks).for_each(|(to, from)| *to = from.map(|x| x * factor));
            last.iter_mut().zip(rest).for_each(|(to, &x)| *to = x * factor);
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
    /// Prefetches rows that will be written: rows of a head are short and far apart, so that no hardware prefetcher
    /// predicts them.
    pub(super) fn prefetch(&self, number: usize, rows: Range<usize>, width: usize) {
        let mut at = self.places.at(number, rows.start, 0) as isize;
        for _ in rows {
            (0..width).step_by(LANES).for_each(|column| self.shared.prefetch(at as usize + column));
            at += self.places.steps()[0];
        }
    }

    /// Writes rows from `first` on of a matrix; `rows` are padded to `columns`.
    ///
    /// # Safety
    /// The rows lie within the result, and no other task writes them.
    pub(super) unsafe fn write(&self, number: usize, first: usize, rows: &[T], columns: usize, width: usize) {
        if width == 0 {
            return;
        }
        let mut at = self.places.at(number, first, 0) as isize;
        for from in rows.chunks_exact(columns) {
            // SAFETY: columns of results are contiguous; the row lies within the result and no other task writes it, as
            // this function demands.
            let to = unsafe { self.shared.part(at as usize, width) };
            at += self.places.steps()[0];
            // Rows are short: copied by a loop, not by a call.
            let (chunks, rest) = to.as_chunks_mut::<LANES>();
            let (from, last) = from[..width].as_chunks::<LANES>();
            chunks.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            rest.iter_mut().zip(last).for_each(|(to, &from)| *to = from);
        }
    }
}

/// A width padded to whole vectors, at least one.
pub(super) fn padded(width: usize) -> usize {
    width.max(1).next_multiple_of(LANES)
}
