//! A part of a product, computed by one thread: panels of the right operand in turn, by all rows of the left one.
#![allow(unsafe_code)]

use std::ops::Range;

use super::pack::{pack_panels, pack_rows};
use crate::kernels::matrices::Matrix;
use crate::kernels::tile::{self, DEPTH, Output, Panel, Products, RowLayout, Rows, Tiled, panels};
use crate::storage::Buffer;

/// The maximum number of rows of the left operand that are multiplied by one panel after the other: with a depth
/// of 512, they fit into the L2 cache. A multiple of the height of all tiles.
const ROWS: usize = 144;
/// Limit of reuse, in widths of the widest tile: with at most this many rows (columns) in a block, the right (left)
/// operand is read in place.
const FEW: usize = 2;
/// The columns and the depth beyond which contiguous rows are packed, if they fill two tiles: tiles of packed rows run
/// 1.1 times as fast, which does not pay for the copy below.
const MANY_COLUMNS: usize = 256;
const DEEP: usize = 16;
/// A stride in bytes: rows that start multiples of it apart cause conflict misses in the L2 cache too.
const PAGE: isize = 4096;
/// The depth up to which columns of the left operand do not evict each other from the cache.
const SHALLOW: usize = 128;

/// The rows (columns) of a block up to which the right (left) operand is not packed.
fn few<T: Tiled>() -> usize {
    FEW * T::tiles()[0].width
}

/// Whether `rows` rows of a left operand are packed before they are multiplied by `columns` columns.
pub(super) fn packs_left<T: Tiled>(a: &Matrix<T>, rows: usize, depth: usize, columns: usize) -> bool {
    let [down, right] = a.strides;
    let pays = match right {
        1 => rows >= 2 * tile::adjacent_height::<T>() && columns > MANY_COLUMNS && depth > DEEP,
        _ => depth > SHALLOW && columns > few::<T>(),
    };
    down < 0 || right < 0 || pays
}

/// Whether a right operand is packed before `rows` rows are multiplied by it. If it is not, its rows are contiguous.
pub(super) fn packs_right<T: Tiled>(b: &Matrix<T>, rows: usize) -> bool {
    let [down, right] = b.strides;
    let few = if (down * size_of::<T>() as isize) % PAGE == 0 { few::<T>() / 2 } else { few::<T>() };
    rows > few || right != 1 || down < 0
}

/// What rows of blocks are a multiple of: the height of tiles, which is that of packed groups if the left operand is
/// packed.
pub(super) fn height<T: Tiled>(a: &Matrix<T>, packed: bool) -> usize {
    if packed || a.strides[0] == 1 { tile::adjacent_height::<T>() } else { tile::height::<T>() }
}

/// The depth of the blocks into which a sum of `k` products is split; the last block may be less deep.
fn block_depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(DEPTH))
}

/// A block of a product.
pub(super) struct Block<'a, T> {
    pub(super) a: Matrix<'a, T>,
    pub(super) b: Matrix<'a, T>,
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    pub(super) depth: usize,
    /// Whether the left operand is packed, and the right one: decided once for all blocks.
    pub(super) packs: [bool; 2],
    /// The whole left operand, packed, if several blocks share it: then `rows` begin with a group.
    pub(super) left: Option<&'a [T]>,
    /// The whole right operand, packed, if several blocks share it.
    pub(super) right: Option<&'a [T]>,
    /// The product, and the stride of its rows.
    pub(super) out: Output<'a, T>,
    pub(super) stride: usize,
}

/// Rows of the left operand, from a place in the slice on.
struct Left<'a, T> {
    data: &'a [T],
    /// The stride along the sum.
    step: usize,
    rows: Rows,
}

