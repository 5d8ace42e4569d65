//! Matrix products in which the zeros of one operand are absent, as in a sparse matrix.

use crate::kernels::finite::are_finite;
use crate::kernels::matrices::Matrices;
use crate::kernels::threads::for_chunks;
use crate::kernels::tile::Tiled;

/// The operand whose zeros are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sparse {
    Left,
    Right,
}

/// Elements that one task checks.
const TASK: usize = 1 << 15;

/// Corrects `out`, the `m` × `n` products `a · b` of inner size `k` that [`gemm`](crate::kernels::gemm::gemm) computed:
/// an element that is NaN or infinite becomes the sum without the terms in which the sparse operand is 0.
///
/// The dense kernel multiplies by those zeros. That does not change a finite sum, but zero times NaN or infinity is
/// NaN. Only elements that this may have affected are summed again.
pub(crate) fn without_zeros<T: Tiled>(
    [m, n, k]: [usize; 3],
    a: &Matrices<T>,
    b: &Matrices<T>,
    sparse: Sparse,
    out: &mut [T],
) {
    let rows = (TASK / n.max(1)).max(1);
    for_chunks(out, rows * n.max(1), |start, out| {
        if are_finite(out) {
            return;
        }
        let mut sums = vec![T::zero(); n];
        for (row, out) in (start / n..).zip(out.chunks_exact_mut(n)) {
            if are_finite(out) {
                continue;
            }
            let (a, b) = (a.matrix(row / m), b.matrix(row / m));
            sums.fill(T::zero());
            for inner in 0..k {
                let x = a.at(row % m, inner);
                if sparse == Sparse::Left && x == T::zero() {
                    continue;
                }
                for (column, sum) in sums.iter_mut().enumerate() {
                    let y = b.at(inner, column);
                    if sparse == Sparse::Left || y != T::zero() {
                        *sum += x * y;
                    }
                }
            }
            for (out, sum) in out.iter_mut().zip(&sums).filter(|(out, _)| !out.is_finite()) {
                *out = *sum;
            }
        }
    });
}
