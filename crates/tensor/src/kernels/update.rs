//! Elementwise updates of parameters: the one computation that is no operation and is never recorded.

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_chunks_with;
use crate::profile;
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// The formula by which an optimizer changes one element of a parameter, given the gradient and
/// `S` states of that element, at most four.
pub trait Update<const S: usize>: Copy + Sync {
    /// The new parameter and states. A state that comes out subnormal is set to zero.
    fn element<T: Float>(&self, parameter: T, gradient: T, states: [T; S]) -> (T, [T; S]);
}

/// Elements that one task takes: fewer than elsewhere, as optimizers divide and take roots.
pub(super) const CHUNK: usize = 8 << 10;

/// The parameter after one step: what `rule` makes of every element. The states change in place where
/// nothing else holds them; the parameter does not, so that others may read it meanwhile.
///
/// # Errors
/// If shapes or element types differ, or the type is not floating; then nothing was changed.
pub fn update<const S: usize, U: Update<S>>(
    parameter: &Tensor,
    gradient: &Tensor,
    states: [&mut Tensor; S],
    rule: &U,
) -> Result<Tensor> {
    for other in states.iter().map(|state| &**state).chain([gradient]) {
        if other.shape() != parameter.shape() {
            let expected = format!("must be that of the parameter, {}", parameter.shape());
            return Err(Error::shape("update", other.shape(), expected));
        }
        if other.dtype() != parameter.dtype() {
            return Err(Error::dtypes("update", other.dtype(), parameter.dtype()));
        }
    }
    let watch = profile::watch();
    let new = with_float!(parameter.dtype(), T => run::<T, S, U>(parameter, gradient, states, rule),
        else return Err(Error::dtype("update", parameter.dtype(), "a floating type")));
    if let Some(watch) = watch {
        watch.end_update(&new, S);
    }
    Ok(new)
}

fn run<T: Float, const S: usize, U: Update<S>>(
    parameter: &Tensor,
    gradient: &Tensor,
    states: [&mut Tensor; S],
    rule: &U,
) -> Tensor {
    let mut out = Buffer::new::<T>(parameter.size());
    let (before, gradient) = (parameter.elements::<T>(), gradient.elements::<T>());
    let states = states.map(|state| state.as_mut_slice::<T>());
    for_chunks_with(out.as_mut_slice::<T>(), states, CHUNK, |start, out, states| {
        let range = start..start + out.len();
        let (before, gradient) = (&before[range.clone()], &gradient[range]);
        vectorized(Elements { out, before, gradient, states, rule: *rule });
    });
    Tensor::from_buffer(out, parameter.shape().clone())
}

struct Elements<'a, T, const S: usize, U> {
    out: &'a mut [T],
    before: &'a [T],
    gradient: &'a [T],
    states: [&'a mut [T]; S],
    /// Its own: numbers that `out` might overlap would be loaded anew for each element, and as they are
    /// float64, vectors of float32 would be half as long.
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

/// The loop over all elements. Slices are arguments of their own, by which the compiler knows that they do
/// not overlap, and not in an array, in which it would check the bounds of each element.
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

/// A mean that decays ends in subnormal numbers, with which arithmetic is slower, on some processors many
/// times; their part in a step is nothing.
#[inline(always)]
fn normal<T: Float>(x: T) -> T {
    if x.abs() < T::min_positive_value() { T::zero() } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    #[derive(Clone, Copy)]
    struct Momentum;

    impl Update<1> for Momentum {
        fn element<T: Float>(&self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
            let v = T::from_f64(0.5) * v + g;
            (p - v, [v])
        }
    }

    #[test]
    fn states_change_in_place_and_other_holders_keep_theirs() {
        let n = 2 * CHUNK + 3;
        let (p, mut v) = (Tensor::ones([n]), Tensor::zeros([n]));
        let held = v.clone();
        let g = Tensor::full([n], 0.25);
        let p1 = update(&p, &g, [&mut v], &Momentum).unwrap();
        let address = v.as_slice::<f32>().unwrap().as_ptr();
        let p2 = update(&p1, &g, [&mut v], &Momentum).unwrap();
        assert_eq!(v.as_slice::<f32>().unwrap().as_ptr(), address);
        assert_eq!(p.to_vec::<f32>().unwrap(), vec![1.0; n]);
        assert_eq!(p1.to_vec::<f32>().unwrap(), vec![1.0 - 0.25; n]);
        assert_eq!(p2.to_vec::<f32>().unwrap(), vec![1.0 - 0.25 - 0.375; n]);
        assert_eq!(v.to_vec::<f32>().unwrap(), vec![0.375; n]);
        assert_eq!(held.to_vec::<f32>().unwrap(), vec![0.0; n]);
    }

    #[test]
    fn states_that_decay_reach_zero() {
        let (p, mut v) = (Tensor::ones([5]), Tensor::full([5], 1e-37));
        let g = Tensor::zeros([5]);
        update(&p, &g, [&mut v], &Momentum).unwrap();
        assert_eq!(v.to_vec::<f32>().unwrap(), [0.5e-37; 5]);
        (0..3).for_each(|_| drop(update(&p, &g, [&mut v], &Momentum).unwrap()));
        assert_eq!(v.to_vec::<f32>().unwrap(), [0.0; 5]);
    }

    /// Sums of what is in front, with states in all places.
    #[derive(Clone, Copy)]
    struct Sums;

    impl<const S: usize> Update<S> for Sums {
        fn element<T: Float>(&self, p: T, g: T, states: [T; S]) -> (T, [T; S]) {
            let mut sum = p - g;
            let add = |state| {
                sum += state;
                sum
            };
            (p - g, states.map(add))
        }
    }

    /// The parameter and the states after an update by [`Sums`] of several lengths.
    fn sums<const S: usize>() {
        for n in [0, 1, 7, 33, CHUNK + 5] {
            let number = |k: usize| (0..n).map(|i| (i % 50 * (k + 3)) as f64).collect::<Vec<_>>();
            for dtype in [DType::F32, DType::F64] {
                let tensor = |k: usize| Tensor::from_vec(number(k), [n]).unwrap().cast(dtype);
                let mut states: [Tensor; S] = std::array::from_fn(|s| tensor(s + 2));
                let after = update(&tensor(0), &tensor(1), states.each_mut(), &Sums).unwrap();
                let mut expected: Vec<f64> = number(0).iter().zip(number(1)).map(|(p, g)| p - g).collect();
                assert_eq!(after.cast(DType::F64).to_vec::<f64>().unwrap(), expected);
                for (s, state) in states.iter().enumerate() {
                    expected.iter_mut().zip(number(s + 2)).for_each(|(sum, state)| *sum += state);
                    assert_eq!(state.cast(DType::F64).to_vec::<f64>().unwrap(), expected, "state {s} of {S}");
                }
            }
        }
    }

    #[test]
    fn every_number_of_states_goes_through_all_lengths() {
        sums::<0>();
        sums::<1>();
        sums::<2>();
        sums::<3>();
        sums::<4>();
    }

    #[test]
    fn shapes_and_types_are_compared_first() {
        let (p, mut v) = (Tensor::ones([2]), Tensor::zeros([3]));
        let message = update(&p, &Tensor::ones([2]), [&mut v], &Momentum).unwrap_err().to_string();
        assert_eq!(message, "update: shape [3]: must be that of the parameter, [2]");
    }
}
