//! Matrix products: the `gemm` crate's single-threaded product under our own split into tiles.
#![allow(unsafe_code)]

use gemm_common::Parallelism;
use smallvec::SmallVec;

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads;

/// The matrices of one operand: where each starts in the slice, and the strides along rows and
/// columns, which all share.
pub(crate) struct Matrices<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) starts: SmallVec<[usize; 1]>,
    pub(crate) rows: isize,
    pub(crate) columns: isize,
}

impl<T> Matrices<'_, T> {
    /// Whether all matrices of `rows` × `columns` elements lie within the slice.
    fn lie_within(&self, rows: usize, columns: usize) -> bool {
        let corner = |step: isize, size: usize| step * (size as isize - 1);
        let (down, right) = (corner(self.rows, rows), corner(self.columns, columns));
        let (least, greatest) = (down.min(0) + right.min(0), down.max(0) + right.max(0));
        let within = |at: isize| (0..self.data.len() as isize).contains(&at);
        self.starts.iter().all(|&start| within(start as isize + least) && within(start as isize + greatest))
    }
}

/// Multiply-adds of one task, about: handing a task over costs some 5 µs.
const TASK: usize = 1 << 20;
/// The most tiles that one product is split into.
const TILES: usize = 16;

/// Products of at most this many rows, columns and inner elements take less time than a call of `gemm`.
const TINY: usize = 8;
/// Multiply-adds of one task of such products, which do far fewer in the same time.
const TINY_TASK: usize = TASK / 16;

/// A product of the `gemm` crates: `m`, `n`, `k`; the result with its strides along columns and rows, and
/// whether it is added to; both operands in the same way; two factors, three conjugations, threads.
///
/// # Safety
/// All elements that sizes and strides lead to may be read, and those of the result written.
type Product<T> = unsafe fn(
    usize,
    usize,
    usize,
    *mut T,
    isize,
    isize,
    bool,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    T,
    bool,
    bool,
    bool,
    Parallelism,
);

/// The element types that have products. (The crate `gemm` chooses among these and complex ones, which take
/// as long to build as the rest.)
pub trait HasProduct: Sized {
    #[doc(hidden)]
    fn product() -> Product<Self>;
}

impl HasProduct for f32 {
    fn product() -> Product<f32> {
        gemm_f32::gemm::f32::get_gemm_fn()
    }
}

impl HasProduct for f64 {
    fn product() -> Product<f64> {
        gemm_f64::gemm::f64::get_gemm_fn()
    }
}

struct Destination<T>(*mut T);
// SAFETY: tiles write to disjoint elements.
unsafe impl<T: Send> Sync for Destination<T> {}

impl<T> Destination<T> {
    fn pointer(&self) -> *mut T {
        self.0
    }
}

/// The products `a · b`, pair by pair, one after another in `out`, each row-major and of `m` × `n`
/// elements; the inner size is `k`.
///
/// Large products are split into tiles, small ones go several to a task. The tiles, and with them
/// the order of every sum, depend on the shape alone; `k` is never split.
pub(crate) fn gemm<T: Float>([m, n, k]: [usize; 3], a: &Matrices<T>, b: &Matrices<T>, out: &mut [T]) {
    let count = a.starts.len();
    assert_eq!(count, b.starts.len(), "as many matrices on both sides");
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
    let work = m.saturating_mul(n).saturating_mul(k);
    let (rows, columns) = tile_size(m, n, work);
    let across = n.div_ceil(columns);
    let tiles = m.div_ceil(rows) * across;
    let group = (TASK / work).max(1);
    let destination = Destination(out.as_mut_ptr());
    let product = |pair: usize, tile: usize| {
        let (top, left) = (tile / across * rows, tile % across * columns);
        let lhs = a.starts[pair] as isize + top as isize * a.rows;
        let rhs = b.starts[pair] as isize + left as isize * b.columns;
        // Transposed, since the `gemm` crate's kernels write columns: outᵀ = bᵀ · aᵀ.
        // SAFETY: all matrices lie within their slices and this tile within its matrices, as was
        // checked above; the tiles of all pairs are disjoint parts of `out`.
        unsafe {
            T::product()(
                columns.min(n - left),
                rows.min(m - top),
                k,
                destination.pointer().add(pair * m * n + top * n + left),
                n as isize,
                1,
                false,
                b.data.as_ptr().offset(rhs),
                b.rows,
                b.columns,
                a.data.as_ptr().offset(lhs),
                a.rows,
                a.columns,
                T::zero(),
                T::one(),
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    };
    if tiles > 1 {
        threads::for_each(count * tiles, &|task| product(task / tiles, task % tiles));
    } else {
        threads::for_each(count.div_ceil(group), &|task| {
            (task * group..count.min((task + 1) * group)).for_each(|pair| product(pair, 0));
        });
    }
}

/// Rows and columns of a tile: about equal work for each. Every tile packs its part of both operands, the
/// columns at more cost: so these are split first, but not into slivers.
fn tile_size(m: usize, n: usize, work: usize) -> (usize, usize) {
    let tiles = (work / TASK).clamp(1, TILES);
    let across = tiles.min((n / 32).clamp(1, 8));
    let split = |size: usize, parts: usize, unit: usize| size.div_ceil(parts).next_multiple_of(unit).min(size.max(1));
    if tiles == 1 { (m, n) } else { (split(m, tiles / across, 8), split(n, across, 32)) }
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
        // Rows of the right operand in whole vectors; what is beyond their end is never used.
        let mut right = [[T::zero(); TINY]; TINY];
        for (pair, out) in out.chunks_exact_mut(m * n).enumerate() {
            let [a_start, b_start] = [a, b].map(|matrices| matrices.starts[first + pair] as isize);
            for (p, row) in (0..k as isize).zip(&mut right) {
                for (c, x) in (0..n as isize).zip(row) {
                    *x = b.data[(b_start + p * b.rows + c * b.columns) as usize];
                }
            }
            for (i, out) in (0..m as isize).zip(out.chunks_exact_mut(n)) {
                let mut sums = [T::zero(); TINY];
                for (p, row) in (0..k as isize).zip(&right) {
                    let factor = a.data[(a_start + i * a.rows + p * a.columns) as usize];
                    for (sum, &x) in sums.iter_mut().zip(row) {
                        *sum += factor * x;
                    }
                }
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum);
            }
        }
    }
}
