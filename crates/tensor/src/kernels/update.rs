//! Elementwise updates of parameters: the one computation that is no operation and is never recorded.

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_chunks_with;
use crate::profile;
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// The formula by which an optimizer changes one element of a parameter, given the gradient and
/// `S` states of that element.
pub trait Update<const S: usize>: Sync {
    /// The new parameter and states. A state that comes out subnormal is set to zero.
    fn element<T: Float>(&self, parameter: T, gradient: T, states: [T; S]) -> (T, [T; S]);
}

/// Elements that one task takes: fewer than elsewhere, as optimizers divide and take roots.
const CHUNK: usize = 8 << 10;

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
        vectorized(Elements { out, before, gradient, states, rule });
    });
    Tensor::from_buffer(out, parameter.shape().clone())
}

struct Elements<'a, T, const S: usize, U> {
    out: &'a mut [T],
    before: &'a [T],
    gradient: &'a [T],
    states: [&'a mut [T]; S],
    rule: &'a U,
}

impl<T: Float, const S: usize, U: Update<S>> Loop for Elements<'_, T, S, U> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let Elements { out, before, gradient, mut states, rule } = self;
        let length = out.len();
        assert!(before.len() == length && gradient.len() == length);
        assert!(states.iter().all(|state| state.len() == length));
        for k in 0..length {
            let (new, after) = rule.element(before[k], gradient[k], std::array::from_fn(|s| states[s][k]));
            out[k] = new;
            for (state, after) in states.iter_mut().zip(after) {
                // A mean that decays ends in subnormal numbers, with which arithmetic is many times
                // slower; their part in a step is nothing.
                state[k] = if after.abs() < T::min_positive_value() { T::zero() } else { after };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn shapes_and_types_are_compared_first() {
        let (p, mut v) = (Tensor::ones([2]), Tensor::zeros([3]));
        let message = update(&p, &Tensor::ones([2]), [&mut v], &Momentum).unwrap_err().to_string();
        assert_eq!(message, "update: shape [3]: must be that of the parameter, [2]");
    }
}
