//! What all optimizers share: checks, states, learning rates.

use autograd::Variable;
use optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Lamb, Muon, Nadam, Optimizer, OptimizerState, RmsProp, Sgd,
};
use tensor::{DType, Tensor, tensor};

fn message(result: tensor::Result<()>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn momentum_is_the_chapters() {
    let w = Variable::new(tensor![1.0]);
    let mut optimizer = Sgd::new(0.1).momentum(0.5);
    for _ in 0..2 {
        optimizer.apply(std::slice::from_ref(&w), &[tensor![1.0]]).unwrap();
    }
    // Velocities -0.1 and 0.5 · -0.1 - 0.1.
    assert!((w.value().item().unwrap() - 0.75).abs() < 1e-6);
}

#[test]
fn hyperparameters_out_of_range_are_errors_that_name_them() {
    let cases: [(Box<dyn Optimizer>, &str); 8] = [
        (Box::new(Sgd::new(f64::NAN)), "sgd: learning_rate is NaN; it must be a finite number of at least 0"),
        (Box::new(Adam::new(-0.5)), "adam: learning_rate is -0.5; it must be a finite number of at least 0"),
        (
            Box::new(Adagrad::new(f64::INFINITY)),
            "adagrad: learning_rate is inf; it must be a finite number of at least 0",
        ),
        (Box::new(Sgd::new(0.1).momentum(1.5)), "sgd: momentum is 1.5; it must be a number from 0 to 1"),
        (
            Box::new(Adam::new(0.1).beta_2(1.0)),
            "adam: beta_2 is 1.0; it must be a number from 0 up to but not including 1",
        ),
        (
            Box::new(Adam::new(0.1).epsilon(-1.0)),
            "adam: epsilon is -1.0; it must be a finite number of at least 1.2e-38, to prevent a division by zero",
        ),
        (
            Box::new(RmsProp::new(0.1).rho(f64::NAN)),
            "rmsprop: rho is NaN; it must be a number from 0 up to but not including 1",
        ),
        (
            Box::new(Adagrad::new(0.1).initial_accumulator_value(-1.0)),
            "adagrad: initial_accumulator_value is -1.0; it must be a finite number of at least 0",
        ),
    ];
    for (mut optimizer, expected) in cases {
        let w = Variable::new(tensor![1.0]);
        assert_eq!(message(optimizer.validate()), expected);
        assert_eq!(message(optimizer.apply(std::slice::from_ref(&w), &[tensor![1.0]])), expected);
        assert_eq!(w.value().item().unwrap(), 1.0);
    }
}

/// With ε = 0 the step of a weight whose gradient has always been 0 would be 0/0.
#[test]
fn every_epsilon_prevents_a_division_by_zero() {
    type WithEpsilon = fn(f64) -> Box<dyn Optimizer>;
    let optimizers: [WithEpsilon; 14] = [
        |epsilon| Box::new(Adagrad::new(0.1).initial_accumulator_value(0.0).epsilon(epsilon)),
        |epsilon| Box::new(Adagrad::new(0.1).initial_accumulator_value(0.0).epsilon_outside_root(epsilon)),
        |epsilon| Box::new(Adadelta::new(0.1).epsilon(epsilon)),
        |epsilon| Box::new(RmsProp::new(0.1).epsilon(epsilon)),
        |epsilon| Box::new(RmsProp::new(0.1).centered().epsilon_outside_root(epsilon)),
        |epsilon| Box::new(Adam::new(0.1).epsilon(epsilon)),
        |epsilon| Box::new(Adam::new(0.1).amsgrad().corrected_epsilon(epsilon)),
        |epsilon| Box::new(AdamW::new(0.1).epsilon(epsilon)),
        |epsilon| Box::new(Adamax::new(0.1).epsilon(epsilon)),
        |epsilon| Box::new(Adamax::new(0.1).epsilon_inside_maximum(epsilon)),
        |epsilon| Box::new(Nadam::new(0.1).epsilon(epsilon)),
        |epsilon| Box::new(Lamb::new(0.1).epsilon(epsilon)),
        |epsilon| Box::new(Muon::new(0.1).epsilon(epsilon)),
        |epsilon| Box::new(Adafactor::new(0.1).epsilon_1(epsilon)),
    ];
    for optimizer in optimizers {
        for refused in [0.0, -1e-7, 1e-50, f64::NAN, f64::INFINITY] {
            let error = message(optimizer(refused).validate());
            let end = format!(
                " is {refused:?}; it must be a finite number of at least 1.2e-38, to prevent a division by zero"
            );
            assert!(error.contains(": epsilon") && error.ends_with(&end), "{error}");
        }
        let mut optimizer = optimizer(f64::from(f32::MIN_POSITIVE));
        let w = [Variable::new(tensor![1.0, -2.0])];
        for _ in 0..3 {
            optimizer.apply(&w, &[tensor![0.0, 0.0]]).unwrap();
        }
        assert!(w[0].value().all_finite(), "{}: {}", optimizer.name(), w[0].value());
    }
}

#[test]
fn invalid_learning_rates_are_not_set() {
    let w = Variable::new(tensor![1.0]);
    let mut optimizer: Box<dyn Optimizer> = Box::new(Sgd::default());
    assert_eq!(optimizer.learning_rate(), 0.01);
    optimizer.set_learning_rate(0.25).unwrap();
    let expected = "sgd: learning_rate is -1.0; it must be a finite number of at least 0";
    assert_eq!(message(optimizer.set_learning_rate(-1.0)), expected);
    optimizer.apply(std::slice::from_ref(&w), &[tensor![1.0]]).unwrap();
    assert_eq!(w.value().item().unwrap(), 0.75);
}

#[test]
fn invalid_arguments_are_errors_and_change_nothing() {
    let variables =
        [Variable::new(tensor![1.0, 2.0]).with_name("kernel"), Variable::new(tensor![3.0]).with_name("bias")];
    let mut optimizer = Adam::default();
    let mut apply = |gradients: &[Tensor]| message(optimizer.apply(&variables, gradients));
    let good = tensor![1.0, 1.0];
    assert_eq!(
        apply(std::slice::from_ref(&good)),
        "adam: apply: 2 variables need 2 gradients, not 1; bias is the first without one"
    );
    assert_eq!(apply(&[good.clone(), tensor![1.0], tensor![1.0]]), "adam: apply: 2 variables need 2 gradients, not 3");
    assert_eq!(
        apply(&[good.clone(), good.clone()]),
        "adam: bias: apply: shape [2]: the gradient must have that of the variable, [1]"
    );
    let doubled = apply(&[good.clone(), tensor![1.0].cast(DType::F64)]);
    assert!(doubled.starts_with("adam: bias: apply: ") && doubled.contains("float64"), "{doubled}");
    let twice = [variables[0].clone(), variables[0].clone()];
    assert_eq!(
        message(optimizer.apply(&twice, &[good.clone(), good])),
        "adam: kernel: apply: the variable is given twice; it takes one gradient, the sum"
    );
    assert_eq!(variables[0].value().to_vec::<f32>().unwrap(), [1.0, 2.0]);
    let count = Variable::new(tensor![1]).with_name("count");
    let error = message(optimizer.apply(std::slice::from_ref(&count), &[tensor![1]]));
    assert!(error.starts_with("adam: count: apply: ") && error.contains("floating"), "{error}");
}

#[test]
fn states_are_dropped_with_their_variable() {
    let mut optimizer = Adam::default();
    let kept = Variable::new(tensor![1.0]);
    optimizer.apply(&[kept.clone(), Variable::new(tensor![1.0])], &[tensor![1.0], tensor![1.0]]).unwrap();
    assert_eq!(optimizer.base().states().len(), 2);
    let stepped =
        |optimizer: &Adam| -> Vec<u32> { optimizer.base().states().variables().iter().map(Variable::id).collect() };
    assert_eq!(stepped(&optimizer), [kept.id()]);
    let new = Variable::new(tensor![1.0]);
    optimizer.apply(&[new.clone(), kept.clone()], &[tensor![1.0], tensor![1.0]]).unwrap();
    assert_eq!(optimizer.base().states().len(), 2);
    assert_eq!(stepped(&optimizer), [kept.id(), new.id()]);
}

#[test]
fn states_are_cast_with_their_variable() {
    let w = [Variable::new(tensor![1.0])];
    let mut optimizer = Sgd::new(0.5).momentum(0.5);
    optimizer.apply(&w, &[tensor![1.0]]).unwrap();
    w[0].cast(DType::F64).unwrap();
    optimizer.apply(&w, &[tensor![1.0].cast(DType::F64)]).unwrap();
    assert_eq!(w[0].value().to_vec::<f64>().unwrap(), [1.0 - 0.5 - 0.75]);
}

#[test]
fn each_variable_has_its_own_step_count() {
    let (first, second) = (Variable::new(tensor![0.0]), Variable::new(tensor![0.0]));
    let mut optimizer = Adam::new(0.1);
    for _ in 0..3 {
        optimizer.apply(std::slice::from_ref(&first), &[tensor![1.0]]).unwrap();
    }
    optimizer.apply(&[first, second.clone()], &[tensor![1.0], tensor![1.0]]).unwrap();
    // The first step of Adam is the learning rate, whatever the size of the gradient.
    assert!((second.value().item().unwrap() + 0.1).abs() < 1e-5);
}

#[test]
fn a_state_that_does_not_match_is_an_error() {
    let w = [Variable::new(tensor![1.0, 2.0]).with_name("w")];
    let mut adam = Adam::default();
    let empty = OptimizerState { learning_rate: Some(0.1), steps: 0, variables: vec![] };
    assert_eq!(message(adam.restore(&w, empty)), "adam: restore: the optimizer is given 1 variables, the state has 0");
    let mut momentum = Sgd::new(0.1).momentum(0.9);
    momentum.apply(&w, &[tensor![1.0, 1.0]]).unwrap();
    let state = momentum.state(&w);
    let expected = r#"adam: w: restore: the state has ["velocity"]; the optimizer needs ["momentum", "velocity"]"#;
    assert_eq!(message(adam.check_state(&w, &state)), expected);
    assert_eq!(message(adam.restore(&w, state.clone())), expected);
    assert!(Sgd::new(0.1).momentum(0.9).check_state(&w, &state).is_ok());
    let other = [Variable::new(tensor![1.0]).with_name("other")];
    assert_eq!(
        message(momentum.restore(&other, state)),
        "sgd: other: velocity: restore: shape [2]: must be that of the variable, [1]"
    );
}
