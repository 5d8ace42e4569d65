//! Products of a row and a matrix. They are bound by memory bandwidth, so the matrix is read once, from one end to the
//! other.

use crate::dtype::Float;
use crate::kernels::matrices::Matrix;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::tile::DEPTH;
use crate::storage::Buffer;

/// Independent partial sums of one dot product.
const LANES: usize = 16;
/// Elements of a column per block: each lane adds `DEPTH / 4` groups of four, as each sum in [`ByRows`] does.
const COLUMN: usize = LANES * DEPTH;

/// Multiplies the row `a`, of `depth` elements, by the columns of `b` from `first` on, one for each element of `out`.
/// The rows or the columns of `b` are contiguous.
pub(super) fn multiply<T: Float>(a: &Matrix<T>, b: &Matrix<T>, depth: usize, first: usize, out: &mut [T]) {
    let mut gathered;
    let row = if a.strides[1] == 1 {
        &a.data[a.place(0, 0)..][..depth]
    } else {
        gathered = Buffer::new::<T>(depth);
        let gathered = gathered.as_mut_slice::<T>();
        gathered.iter_mut().enumerate().for_each(|(k, x)| *x = a.at(0, k));
        gathered
    };
    let data = &b.data[b.place(0, first)..];
    match b.strides {
        // Strides of 1 both ways mean a single column: `ByColumns` vectorizes its sum.
        [stride, 1] if stride != 1 || depth == 1 => {
            let mut part = (depth > DEPTH).then(|| Buffer::new::<T>(out.len()));
            let part = part.as_mut().map_or(&mut [][..], Buffer::as_mut_slice);
            vectorized(ByRows { row, data, stride: stride as usize, out, part });
        }
        [_, stride] => vectorized(ByColumns { row, data, stride: stride as usize, out }),
    }
}

/// Adds multiples of the matrix's rows in blocks of [`DEPTH`]: in one long sum, small products would all be rounded the
/// same way when they are added to a large sum.
struct ByRows<'a, T> {
    row: &'a [T],
    data: &'a [T],
    stride: usize,
    out: &'a mut [T],
    /// As long as `out` if there is more than one block of rows, otherwise empty.
    part: &'a mut [T],
}

impl<T: Float> Loop for ByRows<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let ByRows { row, data, stride, out, part } = self;
        let (first, rest) = row.split_at(DEPTH.min(row.len()));
        sum_rows(first, data, stride, out);
        for (block, row) in rest.chunks(DEPTH).enumerate() {
            sum_rows(row, &data[(block + 1) * DEPTH * stride..], stride, part);
            out.iter_mut().zip(&*part).for_each(|(out, &sum)| *out += sum);
        }
    }
}

/// The sums of one block of rows.
#[inline(always)]
fn sum_rows<T: Float>(row: &[T], data: &[T], stride: usize, out: &mut [T]) {
    let width = out.len();
    let of = |k: usize| &data[k * stride..][..width];
    out.fill(T::zero());
    let (fours, rest) = row.as_chunks::<4>();
    for (k, &[p, q, r, s]) in fours.iter().enumerate() {
        let rows = of(4 * k).iter().zip(of(4 * k + 1)).zip(of(4 * k + 2).iter().zip(of(4 * k + 3)));
        for (out, ((&a, &b), (&c, &d))) in out.iter_mut().zip(rows) {
            *out += (p * a + q * b) + (r * c + s * d);
        }
    }
    for (k, &x) in rest.iter().enumerate() {
        for (out, &a) in out.iter_mut().zip(of(4 * fours.len() + k)) {
            *out += x * a;
        }
    }
}

/// Computes one dot product per column.
struct ByColumns<'a, T> {
    row: &'a [T],
    data: &'a [T],
    stride: usize,
    out: &'a mut [T],
}

impl<T: Float> Loop for ByColumns<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let ByColumns { row, data, stride, out } = self;
        for (j, out) in out.iter_mut().enumerate() {
            let column = &data[j * stride..][..row.len()];
            *out = T::zero();
            for (a, b) in row.chunks(COLUMN).zip(column.chunks(COLUMN)) {
                *out += dot(a, b);
            }
        }
    }
}

#[inline(always)]
fn dot<T: Float>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    let ((fours, a), (other_fours, b)) = (a.as_chunks::<{ 4 * LANES }>(), b.as_chunks::<{ 4 * LANES }>());
    for (a, b) in fours.iter().zip(other_fours) {
        for (k, sum) in lanes.iter_mut().enumerate() {
            let product = |part: usize| a[k + part * LANES] * b[k + part * LANES];
            *sum += (product(0) + product(1)) + (product(2) + product(3));
        }
    }
    let ((ones, a), (other_ones, b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in ones.iter().zip(other_ones) {
        for (k, sum) in lanes.iter_mut().enumerate() {
            *sum += a[k] * b[k];
        }
    }
    let rest = a.iter().zip(b).fold(T::zero(), |sum, (&a, &b)| sum + a * b);
    let mut half = LANES / 2;
    while half > 0 {
        (0..half).for_each(|k| lanes[k] += lanes[k + half]);
        half /= 2;
    }
    lanes[0] + rest
}
