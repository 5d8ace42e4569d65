//! Clipping, decays and groups of all optimizers.

use autograd::{GradientTape, Variable};
use optim::schedules::{Cosine, Exponential, Schedule};
use optim::{Adam, Clip, Group, Norm, Optimizer, Sgd};
use tensor::{DType, Tensor, tensor};

use super::{bits, message, zoo};

fn values(variable: &Variable) -> Vec<f32> {
    variable.value().to_vec().unwrap()
}

#[test]
fn a_gradient_without_a_norm_is_an_error_and_changes_nothing() {
    let weights = [Variable::new(tensor![1.0, 2.0]).with_name("kernel"), Variable::new(tensor![3.0]).with_name("bias")];
    let before = bits(&weights);
    let expected = "bias: clip: the gradient has infinite or NaN elements, so its norm cannot be clipped";
    for clip in [Clip::Norm(1.0), Clip::global_norm(1.0)] {
        for bad in [f32::NAN, f32::INFINITY] {
            for optimizer in zoo::optimizers(0.1) {
                let mut optimizer = optimizer.clip(clip);
                let error = message(optimizer.apply(&weights, &[tensor![1.0, 1.0], tensor![bad]]));
                assert_eq!(error, format!("{}: {expected}", optimizer.name()));
                assert_eq!(bits(&weights), before);
                assert!(optimizer.state(&weights).variables.iter().all(Option::is_none));
            }
        }
    }
}

/// One of two tensors has a norm that is NaN or infinite, in either order.
#[test]
fn no_norm_ignores_nan_or_infinity() {
    let weights = [Variable::new(tensor![1.0]), Variable::new(tensor![3.0])];
    for norm in [Norm::L1, Norm::L2, Norm::Max] {
        for bad in [f32::NAN, f32::INFINITY] {
            for gradients in [[tensor![bad], tensor![5.0]], [tensor![5.0], tensor![bad]]] {
                let found = norm.of(&gradients).unwrap();
                assert!(!found.is_finite() && (found.is_nan() || !bad.is_nan()), "{norm:?} of {gradients:?}: {found}");
                let clip = Clip::GlobalNorm { limit: 1.0, norm, epsilon: 0.0 };
                let error = message(Sgd::new(1.0).clip(clip).apply(&weights, &gradients));
                assert!(error.contains("clip: the gradient has infinite or NaN elements"), "{norm:?}: {error}");
                assert_eq!((values(&weights[0]), values(&weights[1])), (vec![1.0], vec![3.0]));
            }
        }
        // A sum that overflows float32 in one tensor does not hide NaN in another.
        let found = norm.of(&[tensor![f32::MAX, f32::MAX], tensor![f32::NAN], tensor![1.0]]).unwrap();
        assert!(found.is_nan(), "{norm:?}: {found}");
    }
}

#[test]
fn gradients_that_are_not_finite_are_never_applied() {
    let weights =
        [Variable::new(tensor![[1.0, 2.0]]).with_name("kernel"), Variable::new(tensor![3.0]).with_name("bias")];
    let before = bits(&weights);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for mut optimizer in zoo::optimizers(0.1) {
            let error = message(optimizer.apply(&weights, &[tensor![[1.0, 1.0]], tensor![bad]]));
            let expected = format!(
                "{}: bias: apply: the gradient has infinite or NaN elements; no variable was changed. A tape with \
                 `detect_anomalies` names the operation that produced them",
                optimizer.name()
            );
            assert_eq!(error, expected);
            assert_eq!(bits(&weights), before);
            assert!(optimizer.state(&weights).variables.iter().all(Option::is_none));
        }
    }
    // Clipping by value makes infinite elements finite.
    let mut clipped = Sgd::new(1.0).clip_value(0.5);
    clipped.apply(&weights, &[tensor![[f32::INFINITY, 0.25]], tensor![f32::NEG_INFINITY]]).unwrap();
    assert_eq!((values(&weights[0]), values(&weights[1])), (vec![0.5, 1.75], vec![3.5]));
    assert!(message(clipped.apply(&weights, &[tensor![[f32::NAN, 0.0]], tensor![0.0]])).starts_with("sgd: kernel: "));
}

