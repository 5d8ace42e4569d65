//! The inner loops of depthwise convolutions, where every channel has a kernel of its own: products
//! of neighbouring channels, element by element.

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::tile::Products;

/// Channels that are summed side by side.
const LANES: usize = 32;

/// Windows next to one another: number `j` starts at `start + j · step` of `data`, its sums go to
/// `place + j · place_step` of `out`. The elements of a window lie at `taps` from its start, for each
/// channel one, and meet as many rows of `kernel`.
pub(crate) struct Row<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) start: usize,
    pub(crate) step: usize,
    pub(crate) taps: &'a [usize],
    pub(crate) kernel: &'a [T],
    pub(crate) out: &'a mut [T],
    pub(crate) place: usize,
    pub(crate) place_step: usize,
    pub(crate) count: usize,
    pub(crate) channels: usize,
}

impl<T: Float> Row<'_, T> {
    /// Writes the sums over every window.
    pub(crate) fn sum(self) {
        vectorized(self);
    }
}

impl<T: Float> Loop for Row<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        for j in 0..self.count {
            let (start, place) = (self.start + j * self.step, self.place + j * self.place_step);
            let out = &mut self.out[place..place + self.channels];
            for (part, out) in out.chunks_mut(LANES).enumerate() {
                let channel = part * LANES;
                let mut sums = [T::zero(); LANES];
                for (&tap, kernel) in self.taps.iter().zip(self.kernel.chunks(self.channels)) {
                    let data = &self.data[start + tap + channel..][..out.len()];
                    add_products(&mut sums, data, &kernel[channel..][..out.len()]);
                }
                out.copy_from_slice(&sums[..out.len()]);
            }
        }
    }
}

/// Adds to `out`, the gradient of one place of the kernel, the products of each channel of the data
/// with its own of the rows, `tap` being where the elements of a window start.
pub(crate) fn add_place<T: Float>(products: &Products<T>, tap: usize, out: &mut [T]) {
    vectorized(Place { products, tap, out });
}

struct Place<'a, T> {
    products: &'a Products<'a, T>,
    tap: usize,
    out: &'a mut [T],
}

impl<T: Float> Loop for Place<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let Products { data, runs, length, step, rows, stride } = *self.products;
        for (part, out) in self.out.chunks_mut(LANES).enumerate() {
            let channel = part * LANES;
            let mut sums = [T::zero(); LANES];
            let mut rows = rows.chunks(stride);
            for run in runs {
                for (j, row) in rows.by_ref().take(length).enumerate() {
                    let data = &data[run + self.tap + j * step + channel..][..out.len()];
                    add_products(&mut sums, data, &row[channel..][..out.len()]);
                }
            }
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        }
    }
}

/// Adds `a · b` to the sums; whole vectors where there are as many.
#[inline(always)]
fn add_products<T: Float>(sums: &mut [T; LANES], a: &[T], b: &[T]) {
    if let (Ok(a), Ok(b)) = (<&[T; LANES]>::try_from(a), <&[T; LANES]>::try_from(b)) {
        for k in 0..LANES {
            sums[k] += a[k] * b[k];
        }
        return;
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
        *sum += a * b;
    }
}
