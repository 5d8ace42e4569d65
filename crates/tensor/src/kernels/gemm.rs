//! Matrix products: the `gemm` crate's single-threaded product under our own split into tiles.
#![allow(unsafe_code)]

use crate::dtype::Float;
use crate::kernels::threads;

/// One operand: where it starts in its slice and its strides along rows and columns.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) start: usize,
    pub(crate) rows: isize,
    pub(crate) columns: isize,
}

/// Multiply-adds below which a product is one tile: handing a tile over costs some 5 µs.
const TILE: usize = 1 << 20;
/// The most tiles that one product is split into.
const TILES: usize = 16;

struct Destination<T>(*mut T);
// SAFETY: tiles write to disjoint elements.
unsafe impl<T: Send> Sync for Destination<T> {}

impl<T> Destination<T> {
    fn pointer(&self) -> *mut T {
        self.0
    }
}

/// `out = a · b` for a row-major `out` of `m` × `n` elements and an inner size `k`.
///
/// The tiles, and with them the order of every sum, depend on the shape alone; `k` is never split.
pub(crate) fn gemm<T: Float>(m: usize, n: usize, k: usize, a: Matrix<T>, b: Matrix<T>, out: &mut [T]) {
    assert_eq!(Some(out.len()), m.checked_mul(n));
    if m * n == 0 {
        return;
    }
    if k == 0 {
        return out.fill(T::zero());
    }
    for (x, rows, columns) in [(&a, m, k), (&b, k, n)] {
        let corner = |step: isize, size: usize| step * (size as isize - 1);
        let (down, right) = (corner(x.rows, rows), corner(x.columns, columns));
        let least = x.start as isize + down.min(0) + right.min(0);
        let greatest = x.start as isize + down.max(0) + right.max(0);
        assert!(least >= 0 && (greatest as usize) < x.data.len(), "an operand lies within its data");
    }
    let (rows, columns) = tile_size(m, n, k);
    let across = n.div_ceil(columns);
    let destination = Destination(out.as_mut_ptr());
    threads::for_each(m.div_ceil(rows) * across, &|tile| {
        let (top, left) = (tile / across * rows, tile % across * columns);
        let (height, width) = (rows.min(m - top), columns.min(n - left));
        let lhs = a.start as isize + top as isize * a.rows;
        let rhs = b.start as isize + left as isize * b.columns;
        // SAFETY: the corners of both operands were checked against their slices above and this
        // tile lies between them; the destination tiles are disjoint parts of `out`.
        unsafe {
            gemm::gemm(
                height,
                width,
                k,
                destination.pointer().add(top * n + left),
                1,
                n as isize,
                false,
                a.data.as_ptr().offset(lhs),
                a.columns,
                a.rows,
                b.data.as_ptr().offset(rhs),
                b.columns,
                b.rows,
                T::zero(),
                T::one(),
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    });
}

/// Rows and columns of a tile: about equal work for each, the longer side split first.
fn tile_size(m: usize, n: usize, k: usize) -> (usize, usize) {
    let tiles = (m.saturating_mul(n).saturating_mul(k) / TILE).clamp(1, TILES);
    let split = |size: usize, parts: usize, unit: usize| size.div_ceil(parts).next_multiple_of(unit).min(size.max(1));
    if tiles == 1 {
        (m, n)
    } else if n >= m {
        (m, split(n, tiles, 32))
    } else {
        (split(m, tiles, 8), n)
    }
}