#[test]
fn an_invalid_limit_is_an_error() {
    let weights = [Variable::new(tensor![1.0, 1.0])];
    let gradients = [tensor![3.0, 4.0]];
    let l1 = |limit, epsilon| Clip::GlobalNorm { limit, norm: Norm::L1, epsilon };
    for limit in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
        for (clip, name) in [
            (Clip::Value(limit), "clip_value"),
            (Clip::Norm(limit), "clip_norm"),
            (Clip::global_norm(limit), "clip_global_norm"),
            (l1(limit, 0.0), "clip_global_norm"),
        ] {
            let expected = format!("{name} is {limit:?}; it must be a finite number above 0");
            assert_eq!(message(clip.apply(&weights, &gradients)), format!("clip: {expected}"));
            let mut optimizer = Sgd::new(1.0).clip(clip);
            assert_eq!(message(optimizer.validate()), format!("sgd: {expected}"));
            assert_eq!(message(optimizer.apply(&weights, &gradients)), format!("sgd: {expected}"));
        }
    }
    for epsilon in [-1.0, f64::NAN] {
        let expected = format!("clip: clip_epsilon is {epsilon:?}; it must be a finite number of at least 0");
        assert_eq!(message(l1(1.0, epsilon).apply(&weights, &gradients)), expected);
    }
    for clip in [Clip::Value(1.0), Clip::Norm(1.0), Clip::global_norm(1.0)] {
        assert_eq!(message(clip.apply(&weights, &[])), "clip: 1 variables need 1 gradients, not 0");
    }
    assert_eq!(values(&weights[0]), [1.0, 1.0]);
}

/// ‖(3e38, 3e38, …)‖ of 16 elements is 1.2e39, and 4.8e39 for the norm L1: beyond float32, whether they are in one tensor or
/// in many.
#[test]
fn a_norm_that_overflows_the_element_type_is_clipped() {
    let (one, many) = (vec![Tensor::full([16], 3e38)], vec![Tensor::full([1], 3e38); 16]);
    for (norm, expected) in [(Norm::L2, 0.25), (Norm::L1, 1.0 / 16.0), (Norm::Max, 1.0)] {
        for gradients in [&one, &many] {
            let weights: Vec<_> = gradients.iter().map(|x| Variable::new(x.zeros_like())).collect();
            assert!((norm.of(gradients).unwrap() / (3e38 / expected) - 1.0).abs() < 1e-6);
            for limit in [1.0, 1e-3, 1e30] {
                let clip = Clip::GlobalNorm { limit, norm, epsilon: 1e-6 };
                let clipped = clip.apply(&weights, gradients).unwrap();
                let found: Vec<f64> =
                    clipped.iter().flat_map(|x| x.cast(DType::F64).to_vec::<f64>().unwrap()).collect();
                assert!(
                    found.iter().all(|x| (x / (expected * limit) - 1.0).abs() < 1e-6),
                    "{limit:?} {norm:?}: {found:?}"
                );
            }
        }
    }
    let weights = [Variable::new(Tensor::zeros([16]))];
    let clipped = Clip::Norm(1.0).apply(&weights, &one).unwrap();
    assert!(clipped[0].allclose(&Tensor::full([16], 0.25), 1e-6, 0.0).unwrap());
    // Also if it overflows float64.
    let weights = [Variable::new(Tensor::zeros([4]).cast(DType::F64))];
    let clipped = Clip::Norm(1.0).apply(&weights, &[Tensor::from([f64::MAX; 4])]).unwrap();
    assert_eq!(clipped[0].to_vec::<f64>().unwrap(), [0.5; 4]);
}

#[test]
fn norms_neither_overflow_nor_vanish() {
    let weights = [Variable::new(tensor![0.0, 0.0])];
    for scale in [1e30f32, 1e-30] {
        let clip = Clip::global_norm(f64::from(scale));
        let clipped = clip.apply(&weights, &[tensor![3.0 * scale, 4.0 * scale]]).unwrap();
        let clipped: Vec<f32> = clipped[0].to_vec().unwrap();
        assert!(clipped.iter().zip([0.6, 0.8]).all(|(x, expected)| (x / scale - expected).abs() < 1e-6), "{clipped:?}");
    }
}

#[test]
fn the_last_of_several_limits_applies() {
    let weights = [Variable::new(tensor![0.0, 0.0])];
    Sgd::new(1.0).clip_global_norm(1.0).clip_value(3.5).apply(&weights, &[tensor![3.0, 4.0]]).unwrap();
    assert_eq!(values(&weights[0]), [-3.0, -3.5]);
}

#[test]
fn every_optimizer_decays_apart_from_the_gradient() {
    // With a gradient of 0 in the first step no formula changes a variable, so only the decay remains.
    for optimizer in zoo::optimizers(0.5) {
        let weights = [Variable::new(tensor![[1.0, 2.0], [3.0, -4.0]]), Variable::new(tensor![8.0])];
        let mut optimizer = optimizer.weight_decay(0.5);
        optimizer.apply(&weights, &[Tensor::zeros([2, 2]), Tensor::zeros([1])]).unwrap();
        assert_eq!(values(&weights[0]), [0.75, 1.5, 2.25, -3.0], "{}", optimizer.name());
        assert_eq!(values(&weights[1]), [6.0], "{}", optimizer.name());
    }
}

