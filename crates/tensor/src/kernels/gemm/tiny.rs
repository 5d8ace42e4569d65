//! Products of tiny matrices, in plain loops.

use crate::dtype::Float;
use crate::kernels::matrices::Matrices;
use crate::kernels::simd::{Loop, Set};

/// The largest `m`, `n` and `k` of a tiny product, which takes less time than the start-up of a tile.
pub(super) const TINY: usize = 8;

/// Products of tiny matrices from the pair `first` on.
pub(super) struct TinyProducts<'a, T> {
    pub(super) sizes: [usize; 3],
    pub(super) a: &'a Matrices<'a, T>,
    pub(super) b: &'a Matrices<'a, T>,
    pub(super) first: usize,
    pub(super) out: &'a mut [T],
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
