//! Matrix products: a register-tiled micro-kernel under a split into tasks that depends on the shape alone.
//!
//! An operand is read in place if few tiles reuse it, and packed into panels if many do: then a copy in the order of
//! the sums costs less than strided access.
#![allow(unsafe_code)]

use std::ops::Range;

use crate::dtype::Float;
use crate::kernels::gemv;
use crate::kernels::matrices::{Matrices, Matrix};
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads;
use crate::kernels::tile::{DEPTH, HEIGHT, Output, Panel, Products, Rows, Tiled, panels};
use crate::kernels::transpose::transpose;
use crate::storage::Buffer;

/// Approximate multiply-adds per task: handing a task to another thread costs some 5 µs.
const TASK: usize = 1 << 20;
/// The maximum number of tasks of one product.
const TASKS: usize = 16;

/// The largest `m`, `n` and `k` of a tiny product, which takes less time than the start-up of a tile.
const TINY: usize = 8;
/// Multiply-adds per task of tiny products, which do far fewer in the same time.
const TINY_TASK: usize = TASK / 16;

/// Rows of the left operand per cache block: they stay in the cache while they are multiplied by one panel after the
/// other.
const ROWS: usize = 128;
/// Limit of reuse, in widths of the widest tile: with at most this many rows (columns) in a block, the right (left)
/// operand is read in place.
const FEW: usize = 2;
/// A stride in bytes: rows that start multiples of it apart cause conflict misses in the L2 cache too.
const PAGE: isize = 4096;
/// The depth up to which columns of the left operand do not evict each other from the cache.
const SHALLOW: usize = 128;

/// Writes the products `a · b` of all pairs of matrices to `out`, one after another, each `m` × `n` in row-major order.
/// The inner size is `k`.
///
/// Large products are split into blocks; several small products share a task. The blocks, and with them the order of
/// every sum, depend on the shape alone. No sum is split among tasks.
pub(crate) fn gemm<T: Tiled>([m, n, k]: [usize; 3], a: &Matrices<T>, b: &Matrices<T>, out: &mut [T]) {
    let count = a.starts.len();
    assert_eq!(count, b.starts.len(), "both operands have the same number of matrices");
    assert_eq!(Some(out.len()), m.checked_mul(n).and_then(|size| size.checked_mul(count)));
    if out.is_empty() {
        return;
    }
    if k == 0 {
        return out.fill(T::zero());
    }
    assert!(a.lie_within(m, k) && b.lie_within(k, n), "operands lie within their data");
    if m.max(n).max(k) <= TINY {
        let group = (TINY_TASK / (m * n * k)).max(1) * m * n;
        return threads::for_chunks(out, group, |start, out| {
            vectorized(TinyProducts { sizes: [m, n, k], a, b, first: start / (m * n), out });
        });
    }
    if n == 1 && m > 1 {
        return gemm([1, m, k], &b.transposed(), &a.transposed(), out);
    }
    let work = m.saturating_mul(n).saturating_mul(k);
    let (rows, columns) = block_size(m, n, work);
    let group = (TASK / work).max(1);
    if m == 1 && b.lies_in_lines() {
        // A task takes several rows, or a part of one.
        let chunk = if count == 1 { columns } else { group * n };
        return threads::for_chunks(out, chunk, |start, out| {
            for (pair, out) in (start / n..).zip(out.chunks_mut(n)) {
                gemv::multiply(&a.matrix(pair), &b.matrix(pair), k, start % n, out);
            }
        });
    }
    let down = m.div_ceil(rows);
    let blocks = down * n.div_ceil(columns);
    let output = Output::of(out);
    let product = |pair: usize, block: usize| {
        // Blocks are numbered column by column: neighbours, which one thread is likely to get, share columns of the
        // right operand.
        let (top, left) = (block % down * rows, block / down * columns);
        let block = ProductBlock {
            a: a.matrix(pair),
            b: b.matrix(pair),
            rows: top..m.min(top + rows),
            columns: left..n.min(left + columns),
            depth: k,
            // SAFETY: element 0 is within `out` or one past its end. Blocks of different pairs, rows or columns write to
            // different elements.
            out: unsafe { output.after(0) },
            start: pair * m * n,
            stride: n,
        };
        block.multiply();
    };
    if blocks > 1 {
        threads::for_each(count * blocks, &|task| product(task / blocks, task % blocks));
    } else {
        threads::for_each(count.div_ceil(group), &|task| {
            (task * group..count.min((task + 1) * group)).for_each(|pair| product(pair, 0));
        });
    }
}