#[test]
fn the_l2_penalty_is_part_of_the_gradient() {
    let (plain, penalized) = (Variable::new(tensor![1.0, -2.0]), Variable::new(tensor![1.0, -2.0]));
    for (a, b) in zoo::optimizers(0.5).into_iter().zip(zoo::optimizers(0.5)) {
        let (mut a, mut b) = (a, b.l2_penalty(0.25));
        for _ in 0..3 {
            let gradient = plain.value().try_mul(0.25).unwrap() + 1.0;
            a.apply(std::slice::from_ref(&plain), &[gradient.stop_gradient()]).unwrap();
            b.apply(std::slice::from_ref(&penalized), &[tensor![1.0, 1.0]]).unwrap();
        }
        assert_eq!(values(&plain), values(&penalized), "{}", a.name());
    }
}

#[test]
fn gradients_are_clipped_before_the_penalty_is_added() {
    let w = [Variable::new(tensor![4.0])];
    Sgd::new(1.0).l2_penalty(0.5).clip_value(1.0).apply(&w, &[tensor![9.0]]).unwrap();
    assert_eq!(values(&w[0]), [4.0 - (1.0 + 2.0)]);
}

#[test]
fn a_variable_belongs_to_the_first_group_that_contains_it() {
    let weights = [
        Variable::new(tensor![[1.0]]).with_name("encoder/kernel"),
        Variable::new(tensor![1.0]).with_name("encoder/bias"),
        Variable::new(tensor![[1.0]]).with_name("head/kernel"),
    ];
    let mut optimizer = Sgd::new(0.5)
        .weight_decay(0.5)
        .group(Group::vectors().weight_decay(0.0))
        .group(Group::named("encoder").learning_rate_factor(0.5).l2_penalty(1.0));
    let gradients = [tensor![[0.5]], tensor![0.5], tensor![[0.5]]];
    optimizer.apply(&weights, &gradients).unwrap();
    // 1 - 1/4 · 1/2 - 1/4 · (1/2 + 1): the rate counts for the decay as well.
    assert_eq!(values(&weights[0]), [0.5]);
    // 1 - 1/2 · 1/2: the second group contains it too.
    assert_eq!(values(&weights[1]), [0.75]);
    // 1 - 1/2 · 1/2 - 1/2 · 1/2.
    assert_eq!(values(&weights[2]), [0.5]);
}

