//! The loop in which an optimizer updates the elements of a parameter.

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_chunks_with;
use crate::storage::Buffer;

/// The formula by which an optimizer updates one element of a parameter, given the gradient and the `S` states of that
/// element (at most four).
pub trait Update<const S: usize>: Copy + Sync {
    /// The new parameter and states. A state that comes out subnormal is set to zero.
    fn element<T: Float>(&self, parameter: T, gradient: T, states: [T; S]) -> (T, [T; S]);
}

/// Elements per task: fewer than elsewhere, because optimizers divide and take square roots.
pub(crate) const CHUNK: usize = 8 << 10;

/// The parameter after one step, in which `rule` is applied to every element. The states are updated in place.
pub(crate) fn run<T: Float, const S: usize, U: Update<S>>(
    parameter: &[T],
    gradient: &[T],
    states: [&mut [T]; S],
    rule: &U,
) -> Buffer {
    let mut out = Buffer::new::<T>(parameter.len());
    for_chunks_with(out.as_mut_slice::<T>(), states, CHUNK, |start, out, states| {
        let range = start..start + out.len();
        let (before, gradient) = (&parameter[range.clone()], &gradient[range]);
        vectorized(Elements { out, before, gradient, states, rule: *rule });
    });
    out
}

struct Elements<'a, T, const S: usize, U> {
    out: &'a mut [T],
    before: &'a [T],
    gradient: &'a [T],
    states: [&'a mut [T]; S],
    /// By value: behind a reference that might alias `out`, its numbers would be reloaded for each element and, because
    /// they are float64, halve the length of float32 vectors.
    rule: U,
}

impl<T: Float, const S: usize, U: Update<S>> Loop for Elements<'_, T, S, U> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        const { assert!(S <= 4, "an update has at most four states") };
        let Elements { out, before, gradient, states, rule } = self;
        let length = out.len();
        let (before, gradient) = (&before[..length], &gradient[..length]);
        let mut states = states.into_iter().map(|state| &mut state[..length]);
        let [a, b, c, d] = std::array::from_fn(|_| states.next().unwrap_or_default());
        elements(out, before, gradient, a, b, c, d, rule);
    }
}

/// The loop over all elements. Each slice is a separate argument, so the compiler knows that the slices do not alias.
/// In an array, it would also check the bounds of each element.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn elements<T: Float, const S: usize, U: Update<S>>(
    out: &mut [T],
    before: &[T],
    gradient: &[T],
    a: &mut [T],
    b: &mut [T],
    c: &mut [T],
    d: &mut [T],
    rule: U,
) {
    for k in 0..out.len() {
        let mut states = [T::zero(); S];
        if S > 0 {
            states[0] = a[k];
        }
        if S > 1 {
            states[1] = b[k];
        }
        if S > 2 {
            states[2] = c[k];
        }
        if S > 3 {
            states[3] = d[k];
        }
        let (new, after) = rule.element(before[k], gradient[k], states);
        out[k] = new;
        if S > 0 {
            a[k] = normal(after[0]);
        }
        if S > 1 {
            b[k] = normal(after[1]);
        }
        if S > 2 {
            c[k] = normal(after[2]);
        }
        if S > 3 {
            d[k] = normal(after[3]);
        }
    }
}

/// Flushes subnormal numbers to zero. A decaying mean ends in them; arithmetic with them is slower, on some processors
/// many times, and their contribution to a step is nothing.
#[inline(always)]
fn normal<T: Float>(x: T) -> T {
    if x.abs() < T::min_positive_value() { T::zero() } else { x }
}
