//! The operands of attention, and how they are split into blocks.

use std::ops::Range;

use super::mask::{Allowed, Mask};
use crate::dtype::Element;
use crate::kernels::matrices::Matrix;
use crate::kernels::tile::Tiled;
use crate::layout::{Layout, View};
use crate::shape::{Shape, Strides};

/// Queries per block. Each key and value is read once for all of them.
pub(super) const QUERIES: usize = 64;
/// Keys per block: the scores of a block stay in the cache.
pub(super) const KEYS: usize = 128;
/// The columns of blocks are padded to a multiple of this: a whole number of vectors, and of the narrowest tile.
pub(super) const LANES: usize = 16;
/// Approximate multiply-adds per task: handing a task to another thread costs some 5 µs.
const TASK: usize = 1 << 20;
/// The number of tasks beyond which small ones are joined.
const TASKS: usize = 64;

/// The number of queries, of keys, of elements of each query and key, and of elements of each value.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) width: usize,
    pub(crate) size: usize,
}

/// The operands. Each is a view of `[…, rows, columns]`, whose leading axes broadcast to `batch`.
pub(crate) struct Attention<'a, T> {
    pub(crate) batch: &'a Shape,
    pub(crate) sizes: Sizes,
    pub(crate) query: View<'a, T>,
    /// Key and value have no negative strides.
    pub(crate) key: View<'a, T>,
    pub(crate) value: View<'a, T>,
    pub(crate) mask: Option<Mask<'a, T>>,
    /// Whether query `i` may attend to keys `0..=i` only.
    pub(crate) causal: bool,
    pub(crate) scale: f64,
}

/// Where the matrices of a batch lie in a slice.
pub(super) struct Places {
    batch: Shape,
    /// The strides of the batch axes, of rows and of columns.
    strides: Strides,
    offset: usize,
}

impl Places {
    /// The places of `[batch, rows, columns]`, to which `layout` broadcasts.
    pub(super) fn new(layout: &Layout, batch: &Shape, [rows, columns]: [usize; 2]) -> Places {
        let all: Shape = batch.iter().copied().chain([rows, columns]).collect();
        let strides = layout.strides().broadcast(layout.shape(), &all);
        let strides = strides.expect("the operation checks that its operands broadcast");
        Places { batch: batch.clone(), strides, offset: layout.offset() }
    }

    /// The strides between rows and between columns.
    pub(super) fn steps(&self) -> [isize; 2] {
        let &[.., rows, columns] = &self.strides[..] else { unreachable!("a matrix has two axes") };
        [rows, columns]
    }

    /// The position of an element of the matrix with this number.
    pub(super) fn at(&self, mut number: usize, row: usize, column: usize) -> usize {
        let [down, right] = self.steps();
        let mut at = self.offset as isize + row as isize * down + column as isize * right;
        for (&size, &stride) in self.batch.iter().zip(self.strides.iter()).rev() {
            at += (number % size) as isize * stride;
            number /= size;
        }
        at as usize
    }
}

/// The matrices of an operand.
pub(super) struct Stack<'a, T> {
    pub(super) data: &'a [T],
    pub(super) places: Places,
}

impl<'a, T: Element> Stack<'a, T> {
    pub(super) fn new(view: View<'a, T>, batch: &Shape, sizes: [usize; 2]) -> Stack<'a, T> {
        Stack { data: view.data, places: Places::new(view.layout(), batch, sizes) }
    }

    /// The matrix with this number, from a row on.
    pub(super) fn matrix(&self, number: usize, row: usize) -> Matrix<'a, T> {
        Matrix { data: self.data, start: self.places.at(number, row, 0), strides: self.places.steps() }
    }
}

/// A block of queries by keys in the matrix of scores with this number.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) number: usize,
    pub(super) queries: Range<usize>,
    pub(super) keys: Range<usize>,
}

impl<'a, T: Tiled> Attention<'a, T> {
    pub(super) fn queries(&self) -> Stack<'a, T> {
        Stack::new(self.query, self.batch, [self.sizes.queries, self.sizes.width])
    }

    pub(super) fn keys(&self) -> Stack<'a, T> {
        Stack::new(self.key, self.batch, [self.sizes.keys, self.sizes.width])
    }

    pub(super) fn values(&self) -> Stack<'a, T> {
        Stack::new(self.value, self.batch, [self.sizes.keys, self.sizes.size])
    }

    /// Whether some keys are forbidden to some queries: these have no effect, even if they are NaN.
    pub(super) fn is_masked(&self) -> bool {
        self.causal || self.mask.is_some()
    }

    /// Which scores of a block count.
    pub(super) fn allowed(&self, block: &Block) -> Allowed {
        let Block { queries, keys, .. } = block;
        if self.causal && keys.start >= queries.end {
            return Allowed::None;
        }
        let by_mask = self.mask.as_ref().map_or(Allowed::All, |mask| mask.allowed(self, block));
        if by_mask == Allowed::All && self.causal && keys.end > queries.start + 1 { Allowed::Some } else { by_mask }
    }

    /// Adds a floating mask to scores, `[keys, columns]`, and writes minus infinity for keys that are not allowed.
    pub(super) fn restrict(&self, block: &Block, scores: &mut [T], columns: usize) {
        if let Some(mask) = &self.mask {
            mask.restrict(self, block, scores, columns);
        }
        if self.causal {
            for (key, row) in block.keys.clone().zip(scores.chunks_exact_mut(columns)) {
                let earlier = key.saturating_sub(block.queries.start).min(block.queries.len());
                row[..earlier].fill(T::neg_infinity());
            }
        }
    }
}

/// Parts of `size` elements, the last of which may have fewer.
pub(super) fn parts(count: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(size).map(move |start| start..count.min(start + size))
}

/// The number of units of this work, in multiply-adds, that a task takes.
pub(super) fn units_per_task(units: usize, work: usize) -> usize {
    (TASK / work.max(1)).max(units.div_ceil(TASKS)).max(1)
}

/// The number of parts into which `units` units of this work are split if they are too few for many threads.
pub(super) fn parts_of_unit(units: usize, work: usize) -> usize {
    const FEW: usize = 16;
    (FEW / units.max(1)).min(work / TASK).max(1)
}

/// Splits a slice into parts of these sizes.
pub(super) fn carve<T, const N: usize>(mut slice: &mut [T], sizes: [usize; N]) -> [&mut [T]; N] {
    sizes.map(|size| {
        let part;
        (part, slice) = std::mem::take(&mut slice).split_at_mut(size);
        part
    })
}
