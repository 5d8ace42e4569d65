//! Whether all elements are finite.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_each;
use crate::kernels::update::CHUNK;
use crate::kernels::view::array_view;
use crate::layout::View;

/// Independent partial sums: enough vectors to hide the latency of an addition.
const LANES: usize = 64;

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
    vectorized(Finite(elements))
}

struct Finite<'a, T>(&'a [T]);

impl<T: Float> Loop for Finite<'_, T> {
    type Output = bool;
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn run(self) -> bool {
        let (chunks, rest) = self.0.as_chunks::<LANES>();
        // `x - x` is 0 if `x` is finite, and NaN otherwise. Unlike `0 · x`, it is not slower for subnormal numbers.
        let mut lanes = [T::zero(); LANES];
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += x - x;
            }
        }
        let total = lanes.into_iter().chain(rest.iter().map(|&x| x - x)).fold(T::zero(), |total, x| total + x);
        total == T::zero()
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
}