#[test]
fn hyperparameters_out_of_range_are_named() {
    let cases = [
        (
            message(Sgd::new(0.1).weight_decay(-1.0).validate()),
            "sgd: weight_decay is -1.0; it must be a finite number of at least 0",
        ),
        (
            message(Sgd::new(0.1).l2_penalty(f64::NAN).validate()),
            "sgd: l2_penalty is NaN; it must be a finite number of at least 0",
        ),
        (
            message(Sgd::new(0.1).clip_value(0.0).validate()),
            "sgd: clip_value is 0.0; it must be a finite number above 0",
        ),
        (
            message(Sgd::new(0.1).clip_norm(-1.0).validate()),
            "sgd: clip_norm is -1.0; it must be a finite number above 0",
        ),
        (
            message(Adam::new(0.1).clip_global_norm(f64::INFINITY).validate()),
            "adam: clip_global_norm is inf; it must be a finite number above 0",
        ),
        (
            message(
                Adam::new(0.1).group(Group::vectors()).group(Group::vectors().learning_rate_factor(-1.0)).validate(),
            ),
            "adam: group 1: learning_rate_factor is -1.0; it must be a finite number of at least 0",
        ),
        (
            message(Adam::new(Cosine::new(0.1, 0)).validate()),
            "adam: cosine: decay_steps is 0.0; it must be a finite number of at least 1",
        ),
        (
            message(Adam::new(Cosine::new(0.1, 5).alpha(2.0).warm_up(5).scaled(2.0)).validate()),
            "adam: cosine: alpha is 2.0; it must be a number from 0 to 1",
        ),
        (
            message(Adam::new(Cosine::new(0.1, 5).scaled(-2.0)).validate()),
            "adam: scaled: factor is -2.0; it must be a finite number of at least 0",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_schedule_follows_the_number_of_steps() {
    let w = [Variable::new(tensor![0.0])];
    let mut optimizer = Sgd::new(Exponential::new(1.0, 1, 0.5));
    optimizer.apply(&w, &[tensor![1.0]]).unwrap();
    message(optimizer.apply(&w, &[tensor![1.0, 2.0]]));
    assert_eq!(optimizer.learning_rate(), 0.5);
    optimizer.apply(&w, &[tensor![1.0]]).unwrap();
    assert_eq!((values(&w[0]), optimizer.learning_rate()), (vec![-1.5], 0.25));
}

#[test]
fn a_custom_schedule_is_checked_by_the_optimizer() {
    struct Falling;
    impl Schedule for Falling {
        fn name(&self) -> &'static str {
            "falling"
        }
        fn rate(&self, step: u64) -> f64 {
            0.5 - step as f64
        }
        fn hyperparameters(&self) -> Vec<optim::Hyperparameter> {
            vec![]
        }
    }
    let w = [Variable::new(tensor![0.0])];
    let mut optimizer = Sgd::new(Falling);
    optimizer.apply(&w, &[tensor![1.0]]).unwrap();
    let expected = "sgd: learning_rate is -0.5; it must be a finite number of at least 0";
    assert_eq!(message(optimizer.apply(&w, &[tensor![1.0]])), expected);
    assert_eq!(values(&w[0]), [-0.5]);
}

#[test]
fn steps_are_not_recorded() {
    for optimizer in zoo::optimizers(0.1) {
        let mut optimizer = optimizer.weight_decay(0.1).l2_penalty(0.1).clip_global_norm(0.5);
        let w = [Variable::new(tensor![[3.0, 1.0]])];
        let tape = GradientTape::new();
        let loss = w[0].value().square().sum();
        let before = tape.to_dot();
        optimizer.apply(&w, &[tensor![[1.0, 1.0]]]).unwrap();
        assert_eq!(tape.to_dot(), before, "{}", optimizer.name());
        assert_eq!(tape.gradient(&loss, &w[0]).unwrap().to_vec::<f32>().unwrap(), [6.0, 2.0]);
    }
}

#[test]
fn every_optimizer_supports_every_shape_and_type() {
    for dtype in [DType::F32, DType::F64] {
        for mut optimizer in zoo::optimizers(0.1) {
            for shape in [vec![], vec![0], vec![1], vec![0, 3], vec![3, 0], vec![1, 5], vec![5, 1], vec![2, 3, 4]] {
                let w = [Variable::new(Tensor::full_of(shape.as_slice(), 1.0, dtype))];
                let gradient = Tensor::full_of(shape.as_slice(), 0.5, dtype);
                for _ in 0..2 {
                    optimizer.apply(&w, std::slice::from_ref(&gradient)).unwrap();
                }
                let value = w[0].value();
                assert!(value.all_finite() && value.dtype() == dtype, "{}, {shape:?}", optimizer.name());
            }
        }
    }
}

#[test]
fn every_optimizer_reduces_the_loss() {
    for mut optimizer in zoo::optimizers(0.01) {
        let w = [Variable::new(tensor![[3.0, -2.0], [1.0, 0.5]])];
        let loss = || w[0].value().square().sum();
        let start = loss().item().unwrap();
        for _ in 0..50 {
            let tape = GradientTape::new();
            let gradient = tape.gradient(loss(), &w[0]).unwrap();
            optimizer.apply(&w, &[gradient]).unwrap();
        }
        assert!(loss().item().unwrap() < start, "{}", optimizer.name());
    }
}

#[test]
fn builder_methods_between_steps_keep_matching_states() {
    let w = [Variable::new(tensor![0.0])];
    let mut optimizer = optim::RmsProp::new(0.1).momentum(0.9);
    optimizer.apply(&w, &[tensor![1.0]]).unwrap();
    let names = |optimizer: &optim::RmsProp| -> Vec<(String, f64)> {
        let state = optimizer.state(&w).variables.remove(0).unwrap();
        state.states.into_iter().map(|(name, state)| (name, state.item().unwrap())).collect()
    };
    let velocity = names(&optimizer).remove(1);
    assert_eq!(velocity.0, "velocity");
    optimizer = optimizer.centered();
    optimizer.set_learning_rate(0.0).unwrap();
    optimizer.apply(&w, &[tensor![0.0]]).unwrap();
    let now = names(&optimizer);
    assert_eq!(now[1], ("mean".to_owned(), 0.0));
    assert_eq!(now[2].0, "velocity");
    assert!((now[2].1 - 0.9 * velocity.1).abs() < 1e-7);
}