/// The rows and columns of a block; all blocks have about the same work. Every block packs its part of both operands,
/// and packing the right one costs more. So columns are split first, but not into slivers.
fn block_size(m: usize, n: usize, work: usize) -> (usize, usize) {
    let blocks = (work / TASK).clamp(1, TASKS);
    let across = blocks.min((n / 32).clamp(1, 8));
    let split = |size: usize, parts: usize, unit: usize| size.div_ceil(parts).next_multiple_of(unit).min(size.max(1));
    if blocks == 1 { (m, n) } else { (split(m, blocks / across, HEIGHT), split(n, across, 32)) }
}

/// The rows (columns) of a block up to which the right (left) operand is not packed.
fn few<T: Tiled>() -> usize {
    FEW * T::tiles()[0].width
}

/// A part of a product that one thread computes.
struct ProductBlock<'a, T> {
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    rows: Range<usize>,
    columns: Range<usize>,
    depth: usize,
    out: Output<'a, T>,
    /// The first element of the product in `out`, and its row stride.
    start: usize,
    stride: usize,
}

impl<T: Tiled> ProductBlock<'_, T> {
    fn multiply(&self) {
        let panels = panels::<T>(self.columns.len());
        let depth = self.depth.div_ceil(self.depth.div_ceil(DEPTH));
        let [down, right] = self.a.strides;
        let many = depth > SHALLOW && self.columns.len() > few::<T>();
        let pack_left = down < 0 || right < 0 || (right != 1 && many);
        let height = self.rows.len().min(ROWS).next_multiple_of(HEIGHT);
        let mut left = Buffer::new::<T>(if pack_left { height * depth } else { 0 });
        let width = panels.iter().filter(|panel| self.packs(panel)).map(|(.., tile)| tile.width).sum::<usize>();
        let mut right = Buffer::new::<T>(width * depth);
        for from in (0..self.depth).step_by(depth) {
            let inner = from..self.depth.min(from + depth);
            self.pack_right(&panels, &inner, right.as_mut_slice());
            for top in self.rows.clone().step_by(ROWS) {
                let rows = top..self.rows.end.min(top + ROWS);
                let mut packed = right.as_slice::<T>();
                let left = if pack_left {
                    let size = rows.len().next_multiple_of(HEIGHT) * inner.len();
                    let left = &mut left.as_mut_slice::<T>()[..size];
                    self.pack_left(&rows, &inner, left);
                    Some(&*left)
                } else {
                    None
                };
                for panel in &panels {
                    let &(first, _, tile) = panel;
                    let (right, stride);
                    if self.packs(panel) {
                        (right, packed) = packed.split_at(inner.len() * tile.width);
                        stride = tile.width;
                    } else {
                        right = &self.b.data[self.b.place(inner.start, self.columns.start + first)..];
                        stride = self.b.strides[0] as usize;
                    }
                    self.times_panel(panel, &rows, &inner, left, right, stride);
                }
            }
        }
    }

    /// Whether a panel of the right operand is packed. If it is not, its rows are whole vectors of the slice.
    fn packs(&self, &(_, count, tile): &Panel<T>) -> bool {
        let [down, right] = self.b.strides;
        let few = if (down * size_of::<T>() as isize) % PAGE == 0 { few::<T>() / 2 } else { few::<T>() };
        self.rows.len() > few || right != 1 || down < 0 || count < tile.width
    }

    /// Multiplies some rows of the left operand, packed if `left` is given, by a panel of the right one, whose rows are
    /// `stride` apart.
    fn times_panel(
        &self,
        &(first, width, tile): &Panel<T>,
        rows: &Range<usize>,
        inner: &Range<usize>,
        left: Option<&[T]>,
        right: &[T],
        stride: usize,
    ) {
        let count = rows.len();
        let (data, step, left) = match left {
            Some(packed) => (packed, HEIGHT, Rows { count, start: 0, step: 1, next: HEIGHT * inner.len() }),
            None => {
                let [down, right] = self.a.strides.map(|stride| stride as usize);
                let start = self.a.place(rows.start, inner.start);
                (self.a.data, right, Rows { count, start, step: down, next: HEIGHT * down })
            }
        };
        let products = Products { data, runs: &[0], length: inner.len(), step, rows: right, stride };
        let place = self.start + rows.start * self.stride + self.columns.start + first;
        // SAFETY: element 0 is within the output or one past its end; only this block writes to these places, in one thread.
        let out = unsafe { self.out.after(0) };
        tile.sum_rows(&products, left, out, [place, self.stride], width, inner.start > 0);
    }

    /// Packs rows of the left operand in groups of [`HEIGHT`]: the elements of a group that are multiplied by the same
    /// row of the right operand are adjacent.
    fn pack_left(&self, rows: &Range<usize>, inner: &Range<usize>, packed: &mut [T]) {
        let size = inner.len() * HEIGHT;
        if self.a.strides[0] == 1 && rows.len().is_multiple_of(HEIGHT) {
            // Column by column, which is the order in memory.
            for (k, column) in inner.clone().enumerate() {
                let column = &self.a.data[self.a.place(rows.start, column)..][..rows.len()];
                for (packed, part) in packed.chunks_exact_mut(size).zip(column.as_chunks::<HEIGHT>().0) {
                    packed[k * HEIGHT..][..HEIGHT].copy_from_slice(part);
                }
            }
            return;
        }
        for (row, packed) in rows.clone().step_by(HEIGHT).zip(packed.chunks_exact_mut(size)) {
            for (column, packed) in inner.clone().zip(packed.as_chunks_mut::<HEIGHT>().0) {
                *packed = std::array::from_fn(|p| self.a.at((row + p).min(rows.end - 1), column));
            }
        }
    }

    /// Packs the panels of the right operand that [`packs`](Self::packs) selects, one after another; zeros pad the last
    /// vectors.
    fn pack_right(&self, panels: &[Panel<T>], inner: &Range<usize>, mut packed: &mut [T]) {
        let [down, right] = self.b.strides;
        for panel in panels.iter().filter(|panel| self.packs(panel)) {
            let &(first, count, tile) = panel;
            let to;
            (to, packed) = packed.split_at_mut(inner.len() * tile.width);
            let column = self.columns.start + first;
            let place = self.b.place(inner.start, column);
            if count == tile.width && right == 1 && down >= 0 {
                tile.pack(&self.b.data[place..], down as usize, to);
            } else if count == tile.width && down == 1 {
                transpose(self.b.data, place as isize, right, to, count);
            } else if down == 1 {
                // Read in memory order.
                to.fill(T::zero());
                for c in 0..count {
                    let column = &self.b.data[self.b.place(inner.start, column + c)..][..inner.len()];
                    to[c..].iter_mut().step_by(tile.width).zip(column).for_each(|(to, &x)| *to = x);
                }
            } else if right == 1 {
                for (row, to) in inner.clone().zip(to.chunks_exact_mut(tile.width)) {
                    to[..count].copy_from_slice(&self.b.data[self.b.place(row, column)..][..count]);
                    to[count..].fill(T::zero());
                }
            } else {
                for (row, to) in inner.clone().zip(to.chunks_exact_mut(tile.width)) {
                    for (c, to) in to.iter_mut().enumerate() {
                        *to = if c < count { self.b.at(row, column + c) } else { T::zero() };
                    }
                }
            }
        }
    }
}

