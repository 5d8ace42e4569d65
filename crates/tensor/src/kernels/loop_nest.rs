//! Iteration over several operands of one shape, each with its own strides.

use smallvec::SmallVec;

use crate::shape::{Shape, Strides};

/// A shape with the strides of `N` operands. Adjacent axes are collapsed if all operands allow it; the last one, as
/// long as it can be, is the inner loop.
pub(crate) struct LoopNest<const N: usize> {
    /// Sizes and strides of the outer axes, outermost first.
    outer: SmallVec<[(usize, [isize; N]); 6]>,
    /// Length of the inner loop.
    pub(crate) inner: usize,
    /// Strides of the inner loop.
    pub(crate) steps: [isize; N],
    /// Where each operand starts.
    start: [isize; N],
}

impl<const N: usize> LoopNest<N> {
    /// `operands` are strides (one for each axis of `shape`) and offset of each operand.
    pub(crate) fn new(shape: &Shape, operands: [(&Strides, usize); N]) -> Self {
        let mut axes: SmallVec<[(usize, [isize; N]); 6]> = SmallVec::new();
        for (axis, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let steps: [isize; N] = std::array::from_fn(|k| operands[k].0[axis]);
            match axes.last_mut() {
                // For every operand, the previous axis continues where this one ends.
                Some((length, before)) if (0..N).all(|k| before[k] == steps[k] * size as isize) => {
                    // If another size is 0, this product may overflow.
                    *length = length.saturating_mul(size);
                    *before = steps;
                }
                _ => axes.push((size, steps)),
            }
        }
        let (inner, steps) = axes.pop().unwrap_or((1, [1; N]));
        LoopNest { outer: axes, inner, steps, start: operands.map(|(_, offset)| offset as isize) }
    }

    /// A single row of `length` elements; `operands` are the stride and offset of each.
    pub(crate) fn row(length: usize, operands: [(isize, usize); N]) -> Self {
        let (steps, start) = (operands.map(|(step, _)| step), operands.map(|(_, offset)| offset as isize));
        LoopNest { outer: SmallVec::new(), inner: length, steps, start }
    }

    /// Whether it is a single row.
    pub(crate) fn is_row(&self) -> bool {
        self.outer.is_empty()
    }

    /// The runs of the inner loop within the elements `first .. first + count` in row-major order. Each is its position
    /// (counted from `first`), the offset of each operand, and its length.
    pub(crate) fn runs(&self, first: usize, count: usize) -> Runs<'_, N> {
        let mut row = first.checked_div(self.inner).unwrap_or(0);
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, self.outer.len());
        let mut offsets = self.start;
        for (axis, (size, steps)) in self.outer.iter().enumerate().rev() {
            index[axis] = row.checked_rem(*size).unwrap_or(0);
            row = row.checked_div(*size).unwrap_or(0);
            for k in 0..N {
                offsets[k] += index[axis] as isize * steps[k];
            }
        }
        Runs { walk: self, index, offsets, column: first.checked_rem(self.inner).unwrap_or(0), position: 0, count }
    }
}

impl LoopNest<1> {
    /// Whether the operand is transposed: the stride of the last outer axis is 1, and that of the inner axis is not.
    pub(crate) fn is_transposed(&self) -> bool {
        self.steps != [1] && self.outer.last().is_some_and(|(_, steps)| *steps == [1])
    }
}

/// An iterator over runs; see [`LoopNest::runs`].
pub(crate) struct Runs<'a, const N: usize> {
    walk: &'a LoopNest<N>,
    /// Where the next run starts: index along each outer axis, offsets of its row, column in it.
    index: SmallVec<[usize; 6]>,
    offsets: [isize; N],
    column: usize,
    position: usize,
    count: usize,
}

impl<const N: usize> Runs<'_, N> {
    /// Advances to the next row if that is not the next one along the last outer axis.
    #[inline(never)]
    fn carry(&mut self) {
        for (axis, (size, steps)) in self.walk.outer.iter().enumerate().rev() {
            self.index[axis] += 1;
            for (offset, step) in self.offsets.iter_mut().zip(steps) {
                *offset += step;
            }
            if self.index[axis] < *size {
                break;
            }
            self.index[axis] = 0;
            for (offset, step) in self.offsets.iter_mut().zip(steps) {
                *offset -= *size as isize * step;
            }
        }
    }
}

impl<const N: usize> Iterator for Runs<'_, N> {
    type Item = (usize, [isize; N], usize);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.count {
            return None;
        }
        let LoopNest { outer, inner, steps, .. } = self.walk;
        let length = (inner - self.column).min(self.count - self.position);
        let at = std::array::from_fn(|k| self.offsets[k] + self.column as isize * steps[k]);
        let run = (self.position, at, length);
        self.position += length;
        self.column = 0;
        match (outer.last(), self.index.last_mut()) {
            (Some((size, steps)), Some(index)) if *index + 1 < *size => {
                *index += 1;
                self.offsets = std::array::from_fn(|k| self.offsets[k] + steps[k]);
            }
            _ => self.carry(),
        }
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_continue_each_other_are_merged() {
        let shape = Shape::from([2, 3, 4]);
        let walk = LoopNest::new(&shape, [(&shape.strides(), 0)]);
        assert_eq!((walk.outer.len(), walk.inner, walk.steps), (0, 24, [1]));
        // Broadcast along the middle axis: nothing to merge.
        let strides = Shape::from([2, 1, 4]).strides().broadcast(&[2, 1, 4].into(), &shape).unwrap();
        let walk = LoopNest::new(&shape, [(&strides, 5)]);
        assert_eq!((walk.outer.len(), walk.inner, walk.steps), (2, 4, [1]));
        let runs: Vec<_> = walk.runs(3, 10).collect();
        assert_eq!(runs, [(0, [8], 1), (1, [5], 4), (5, [5], 4), (9, [9], 1)]);
    }

    #[test]
    fn an_empty_shape_has_no_runs() {
        let shape = Shape::from([2, 0, 3]);
        assert_eq!(LoopNest::new(&shape, [(&shape.strides(), 0)]).runs(0, 0).count(), 0);
    }
}
