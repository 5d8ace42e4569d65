//! Whether all elements are finite.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_each;
use crate::kernels::update::CHUNK;
use crate::kernels::view::view;
use crate::tensor::Tensor;

/// Partial results kept side by side: enough vectors for no addition to wait for the one before.
const LANES: usize = 64;

/// Whether no element of `x`, whose type must be `T`, is infinite or NaN. A tensor whose elements lie apart is not
/// copied.
pub(crate) fn all_finite<T: Float>(x: &Tensor) -> bool {
    if !x.is_contiguous() {
        return view::<T>(x).iter().all(|x| x.is_finite());
    }
    let elements = x.elements::<T>();
    let elements: &[T] = &elements;
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

    #[test]
    fn one_element_that_is_not_finite_is_found_wherever_it_is() {
        for length in [1, LANES - 1, LANES, 3 * LANES + 5, CHUNK + 1] {
            let numbers: Vec<f32> = (0..length).map(|k| [f32::MAX, -1.0, 1e-40, 0.0][k % 4]).collect();
            assert!(all_finite::<f32>(&Tensor::from(numbers.clone())), "{length}");
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for place in [0, length / 2, length - 1] {
                    let mut numbers = numbers.clone();
                    numbers[place] = bad;
                    let x = Tensor::from(numbers);
                    assert!(!all_finite::<f32>(&x), "{bad} at {place} of {length}");
                    let repeated = x.expand([2, length]).unwrap();
                    assert!(!all_finite::<f32>(&repeated), "{bad} at {place} of {length}, repeated");
                }
            }
        }
        assert!(all_finite::<f64>(&Tensor::from(Vec::<f64>::new())));
    }
}
