//! Matrix products: a register-tiled micro-kernel under a split into tasks that depends on the shape alone.
//!
//! An operand is read in place if few tiles reuse it, and packed into panels if many do: then a copy in the order of
//! the sums costs less than strided access.
#![allow(unsafe_code)]

mod block;
mod pack;
mod tiny;

use std::ops::Range;

use self::block::{Block, height, packs_left, packs_right};
use self::pack::{pack_all_columns, pack_all_rows};
use self::tiny::{TINY, TinyProducts};
use crate::kernels::gemv;
use crate::kernels::matrices::{Matrices, Matrix};
use crate::kernels::simd::vectorized;
use crate::kernels::threads;
use crate::kernels::tile::{Output, Products, RowLayout, Rows, Tiled, panels};
use crate::storage::Buffer;

/// Approximate multiply-adds per task: handing a task to another thread costs some 5 µs.
const TASK: usize = 1 << 20;
/// The maximum number of tasks of one product.
const TASKS: usize = 16;
/// Multiply-adds per task of tiny products, which do far fewer in the same time.
const TINY_TASK: usize = TASK / 16;

/// The fewest rows of a block: a right operand is read from the L2 cache or beyond, once for that many rows.
const BLOCK_ROWS: usize = 48;
/// The fewest columns of a block: a left operand is read once for that many columns.
const BLOCK_COLUMNS: usize = 64;
/// The elements of an operand from which on it is packed once for all blocks, in tasks of their own, rather than by
/// every block that reads it.
const SHARED: usize = 1 << 16;

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
    let group = || (TASK / work).max(1);
    let split = Split::new(m, n, work);
    if m == 1 && b.lies_in_lines() {
        // A task takes several rows, or a part of one.
        let chunk = if count == 1 { n.div_ceil(split.across).next_multiple_of(BLOCK_COLUMNS) } else { group() * n };
        return threads::for_chunks(out, chunk, |start, out| {
            for (pair, out) in (start / n..).zip(out.chunks_mut(n)) {
                gemv::multiply(&a.matrix(pair), &b.matrix(pair), k, start % n, out);
            }
        });
    }
    if split.count() > 1 && count < TASKS {
        for (pair, out) in out.chunks_exact_mut(m * n).enumerate() {
            multiply_blocks([a.matrix(pair), b.matrix(pair)], [m, n, k], split, out);
        }
        return;
    }
    let (output, group) = (Output::of(out), group());
    let packs = [packs_left(&a.matrix(0), m, k, n), packs_right(&b.matrix(0), m)];
    threads::for_each(count.div_ceil(group), &|task| {
        for pair in task * group..count.min((task + 1) * group) {
            // SAFETY: `out` has this element, and different pairs write to different elements.
            let out = unsafe { output.after(pair * m * n) };
            let [a, b] = [a.matrix(pair), b.matrix(pair)];
            let (rows, columns) = (0..m, 0..n);
            Block { a, b, rows, columns, depth: k, packs, left: None, right: None, out, stride: n }.multiply();
        }
    });
}

/// How a product is split: into `down` × `across` blocks of about the same work.
#[derive(Clone, Copy)]
struct Split {
    down: usize,
    across: usize,
}

impl Split {
    fn new(m: usize, n: usize, work: usize) -> Split {
        // A power of two is shared evenly by most numbers of threads.
        let tasks = 1 << (work / TASK).clamp(1, TASKS).ilog2();
        let most = |size: usize, least: usize| (size / least).max(1);
        if m >= n {
            let down = tasks.min(most(m, BLOCK_ROWS));
            Split { down, across: (tasks / down).min(most(n, BLOCK_COLUMNS)) }
        } else {
            // Where the rows are not split, every block packs its own columns and multiplies them while they are in the
            // cache. That is worth some tasks.
            let across = tasks.min(most(n, BLOCK_COLUMNS));
            Split { down: (tasks / across / 2).clamp(1, most(m, BLOCK_ROWS)), across }
        }
    }

    fn count(self) -> usize {
        self.down * self.across
    }
}

/// Part `index` of `parts` of about equal size. Parts start at multiples of `unit`.
fn part(size: usize, unit: usize, parts: usize, index: usize) -> Range<usize> {
    let units = size.div_ceil(unit);
    let start = |index: usize| (units * index / parts * unit).min(size);
    start(index)..start(index + 1)
}

/// Computes one product block by block.
fn multiply_blocks<T: Tiled>([a, b]: [Matrix<T>; 2], [m, n, k]: [usize; 3], split: Split, out: &mut [T]) {
    let Split { down, across } = split;
    let share_left = across > 1 && m * k >= SHARED && packs_left(&a, m, k, n);
    let (rows, columns) = (m.div_ceil(down), n.div_ceil(across));
    let packs = [share_left || packs_left(&a, rows, k, columns), packs_right(&b, rows)];
    let share_right = down > 1 && k * n >= SHARED && packs[1];
    let left = share_left.then(|| pack_all_rows(&a, m, k));
    let right = share_right.then(|| pack_all_columns(&b, k, n));
    let height = height(&a, packs[0]);
    let output = Output::of(out);
    threads::for_each(split.count(), &|task| {
        // Blocks are numbered column by column: neighbours, which one thread is likely to get, share columns of the
        // right operand.
        let block = Block {
            a,
            b,
            rows: part(m, height, down, task % down),
            columns: part(n, T::tiles()[0].width, across, task / down),
            depth: k,
            packs,
            left: left.as_ref().map(Buffer::as_slice),
            right: right.as_ref().map(Buffer::as_slice),
            // SAFETY: `out` has an element 0. Different blocks write to different elements.
            out: unsafe { output.after(0) },
            stride: n,
        };
        block.multiply();
    });
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
        let left = Rows { count: m, start: a.start, layout: RowLayout::Strided(down) };
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
            [29, 260, 40],
            [29, 260, 520],
        ] {
            check::<f32>(sizes, 1);
            check::<f64>(sizes, 2);
        }
        // Split among tasks, which share the packed left operand, the right one, and both.
        check::<f32>([128, 160, 600], 1);
        check::<f32>([130, 66, 1000], 1);
        check::<f32>([100, 130, 1300], 1);
        check::<f32>([110, 260, 600], 1);
        // Split among tasks.
        check::<f32>([136, 200, 100], 2);
        check::<f32>([1, 3000, 800], 1);
        check::<f32>([1, 300, 100], 50);
    }
}
