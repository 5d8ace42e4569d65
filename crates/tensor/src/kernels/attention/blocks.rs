//! The operands of attention, and how they are split into blocks.

use std::ops::Range;

use super::mask::{Allowed, Mask};
use super::pack::padded;
use super::products::{multiply, multiply_by_columns};
use crate::dtype::Element;
use crate::kernels::finite::rows_are_finite;
use crate::kernels::matrices::Matrix;
use crate::kernels::sparse::Sparse;
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

/// Views of the operands, each of `[…, rows, columns]`, whose leading axes broadcast to a batch.
pub(crate) struct Operands<'a, T> {
    pub(crate) query: View<'a, T>,
    /// Key and value have no negative strides.
    pub(crate) key: View<'a, T>,
    pub(crate) value: View<'a, T>,
    pub(crate) mask: Option<Mask<View<'a, bool>, View<'a, T>>>,
}

/// Attention of a batch of matrices.
pub(crate) struct Attention<'a, T> {
    pub(super) batch: Shape,
    pub(super) sizes: Sizes,
    pub(super) query: Stack<'a, T>,
    pub(super) key: Stack<'a, T>,
    pub(super) value: Stack<'a, T>,
    mask: Option<Mask<Stack<'a, bool>, Stack<'a, T>>>,
    causal: bool,
    /// The factor of the scores.
    pub(super) scale: T,
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

impl Block {
    /// The number of keys up to the query of the last column before `column`.
    fn keys_before(&self, column: usize) -> usize {
        self.keys.len().min((self.queries.start + column).saturating_sub(self.keys.start))
    }
}

impl<'a, T: Tiled> Attention<'a, T> {
    /// If `causal` is set, query `i` may attend to keys `0..=i` only.
    pub(crate) fn new(operands: Operands<'a, T>, batch: &Shape, sizes: Sizes, causal: bool, scale: f64) -> Self {
        let Sizes { queries, keys, width, size } = sizes;
        Attention {
            batch: batch.clone(),
            sizes,
            query: Stack::new(operands.query, batch, [queries, width]),
            key: Stack::new(operands.key, batch, [keys, width]),
            value: Stack::new(operands.value, batch, [keys, size]),
            mask: operands.mask.map(|mask| match mask {
                Mask::Allowed(mask) => Mask::Allowed(Stack::new(mask, batch, [queries, keys])),
                Mask::Added(mask) => Mask::Added(Stack::new(mask, batch, [queries, keys])),
            }),
            causal,
            scale: T::from_f64(scale),
        }
    }

    /// The blocks of keys of some queries of a matrix, without those that causality forbids to all of them.
    pub(super) fn blocks(&self, number: usize, queries: &Range<usize>) -> impl Iterator<Item = Block> {
        let keys = if self.causal { self.sizes.keys.min(queries.end) } else { self.sizes.keys };
        let queries = queries.clone();
        parts(keys, KEYS).map(move |keys| Block { number, queries: queries.clone(), keys })
    }

    /// Whether some keys are forbidden to some queries: these have no effect, even if they are NaN.
    pub(super) fn is_masked(&self) -> bool {
        self.causal || self.mask.is_some()
    }

    /// Which scores of a block count.
    pub(super) fn allowed(&self, block: &Block) -> Allowed {
        let by_mask = self.mask.as_ref().map_or(Allowed::All, |mask| mask.allowed(block));
        if by_mask == Allowed::All && self.is_cut(block) { Allowed::Some } else { by_mask }
    }

    /// Whether causality forbids some of the scores of a block.
    fn is_cut(&self, block: &Block) -> bool {
        self.causal && block.keys.end > block.queries.start + 1
    }

    /// The product of `left`, which has a row for each key of a block, and transposed operands of queries, `[terms,
    /// columns]`. Where causality forbids a key to several queries, the result stays as it is.
    pub(super) fn for_keys(&self, block: &Block, left: &Matrix<T>, right: &[T], terms: usize, out: &mut [T]) {
        let (keys, columns) = (block.keys.len(), padded(block.queries.len()));
        if self.is_cut(block) {
            let sizes = |before: usize| [block.keys_before(before), terms];
            multiply_by_columns(left, right, columns, out, false, sizes);
        } else {
            multiply(left, right, [keys, columns, terms], out, false, None);
        }
    }

    /// The sums over the keys of a block of `[rows, keys]`, the transpose of some rows of `left`, and weights, `[keys,
    /// columns]`, which are written to `out` or added to it. If attention is masked and the rows are not finite, zeros are
    /// absent, also in blocks in which all keys are allowed: a weight may be 0 because its score is low.
    pub(super) fn over_keys(
        &self,
        block: &Block,
        (left, rows): (&Matrix<T>, usize),
        weights: &[T],
        out: &mut [T],
        add: bool,
    ) {
        let (keys, columns) = (block.keys.len(), padded(block.queries.len()));
        let transposed = left.transposed();
        if self.is_masked() && !rows_are_finite(left, [keys, rows]) {
            multiply(&transposed, weights, [rows, columns, keys], out, add, Some(Sparse::Right));
        } else if self.is_cut(block) {
            multiply_by_columns(&transposed, weights, columns, out, add, |before| [rows, block.keys_before(before)]);
        } else {
            multiply(&transposed, weights, [rows, columns, keys], out, add, None);
        }
    }

    /// Adds a floating mask to scores, `[keys, columns]`, and writes minus infinity for keys that are not allowed.
    pub(super) fn restrict(&self, block: &Block, scores: &mut [T], columns: usize) {
        if let Some(mask) = &self.mask {
            mask.restrict(block, scores, columns);
        }
        if self.is_cut(block) {
            for (key, row) in block.keys.clone().zip(scores.chunks_exact_mut(columns)) {
                // The padding as well if nothing else is left.
                let earlier = key.saturating_sub(block.queries.start);
                row[..if earlier < block.queries.len() { earlier } else { columns }].fill(T::neg_infinity());
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
