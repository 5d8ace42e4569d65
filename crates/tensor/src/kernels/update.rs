//! In-place elementwise updates: the one computation that is no operation and is never recorded.

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::simd::{Loop, vectorized};
use crate::profile;
use crate::tensor::Tensor;

/// The formula by which an optimizer changes one element of a parameter, given the gradient and
/// `S` states of that element.
pub trait Update<const S: usize>: Sync {
    /// The new parameter and states.
    fn element<T: Float>(&self, parameter: T, gradient: T, states: [T; S]) -> (T, [T; S]);
}

/// Replaces every element of `parameter` and `states` by what `rule` makes of them: in place where
/// nothing else holds them, in a copy otherwise.
///
/// # Errors
/// If shapes or element types differ, or the type is not floating; then nothing was changed.
pub fn update<const S: usize, U: Update<S>>(
    parameter: &mut Tensor,
    gradient: &Tensor,
    states: [&mut Tensor; S],
    rule: &U,
) -> Result<()> {
    for other in states.iter().map(|state| &**state).chain([gradient]) {
        if other.shape() != parameter.shape() {
            let expected = format!("must be that of the parameter, {}", parameter.shape());
            return Err(Error::shape("update", other.shape(), expected));
        }
        if other.dtype() != parameter.dtype() {
            return Err(Error::dtypes("update", parameter.dtype(), other.dtype()));
        }
    }
    let watch = profile::watch();
    with_float!(parameter.dtype(), T => run::<T, S, U>(parameter, gradient, states, rule),
        else return Err(Error::dtype("update", parameter.dtype(), "a floating type")));
    if let Some(watch) = watch {
        watch.end_update(parameter, S);
    }
    Ok(())
}

/// On one thread: whoever calls this holds the parameter locked, and a thread that waits for others
/// may run a task that wants to read it.
fn run<T: Float, const S: usize, U: Update<S>>(
    parameter: &mut Tensor,
    gradient: &Tensor,
    states: [&mut Tensor; S],
    rule: &U,
) {
    let gradient = gradient.elements::<T>();
    let parameter = parameter.as_mut_slice::<T>();
    let states = states.map(|state| state.as_mut_slice::<T>());
    vectorized(Elements { parameter, gradient: &gradient, states, rule });
}

struct Elements<'a, T, const S: usize, U> {
    parameter: &'a mut [T],
    gradient: &'a [T],
    states: [&'a mut [T]; S],
    rule: &'a U,
}

impl<T: Float, const S: usize, U: Update<S>> Loop for Elements<'_, T, S, U> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Elements { parameter, gradient, mut states, rule } = self;
        let length = parameter.len();
        assert!(gradient.len() == length && states.iter().all(|state| state.len() == length));
        for k in 0..length {
            let (new, after) = rule.element(parameter[k], gradient[k], std::array::from_fn(|s| states[s][k]));
            parameter[k] = new;
            for (state, after) in states.iter_mut().zip(after) {
                state[k] = after;
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
    fn elements_and_states_change_in_place_and_other_holders_keep_theirs() {
        let n = 1003;
        let (mut p, mut v) = (Tensor::ones([n]), Tensor::zeros([n]));
        let held = p.clone();
        let g = Tensor::full([n], 0.25);
        update(&mut p, &g, [&mut v], &Momentum).unwrap();
        let address = p.as_slice::<f32>().unwrap().as_ptr();
        update(&mut p, &g, [&mut v], &Momentum).unwrap();
        assert_eq!(p.as_slice::<f32>().unwrap().as_ptr(), address);
        assert_eq!(p.to_vec::<f32>().unwrap(), vec![1.0 - 0.25 - 0.375; n]);
        assert_eq!(v.to_vec::<f32>().unwrap(), vec![0.375; n]);
        assert_eq!(held.to_vec::<f32>().unwrap(), vec![1.0; n]);
    }

    #[test]
    fn shapes_and_types_are_compared_first() {
        let (mut p, mut v) = (Tensor::ones([2]), Tensor::zeros([3]));
        let message = update(&mut p, &Tensor::ones([2]), [&mut v], &Momentum).unwrap_err().to_string();
        assert_eq!(message, "update: shape [3]: must be that of the parameter, [2]");
    }
}
