//! Whether all elements are finite.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::dtype::Float;
use crate::kernels::matrices::Matrix;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_each;
use crate::kernels::update::CHUNK;
use crate::kernels::view::array_view;
use crate::layout::View;

/// Independent partial sums: enough vectors to hide the latency of an addition.
const LANES: usize = 64;
/// Elements of short rows that are taken at a time.
const VECTOR: usize = 16;

/// Whether all elements of `x` are finite. Non-contiguous elements are not copied.
pub(crate) fn all_finite<T: Float>(x: View<T>) -> bool {
    let Some(elements) = x.as_slice() else {
        return array_view(x).iter().all(|x| x.is_finite());
    };
    let finite = AtomicBool::new(true);
    // Gradients are checked before an update, which has the same tasks. So most of its tasks find their elements in
    // their core's cache.
    for_each(elements.len().div_ceil(CHUNK), &|k| {
        let part = &elements[k * CHUNK..elements.len().min((k + 1) * CHUNK)];
        if finite.load(Relaxed) && !are_finite(part) {
            finite.store(false, Relaxed);
        }
    });
    finite.into_inner()
}

/// Whether all elements of a slice are finite.
pub(super) fn are_finite<T: Float>(elements: &[T]) -> bool {
    rows_are_finite(&Matrix { data: elements, start: 0, strides: [0, 1] }, [1, elements.len()])
}

/// Whether all elements of the first `rows` rows of a matrix are finite.
pub(super) fn rows_are_finite<T: Float>(matrix: &Matrix<T>, [rows, columns]: [usize; 2]) -> bool {
    columns == 0 || vectorized(Finite { matrix, rows, columns })
}

struct Finite<'a, T> {
    matrix: &'a Matrix<'a, T>,
    rows: usize,
    columns: usize,
}

impl<T: Float> Loop for Finite<'_, T> {
    type Output = bool;
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn run(self) -> bool {
        let Finite { matrix, rows, columns } = self;
        // `x - x` is 0 if `x` is finite, and NaN otherwise. Unlike `0 · x`, it is not slower for subnormal numbers.
        let mut lanes = [T::zero(); LANES];
        for row in 0..rows {
            if matrix.strides[1] != 1 {
                (0..columns).map(|column| matrix.at(row, column)).for_each(|x| lanes[0] += x - x);
                continue;
            }
            let (chunks, rest) = matrix.data[matrix.place(row, 0)..][..columns].as_chunks::<LANES>();
            for chunk in chunks {
                for (lane, &x) in lanes.iter_mut().zip(chunk) {
                    *lane += x - x;
                }
            }
            let (vectors, rest) = rest.as_chunks::<VECTOR>();
            for vector in vectors {
                for (lane, &x) in lanes.iter_mut().zip(vector) {
                    *lane += x - x;
                }
            }
            lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += x - x);
        }
        lanes.into_iter().fold(T::zero(), |total, x| total + x) == T::zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    /// A row that is read twice.
    fn repeated(length: usize) -> Layout {
        Layout::new([2, length].into(), [0, 1].into_iter().collect(), 0)
    }

    #[test]
    fn a_single_non_finite_element_is_found_at_every_position() {
        for length in [1, LANES - 1, LANES, 3 * LANES + 5, CHUNK + 1] {
            let numbers: Vec<f32> = (0..length).map(|k| [f32::MAX, -1.0, 1e-40, 0.0][k % 4]).collect();
            let layouts = [Layout::row_major([length].into()), repeated(length)];
            assert!(all_finite(View::new(&numbers, &layouts[0])), "{length}");
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for place in [0, length / 2, length - 1] {
                    let mut numbers = numbers.clone();
                    numbers[place] = bad;
                    for layout in &layouts {
                        assert!(!all_finite(View::new(&numbers, layout)), "{bad} at {place} of {length}");
                    }
                }
            }
        }
        assert!(all_finite::<f64>(View::new(&[], &Layout::row_major([0].into()))));
    }

    #[test]
    fn only_the_elements_of_the_rows_count() {
        let (rows, columns) = (3, LANES + VECTOR + 3);
        for strides in [[columns + 2, 1], [1, rows + 2]] {
            let size = (rows - 1) * strides[0] + (columns - 1) * strides[1] + 1;
            for place in 0..size {
                let mut data = vec![1f32; size];
                data[place] = f32::INFINITY;
                let matrix = Matrix { data: &data, start: 0, strides: strides.map(|stride| stride as isize) };
                let inside = (0..rows).any(|row| (0..columns).any(|column| matrix.place(row, column) == place));
                assert_eq!(rows_are_finite(&matrix, [rows, columns]), !inside, "{strides:?}, {place}");
            }
        }
    }
}