/// Products of tiny matrices from the pair `first` on.
struct TinyProducts<'a, T> {
    sizes: [usize; 3],
    a: &'a Matrices<'a, T>,
    b: &'a Matrices<'a, T>,
    first: usize,
    out: &'a mut [T],
}

impl<T: Float> Loop for TinyProducts<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let TinyProducts { sizes: [m, n, k], a, b, first, out } = self;
        // Rows of the right operand, padded to whole vectors; the padding never reaches the result.
        let mut right = [[T::zero(); TINY]; TINY];
        for (pair, out) in (first..).zip(out.chunks_exact_mut(m * n)) {
            let (a, b) = (a.matrix(pair), b.matrix(pair));
            for (p, row) in right[..k].iter_mut().enumerate() {
                for (c, x) in row[..n].iter_mut().enumerate() {
                    *x = b.at(p, c);
                }
            }
            for (i, out) in out.chunks_exact_mut(n).enumerate() {
                let mut sums = [T::zero(); TINY];
                for (p, row) in right[..k].iter().enumerate() {
                    let factor = a.at(i, p);
                    for (sum, &x) in sums.iter_mut().zip(row) {
                        *sum += factor * x;
                    }
                }
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum);
            }
        }
    }
}

/// Writes the product of `a`, `[m, k]`, and `b`, `[k, n]`, to `out`, or adds it, on the calling thread and without
/// packing: for blocks of a larger computation, which are in the cache. The rows of `b` and `out` start `stride` apart. `a`
/// has no negative strides, and `n` is a multiple of the width of the narrowest tile.
pub(super) fn multiply<T: Tiled>(
    a: &Matrix<T>,
    b: &[T],
    [m, n, k]: [usize; 3],
    out: &mut [T],
    stride: usize,
    add: bool,
) {
    let [down, right] = a.strides.map(|stride| usize::try_from(stride).expect("strides are not negative"));
    let output = Output::of(out);
    for (first, width, tile) in panels::<T>(n) {
        // Without products, `b` may be empty.
        let rows = b.get(first..).unwrap_or_default();
        let products = Products { data: a.data, runs: &[0], length: k, step: right, rows, stride };
        let left = Rows { count: m, start: a.start, step: down, next: HEIGHT * down };
        // SAFETY: element 0 is within `out` or one past its end. The panels are written one after the other.
        let out = unsafe { output.after(0) };
        tile.sum_rows(&products, left, out, [first, stride], width, add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks all layouts that views can have, on both sides. Elements are small integers, whose sums are exact in any
    /// order.
    fn check<T: Tiled>(sizes: [usize; 3], pairs: usize) {
        let [m, n, k] = sizes;
        let data: Vec<T> = (0..pairs * (m * k).max(k * n) * 2).map(|i| T::from_i64((i * 7 % 13) as i64 - 6)).collect();
        let layouts = |rows: usize, columns: usize| {
            let [r, c] = [rows as isize, columns as isize];
            [(0, c, 1), (0, 1, r), (0, 2 * c, 2), ((r - 1) * c, -c, 1), (c - 1, c, -1), (0, 0, 1)]
        };
        for (index, a) in layouts(m, k).into_iter().enumerate() {
            // Each layout of the left side with the same and the next two of the right side.
            for b in layouts(k, n).into_iter().cycle().skip(index).take(3) {
                let matrices = |(start, rows, columns): (isize, isize, isize), size: usize| Matrices {
                    data: &data,
                    starts: (0..pairs).map(|pair| start as usize + pair * size).collect(),
                    rows,
                    columns,
                };
                let (a, b) = (matrices(a, m * k), matrices(b, k * n));
                let mut out = vec![T::from_f64(f64::NAN); pairs * m * n];
                gemm(sizes, &a, &b, &mut out);
                for (index, &out) in out.iter().enumerate() {
                    let (pair, row, column) = (index / (m * n), index / n % m, index % n);
                    let (a, b) = (a.matrix(pair), b.matrix(pair));
                    let expected: T = (0..k).map(|p| a.at(row, p) * b.at(p, column)).sum();
                    assert!(out == expected, "{sizes:?}, {pairs}: {out:?} at {index}, not {expected:?}");
                }
            }
        }
    }

    #[test]
    fn long_sums_are_taken_in_blocks() {
        // Adding 0.4 at a time to a single running sum would be off by a thousandth.
        let (depth, columns) = (1 << 18, 3);
        let data = vec![0.1f32; depth * columns];
        let ones = vec![1f32; 2 * depth];
        let product = |sizes: [usize; 3], (rows, columns): (usize, usize)| {
            let [m, n, k] = sizes;
            let matrices = |data, rows, columns| Matrices { data, starts: [0].into(), rows, columns };
            let mut out = vec![0.0; m * n];
            let b = matrices(&data[..], rows as isize, columns as isize);
            gemm(sizes, &matrices(&ones[..], k as isize, 1), &b, &mut out);
            out
        };
        // A single column, by rows, by columns, by tiles: each error is within that of some hundred consecutive
        // roundings.
        for (sizes, strides) in [
            ([1, 1, depth], (1, 1)),
            ([1, columns, depth], (columns, 1)),
            ([1, columns, depth], (1, depth)),
            ([2, columns, depth], (columns, 1)),
        ] {
            let expected = 0.1f32 as f64 * depth as f64;
            for sum in product(sizes, strides) {
                let error = (sum as f64 - expected).abs() / expected;
                assert!(error < 3e-5, "{sizes:?}, {strides:?}: {sum}, not {expected}");
            }
        }
    }

    #[test]
    fn a_product_of_any_size_and_layout_is_the_sum_of_products() {
        // Sizes below and above `TINY`, a tile, `few`, `SHALLOW`, a block and `DEPTH`.
        for sizes in [
            [1, 1, 1],
            [1, 9, 1],
            [8, 8, 8],
            [9, 1, 1],
            [2, 3, 9],
            [9, 8, 7],
            [1, 70, 130],
            [70, 1, 67],
            [4, 17, 20],
            [5, 33, 40],
            [63, 31, 9],
            [8, 32, 16],
            [65, 66, 129],
            [66, 130, 131],
            [130, 16, 30],
            [12, 40, 515],
            [140, 72, 513],
            [3, 9, 1030],
        ] {
            check::<f32>(sizes, 1);
            check::<f64>(sizes, 2);
        }
        // Split among tasks.
        check::<f32>([136, 200, 100], 2);
        check::<f32>([1, 3000, 800], 1);
        check::<f32>([1, 300, 100], 50);
    }
}
