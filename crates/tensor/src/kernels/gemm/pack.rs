//! Copies of operands in the order in which tiles read them.

use std::ops::Range;

use crate::kernels::matrices::Matrix;
use crate::kernels::threads::for_chunks;
use crate::kernels::tile::{self, HEIGHT, Panel, Tile, Tiled, panels};
use crate::kernels::transpose::transpose;
use crate::storage::Buffer;

/// Columns that are packed at a time where they are contiguous: so many elements of a group make up whole cache lines.
const COLUMNS: usize = 16;
/// Rows that are packed at a time where they are contiguous.
const ROWS: usize = 16;
/// Approximate elements of a left operand per task.
const ELEMENTS: usize = 1 << 15;
/// Columns of a right operand per task.
const TOGETHER: usize = 128;

/// Packs rows of the left operand in groups of [`adjacent_height`](tile::adjacent_height): the elements of a group that are multiplied by the same
/// row of the right operand are adjacent. The last row is repeated to fill the last group.
pub(super) fn pack_rows<T: Tiled>(a: &Matrix<T>, rows: &Range<usize>, inner: &Range<usize>, packed: &mut [T]) {
    match tile::adjacent_height::<T>() {
        4 => pack_groups::<T, 4>(a, rows, inner, packed),
        6 => pack_groups::<T, 6>(a, rows, inner, packed),
        8 => pack_groups::<T, 8>(a, rows, inner, packed),
        height => {
            assert_eq!(height, HEIGHT, "tiles have 4, 6, 8 or HEIGHT rows");
            pack_groups::<T, HEIGHT>(a, rows, inner, packed);
        }
    }
}

fn pack_groups<T: Tiled, const ROWS: usize>(
    a: &Matrix<T>,
    rows: &Range<usize>,
    inner: &Range<usize>,
    packed: &mut [T],
) {
    let size = inner.len() * ROWS;
    let [down, right] = a.strides;
    let whole = if down == 1 || right == 1 { rows.len() / ROWS } else { 0 };
    let (groups, rest) = packed.split_at_mut(whole * size);
    if right == 1 {
        for (group, packed) in groups.chunks_exact_mut(size).enumerate() {
            let place = a.place(rows.start + group * ROWS, inner.start);
            transpose(a.data, place as isize, down, packed, ROWS);
        }
    } else {
        for first in inner.clone().step_by(COLUMNS) {
            let columns = first..inner.end.min(first + COLUMNS);
            for (group, packed) in groups.chunks_exact_mut(size).enumerate() {
                let packed = &mut packed[(first - inner.start) * ROWS..];
                for (column, packed) in columns.clone().zip(packed.as_chunks_mut::<ROWS>().0) {
                    let from = &a.data[a.place(rows.start + group * ROWS, column)..];
                    packed.copy_from_slice(&from[..ROWS]);
                }
            }
        }
    }
    for (row, packed) in rows.clone().step_by(ROWS).skip(whole).zip(rest.chunks_exact_mut(size)) {
        for (column, packed) in inner.clone().zip(packed.as_chunks_mut::<ROWS>().0) {
            *packed = std::array::from_fn(|p| a.at((row + p).min(rows.end - 1), column));
        }
    }
}

/// Packs panels of the right operand one after another; the first column of the first is `column`.
pub(super) fn pack_panels<'a, T: Tiled>(
    b: &Matrix<T>,
    inner: &Range<usize>,
    column: usize,
    panels: impl Iterator<Item = &'a Panel<T>> + Clone,
    packed: &mut [T],
) {
    // A few rows of all panels before the next rows: they are adjacent in memory.
    let rows = if b.strides[1] == 1 { ROWS } else { inner.len() };
    for start in inner.clone().step_by(rows) {
        let rows = start..inner.end.min(start + rows);
        let mut place = 0;
        for &(first, count, tile) in panels.clone() {
            let to = &mut packed[place + (start - inner.start) * tile.width..][..rows.len() * tile.width];
            pack_panel(b, &rows, column + first, count, tile, to);
            place += inner.len() * tile.width;
        }
    }
}

/// Packs a panel of the right operand: `count` columns from `column` on; zeros pad the vectors.
fn pack_panel<T: Tiled>(
    b: &Matrix<T>,
    inner: &Range<usize>,
    column: usize,
    count: usize,
    tile: &Tile<T>,
    to: &mut [T],
) {
    let [down, right] = b.strides;
    let place = b.place(inner.start, column);
    if count == tile.width && right == 1 && down >= 0 {
        tile.pack(&b.data[place..], down as usize, to);
    } else if count == tile.width && down == 1 {
        transpose(b.data, place as isize, right, to, count);
    } else if down == 1 {
        // Read in memory order.
        to.fill(T::zero());
        for c in 0..count {
            let column = &b.data[b.place(inner.start, column + c)..][..inner.len()];
            to[c..].iter_mut().step_by(tile.width).zip(column).for_each(|(to, &x)| *to = x);
        }
    } else if right == 1 {
        for (row, to) in inner.clone().zip(to.chunks_exact_mut(tile.width)) {
            to[..count].copy_from_slice(&b.data[b.place(row, column)..][..count]);
            to[count..].fill(T::zero());
        }
    } else {
        for (row, to) in inner.clone().zip(to.chunks_exact_mut(tile.width)) {
            for (c, to) in to.iter_mut().enumerate() {
                *to = if c < count { b.at(row, column + c) } else { T::zero() };
            }
        }
    }
}

/// All `m` rows of a left operand of depth `k`, packed group by group.
pub(super) fn pack_all_rows<T: Tiled>(a: &Matrix<T>, m: usize, k: usize) -> Buffer {
    let height = tile::adjacent_height::<T>();
    let mut packed = Buffer::new::<T>(m.next_multiple_of(height) * k);
    let together = (ELEMENTS / k).max(1).next_multiple_of(height);
    for_chunks(packed.as_mut_slice::<T>(), together * k, |start, packed| {
        let first = start / k;
        pack_rows(a, &(first..m.min(first + together)), &(0..k), packed);
    });
    packed
}

/// All `n` columns of a right operand of depth `k`, packed panel by panel.
pub(super) fn pack_all_columns<T: Tiled>(b: &Matrix<T>, k: usize, n: usize) -> Buffer {
    let panels = panels::<T>(n);
    let width = panels.iter().map(|(.., tile)| tile.width).sum::<usize>();
    let mut packed = Buffer::new::<T>(width * k);
    let together = TOGETHER.div_ceil(panels[0].2.width);
    for_chunks(packed.as_mut_slice::<T>(), together * panels[0].2.width * k, |start, packed| {
        let panels = panels.iter().skip_while(|&&(first, ..)| first < start / k).take(together);
        pack_panels(b, &(0..k), 0, panels, packed);
    });
    packed
}
