//! Products of blocks.

use crate::kernels::gemm;
use crate::kernels::matrices::Matrix;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::sparse::Sparse;
use crate::kernels::tile::Tiled;

/// Writes the product of `a`, `[m, k]`, and the rows `b`, `[k, n]`, to `out`, or adds it. If `sparse` is set, zeros of
/// that operand are absent: `0 · NaN` contributes nothing. Finite results have the same bits either way.
pub(super) fn multiply<T: Tiled>(
    a: &Matrix<T>,
    b: &[T],
    sizes: [usize; 3],
    out: &mut [T],
    add: bool,
    sparse: Option<Sparse>,
) {
    match sparse {
        None => gemm::multiply(a, b, sizes, out, add),
        Some(sparse) => vectorized(SparseProduct { a, b, sizes, out, add, sparse }),
    }
}

/// A product without zeros, element by element. It is needed only for blocks with NaN or infinities.
struct SparseProduct<'a, T> {
    a: &'a Matrix<'a, T>,
    b: &'a [T],
    sizes: [usize; 3],
    out: &'a mut [T],
    add: bool,
    sparse: Sparse,
}

impl<T: Tiled> Loop for SparseProduct<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        self.multiply(|a, b, sum| a * b + sum);
    }

    #[inline(always)]
    fn run_fused(self) {
        self.multiply(|a, b, sum| a.mul_add(b, sum));
    }
}

impl<T: Tiled> SparseProduct<'_, T> {
    #[inline(always)]
    fn multiply(self, multiply_add: impl Fn(T, T, T) -> T) {
        let SparseProduct { a, b, sizes: [_, n, k], out, add, sparse } = self;
        for (row, out) in out.chunks_exact_mut(n).enumerate() {
            for (column, out) in out.iter_mut().enumerate() {
                let mut sum = T::zero();
                for inner in 0..k {
                    let (x, y) = (a.at(row, inner), b[inner * n + column]);
                    if (if sparse == Sparse::Left { x } else { y }) != T::zero() {
                        sum = multiply_add(x, y, sum);
                    }
                }
                *out = if add { *out + sum } else { sum };
            }
        }
    }
}

/// Whether all elements of `rows` rows of a matrix are finite.
pub(super) fn is_finite<T: Tiled>(matrix: &Matrix<T>, [rows, columns]: [usize; 2]) -> bool {
    columns == 0 || vectorized(Finite { matrix, rows, columns })
}

struct Finite<'a, T> {
    matrix: &'a Matrix<'a, T>,
    rows: usize,
    columns: usize,
}

impl<T: Tiled> Loop for Finite<'_, T> {
    type Output = bool;
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn run(self) -> bool {
        const LANES: usize = 16;
        let Finite { matrix, rows, columns } = self;
        // `x - x` is 0 if `x` is finite, and NaN otherwise.
        let mut lanes = [T::zero(); LANES];
        for row in 0..rows {
            if matrix.strides[1] != 1 {
                (0..columns).map(|column| matrix.at(row, column)).for_each(|x| lanes[0] += x - x);
                continue;
            }
            let (chunks, rest) = matrix.data[matrix.place(row, 0)..][..columns].as_chunks::<LANES>();
            for chunk in chunks {
                for k in 0..LANES {
                    lanes[k] += chunk[k] - chunk[k];
                }
            }
            lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += x - x);
        }
        lanes.into_iter().fold(T::zero(), |total, x| total + x) == T::zero()
    }
}
