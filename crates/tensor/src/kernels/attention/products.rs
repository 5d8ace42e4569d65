//! Products of blocks.

use crate::kernels::gemm;
use crate::kernels::matrices::Matrix;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::sparse::Sparse;
use crate::kernels::tile::Tiled;

/// Columns that [`multiply_by_columns`] takes at a time.
const TOGETHER: usize = 32;

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
        None => gemm::multiply(a, b, sizes, out, sizes[1], add),
        Some(sparse) => vectorized(SparseProduct { a, b, sizes, out, add, sparse }),
    }
}

/// As [`multiply`], in parts of the columns: those before column `n` have `sizes(n)` rows and terms. Other rows stay as
/// they are.
pub(super) fn multiply_by_columns<T: Tiled>(
    a: &Matrix<T>,
    b: &[T],
    columns: usize,
    out: &mut [T],
    add: bool,
    sizes: impl Fn(usize) -> [usize; 2],
) {
    if out.is_empty() {
        return;
    }
    for first in (0..columns).step_by(TOGETHER) {
        let width = TOGETHER.min(columns - first);
        let [m, k] = sizes(first + width);
        gemm::multiply(a, b.get(first..).unwrap_or_default(), [m, width, k], &mut out[first..], columns, add);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Tiled>() {
        let (m, n, k) = (21, 48, 37);
        let number = |k: usize| {
            if k.is_multiple_of(3) { T::zero() } else { T::from_f64((k * 7919 % 1009) as f64 * 0.013 - 7.0) }
        };
        let (left, mut b): (Vec<T>, Vec<T>) = ((0..m * k).map(number).collect(), (0..k * n).map(number).collect());
        let product = |left: &[T], b: &[T], sparse: Option<Sparse>, add: bool| {
            let a = Matrix { data: left, start: 0, strides: [1, m as isize] };
            let mut out = vec![T::one(); m * n];
            multiply(&a, b, [m, n, k], &mut out, add, sparse);
            out
        };
        for add in [false, true] {
            let dense = product(&left, &b, None, add);
            for sparse in [Sparse::Left, Sparse::Right] {
                assert!(dense == product(&left, &b, Some(sparse), add));
            }
            // In parts of the columns, as many rows and terms as there are.
            let a = Matrix { data: &left, start: 0, strides: [1, m as isize] };
            let mut parts = vec![T::one(); m * n];
            multiply_by_columns(&a, &b, n, &mut parts, add, |before| [if before > 32 { m } else { 5 }, k]);
            for (place, (part, whole)) in parts.iter().zip(&dense).enumerate() {
                let written = place % n >= 32 || place / n < 5;
                assert!(*part == if written { *whole } else { T::one() });
            }
        }
        // A term that only zeros meet.
        let mut sparse = left.clone();
        sparse[5 * m..6 * m].fill(T::zero());
        let dense = product(&sparse, &b, None, false);
        b[5 * n..6 * n].fill(T::nan());
        assert!(dense == product(&sparse, &b, Some(Sparse::Left), false));
        assert!(product(&sparse, &b, None, false).iter().all(|x| x.is_nan()));
        sparse[7] = T::infinity();
        assert!(product(&sparse, &b, Some(Sparse::Left), false).iter().any(|x| !x.is_finite()));
    }

    #[test]
    fn absent_zeros_change_no_bit_of_finite_products() {
        check::<f32>();
        check::<f64>();
    }
}
