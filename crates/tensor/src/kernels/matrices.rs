//! Matrices in a slice, with any strides.

use smallvec::SmallVec;

/// The matrices of one operand: the start of each in the slice, and the strides between rows and between columns, which
/// are the same for all.
pub(crate) struct Matrices<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) starts: SmallVec<[usize; 1]>,
    pub(crate) rows: isize,
    pub(crate) columns: isize,
}

impl<T> Matrices<'_, T> {
    /// Whether all matrices of `rows` × `columns` elements lie within the slice.
    pub(super) fn lie_within(&self, rows: usize, columns: usize) -> bool {
        // Saturating: an index that overflows is outside of every slice.
        let corner = |step: isize, size: usize| step.saturating_mul(size as isize - 1);
        let (down, right) = (corner(self.rows, rows), corner(self.columns, columns));
        let least = down.min(0).saturating_add(right.min(0));
        let greatest = down.max(0).saturating_add(right.max(0));
        let within =
            |start: usize, distance: isize| start.checked_add_signed(distance).is_some_and(|at| at < self.data.len());
        self.starts.iter().all(|&start| within(start, least) && within(start, greatest))
    }

    #[inline(always)]
    pub(super) fn matrix(&self, pair: usize) -> Matrix<'_, T> {
        Matrix { data: self.data, start: self.starts[pair], strides: [self.rows, self.columns] }
    }

    /// Whether the rows or the columns are contiguous, and not in reverse order.
    pub(super) fn lies_in_lines(&self) -> bool {
        let [down, right] = [self.rows, self.columns];
        (down == 1 && right >= 0) || (right == 1 && down >= 0)
    }

    pub(super) fn transposed(&self) -> Matrices<'_, T> {
        Matrices { data: self.data, starts: self.starts.clone(), rows: self.columns, columns: self.rows }
    }
}

/// One matrix: its start in the slice, and the strides between rows and between columns.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub(super) data: &'a [T],
    pub(super) start: usize,
    pub(super) strides: [isize; 2],
}

impl<'a, T: Copy> Matrix<'a, T> {
    pub(super) fn transposed(&self) -> Matrix<'a, T> {
        let [down, right] = self.strides;
        Matrix { strides: [right, down], ..*self }
    }

    /// The index of an element in the slice.
    #[inline(always)]
    pub(super) fn place(&self, row: usize, column: usize) -> usize {
        let [down, right] = self.strides;
        self.start.wrapping_add_signed(row as isize * down + column as isize * right)
    }

    #[inline(always)]
    pub(super) fn at(&self, row: usize, column: usize) -> T {
        self.data[self.place(row, column)]
    }
}
