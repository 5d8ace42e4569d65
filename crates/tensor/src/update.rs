//! Parameter updates, which are not operations and are never recorded.

use crate::dtype::with_float;
use crate::error::{Error, Result};
pub use crate::kernels::update::Update;
use crate::kernels::update::run;
use crate::profile;
use crate::tensor::Tensor;

/// Applies `rule` to every element and returns the new parameter. The states are updated in place unless their storage
/// is shared. The old parameter is unchanged, so other threads may still read it.
///
/// # Errors
/// Returns an error, and changes nothing, if shapes or element types differ or the type is not floating-point.
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
    let buffer = with_float!(parameter.dtype(), T => {
        let (before, gradient) = (parameter.elements::<T>(), gradient.elements::<T>());
        run(&before, &gradient, states.map(|state| state.as_mut_slice::<T>()), rule)
    }, else return Err(Error::dtype("update", parameter.dtype(), "a floating type")));
    let new = Tensor::from_buffer(buffer, parameter.shape().clone());
    if let Some(watch) = watch {
        watch.end_update(&new, S);
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{DType, Float};
    use crate::kernels::update::CHUNK;

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
        let address = v.typed::<f32>().data.as_ptr();
        let p2 = update(&p1, &g, [&mut v], &Momentum).unwrap();
        assert_eq!(v.typed::<f32>().data.as_ptr(), address);
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

    /// A rule that makes each state the sum of everything before it, to show that no argument is out of place.
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

    /// Checks the parameter and the states after an update by [`Sums`], for several lengths.
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
    fn updates_work_for_every_number_of_states_and_any_length() {
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