impl<T: Tiled> Block<'_, T> {
    /// Computes the block.
    pub(super) fn multiply(&self) {
        let panels = panels::<T>(self.columns.len());
        let height = height(&self.a, self.packs[0]);
        let depth = block_depth(self.depth);
        let passes = self.rows.len().div_ceil(ROWS).max(1);
        let rows = self.rows.len().div_ceil(passes).next_multiple_of(height);
        let packs_left = self.packs[0] && self.left.is_none();
        let mut left = Buffer::new::<T>(if packs_left { rows * depth } else { 0 });
        let packs = |panel: &&Panel<T>| self.right.is_none() && self.packs(panel);
        let width = panels.iter().filter(packs).map(|(.., tile)| tile.width).sum::<usize>();
        let mut right = Buffer::new::<T>(width * depth);
        for from in (0..self.depth).step_by(depth) {
            let inner = from..self.depth.min(from + depth);
            let size = width * inner.len();
            pack_panels(
                &self.b,
                &inner,
                self.columns.start,
                panels.iter().filter(packs),
                &mut right.as_mut_slice()[..size],
            );
            for top in self.rows.clone().step_by(rows) {
                let rows = top..self.rows.end.min(top + rows);
                if packs_left {
                    let size = rows.len().next_multiple_of(height) * inner.len();
                    pack_rows(&self.a, &rows, &inner, &mut left.as_mut_slice::<T>()[..size]);
                }
                let mut packed = right.as_slice::<T>();
                for panel in &panels {
                    let &(first, _, tile) = panel;
                    let (right, stride);
                    if let Some(all) = self.right {
                        let place = (self.columns.start + first) * self.depth + inner.start * tile.width;
                        (right, stride) = (&all[place..][..inner.len() * tile.width], tile.width);
                    } else if self.packs(panel) {
                        (right, packed) = packed.split_at(inner.len() * tile.width);
                        stride = tile.width;
                    } else {
                        right = &self.b.data[self.b.place(inner.start, self.columns.start + first)..];
                        stride = self.b.strides[0] as usize;
                    }
                    let own = packs_left.then(|| left.as_slice());
                    self.times_panel(panel, &rows, &inner, self.left(&rows, &inner, own), right, stride);
                }
            }
        }
    }

    /// Whether this block packs a panel of the right operand.
    fn packs(&self, &(_, count, tile): &Panel<T>) -> bool {
        count < tile.width || self.packs[1]
    }

    /// Some rows of the left operand: of the shared copy, of the block's `own`, or in place.
    fn left<'a>(&'a self, rows: &Range<usize>, inner: &Range<usize>, own: Option<&'a [T]>) -> Left<'a, T> {
        let height = tile::adjacent_height::<T>();
        debug_assert!(self.left.is_none() || rows.start.is_multiple_of(height), "shared rows are read group by group");
        let packed = |data, start, depth| Left {
            data,
            step: height,
            rows: Rows { count: rows.len(), start, layout: RowLayout::Packed(depth) },
        };
        match (self.left, own) {
            (Some(all), _) => packed(all, rows.start * self.depth + inner.start * height, self.depth),
            (None, Some(own)) => packed(own, 0, inner.len()),
            (None, None) => {
                let [down, right] = self.a.strides.map(|stride| stride as usize);
                let start = self.a.place(rows.start, inner.start);
                Left {
                    data: self.a.data,
                    step: right,
                    rows: Rows { count: rows.len(), start, layout: RowLayout::Strided(down) },
                }
            }
        }
    }

    /// Multiplies some rows of the left operand by a panel of the right one, whose rows are `stride` apart.
    fn times_panel(
        &self,
        &(first, width, tile): &Panel<T>,
        rows: &Range<usize>,
        inner: &Range<usize>,
        left: Left<T>,
        right: &[T],
        stride: usize,
    ) {
        let products =
            Products { data: left.data, runs: &[0], length: inner.len(), step: left.step, rows: right, stride };
        let place = rows.start * self.stride + self.columns.start + first;
        // SAFETY: the output has an element 0. Only this block writes to these places, in one thread.
        let out = unsafe { self.out.after(0) };
        tile.sum_rows(&products, left.rows, out, [place, self.stride], width, inner.start > 0);
    }
}
