//! Whether all elements are finite.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_each;
use crate::kernels::update::CHUNK;
use crate::kernels::view::array_view;
use crate::layout::View;

/// Partial results kept side by side: enough vectors for no addition to wait for the one before.
const LANES: usize = 64;

/// Whether no element of `x` is infinite or NaN. Elements that lie apart are not copied.
pub(crate) fn all_finite<T: Float>(x: View<T>) -> bool {
    let Some(elements) = x.as_slice() else {
        return array_view(x).iter().all(|x| x.is_finite());
    };
    let finite = AtomicBool::new(true);
    // Gradients are checked before an update. Its tasks are the same, so most find in their core's cache what was checked.
    for_each(elements.len().div_ceil(CHUNK), &|k| {
        let part = &elements[k * CHUNK..elements.len().min((k + 1) * CHUNK)];
        if finite.load(Relaxed) && !are_finite(part) {
            finite.store(false, Relaxed);
        }
    });
    finite.into_inner()
}

/// Whether no element of a slice is infinite or NaN.
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
        // `x - x` is 0 for numbers and NaN otherwise. Unlike `0 x` it is as fast for subnormal numbers.
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
    fn one_element_that_is_not_finite_is_found_wherever_it_is() {
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
