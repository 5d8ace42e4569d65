//! Twenty steps of every optimizer.

use autograd::Variable;
use optim::{Adadelta, Adagrad, Adam, AdamW, Adamax, Lion, Nadam, Optimizer, RmsProp, Sgd, VariableState};
use tensor::DType;

use super::{Case, GOLDEN, assert_close, list, tensors};

/// The optimizer of a case; all hyperparameters are those in the file, so that defaults are not
/// compared here.
fn optimizer(case: &Case) -> Box<dyn Optimizer> {
    let number = |key: &str| case.number(key);
    let (name, framework) = case.name().split_once('/').unwrap();
    if framework == "torch" {
        return torch(case, name);
    }
    let rate = number("learning_rate");
    match name {
        "sgd" => Box::new(Sgd::new(rate)),
        "sgd_momentum" => Box::new(Sgd::new(rate).momentum(number("momentum"))),
        "sgd_nesterov" => Box::new(Sgd::new(rate).momentum(number("momentum")).nesterov()),
        "sgd_weight_decay" => Box::new(Sgd::new(rate).weight_decay(number("weight_decay"))),
        "adagrad" => Box::new(
            Adagrad::new(rate)
                .initial_accumulator_value(number("initial_accumulator_value"))
                .epsilon(number("epsilon")),
        ),
        "adadelta" | "adadelta_large" => Box::new(Adadelta::new(rate).rho(number("rho")).epsilon(number("epsilon"))),
        "rmsprop" | "rmsprop_momentum" | "rmsprop_centered" => {
            let rmsprop = RmsProp::new(rate).rho(number("rho")).momentum(number("momentum")).epsilon(number("epsilon"));
            Box::new(if case.is("centered") { rmsprop.centered() } else { rmsprop })
        }
        "adam" | "adam_large" | "adam_weight_decay" | "amsgrad" => {
            let adam = Adam::new(rate).beta_1(number("beta_1")).beta_2(number("beta_2")).epsilon(number("epsilon"));
            let adam = if case.is("amsgrad") { adam.amsgrad() } else { adam };
            Box::new(adam.weight_decay(case.0["attrs"]["weight_decay"].as_f64().unwrap_or(0.0)))
        }
        "adamw" | "adamw_large" => Box::new(
            AdamW::new(rate)
                .beta_1(number("beta_1"))
                .beta_2(number("beta_2"))
                .epsilon(number("epsilon"))
                .weight_decay(number("weight_decay")),
        ),
        "adamax" => {
            Box::new(Adamax::new(rate).beta_1(number("beta_1")).beta_2(number("beta_2")).epsilon(number("epsilon")))
        }
        "nadam" => {
            Box::new(Nadam::new(rate).beta_1(number("beta_1")).beta_2(number("beta_2")).epsilon(number("epsilon")))
        }
        "lion" => Box::new(Lion::new(rate).beta_1(number("beta_1")).beta_2(number("beta_2"))),
        other => panic!("no optimizer for {other}"),
    }
}

fn torch(case: &Case, name: &str) -> Box<dyn Optimizer> {
    let number = |key: &str| case.number(key);
    let (rate, decay) = (number("lr"), number("weight_decay"));
    match name {
        "sgd"
        | "sgd_momentum"
        | "sgd_nesterov"
        | "sgd_weight_decay"
        | "sgd_momentum_weight_decay"
        | "sgd_dampening" => {
            let sgd = Sgd::new(rate).momentum(number("momentum")).dampening(number("dampening")).l2_penalty(decay);
            Box::new(if case.is("nesterov") { sgd.nesterov() } else { sgd })
        }
        "adagrad" => Box::new(
            Adagrad::new(rate)
                .initial_accumulator_value(number("initial_accumulator_value"))
                .epsilon_outside_root(number("eps"))
                .l2_penalty(decay),
        ),
        "rmsprop" | "rmsprop_momentum" | "rmsprop_centered" => {
            let rmsprop = RmsProp::new(rate)
                .rho(number("alpha"))
                .momentum(number("momentum"))
                .epsilon_outside_root(number("eps"))
                .l2_penalty(decay);
            Box::new(if case.is("centered") { rmsprop.centered() } else { rmsprop })
        }
        "adam" | "adam_large" | "adam_weight_decay" | "amsgrad" => {
            let adam = Adam::new(rate)
                .beta_1(number("betas.0"))
                .beta_2(number("betas.1"))
                .corrected_epsilon(number("eps"))
                .l2_penalty(decay);
            Box::new(if case.is("amsgrad") { adam.amsgrad() } else { adam })
        }
        "adamw" | "adamw_large" => Box::new(
            AdamW::new(rate)
                .beta_1(number("betas.0"))
                .beta_2(number("betas.1"))
                .corrected_epsilon(number("eps"))
                .weight_decay(decay),
        ),
        "adamax" => Box::new(
            Adamax::new(rate)
                .beta_1(number("betas.0"))
                .beta_2(number("betas.1"))
                .epsilon_inside_maximum(number("eps"))
                .l2_penalty(decay),
        ),
        "nadam" => Box::new(
            Nadam::new(rate)
                .beta_1(number("betas.0"))
                .beta_2(number("betas.1"))
                .epsilon(number("eps"))
                .momentum_decay(number("momentum_decay"))
                .l2_penalty(decay),
        ),
        "adadelta" => Box::new(Adadelta::new(rate).rho(number("rho")).epsilon(number("eps")).l2_penalty(decay)),
        other => panic!("no optimizer for {other}"),
    }
}

/// Runs all cases in one element type, and interrupts each after 7 steps to continue with a new optimizer
/// from the saved state.
fn compare(dtype: DType, tolerance: f64) {
    let cases = Case::all("optimizers");
    assert_eq!(cases.len(), 38);
    for case in cases {
        let variables: Vec<Variable> = tensors(&GOLDEN["start"], dtype).into_iter().map(Variable::new).collect();
        let mut running = optimizer(&case);
        for (step, (gradients, expected)) in list(&GOLDEN["gradients"]).iter().zip(list(&case.0["params"])).enumerate()
        {
            if step == 7 {
                let state = running.state(&variables);
                assert!(state.variables.iter().flatten().all(|VariableState { steps, .. }| *steps == 7));
                running = optimizer(&case);
                running.restore(&variables, state).unwrap();
            }
            running.apply(&variables, &tensors(gradients, dtype)).unwrap();
            for (variable, expected) in variables.iter().zip(tensors(expected, DType::F64)) {
                let values = variable.value().cast(DType::F64).to_vec::<f64>().unwrap();
                let what = format!("{}, step {step}", case.name());
                assert_close(&values, &expected.to_vec::<f64>().unwrap(), tolerance, &what);
            }
        }
    }
}

#[test]
fn float64_agrees_with_the_references() {
    compare(DType::F64, 1e-13);
}

/// As near as the 20 roundings of the parameter alone may take it, half a unit in the last place each.
/// (Keras' own float32 is off by up to 1.1e-5.)
#[test]
fn float32_differs_by_rounding_only() {
    compare(DType::F32, 20.0 * f64::from(f32::EPSILON) / 2.0);
}

#[test]
fn defaults_are_keras() {
    let keras = |name: &str| {
        let cases = Case::all("optimizers");
        cases.into_iter().find(|case| case.name() == format!("{name}/keras")).unwrap()
    };
    let only_here = ["dampening", "momentum_decay"];
    let defaults: [(&str, Box<dyn Optimizer>); 9] = [
        ("sgd", Box::new(Sgd::default())),
        ("adagrad", Box::new(Adagrad::default())),
        ("adadelta", Box::new(Adadelta::default())),
        ("rmsprop", Box::new(RmsProp::default())),
        ("adam", Box::new(Adam::default())),
        ("adamw", Box::new(AdamW::default())),
        ("adamax", Box::new(Adamax::default())),
        ("nadam", Box::new(Nadam::default())),
        ("lion", Box::new(Lion::default())),
    ];
    for (name, optimizer) in defaults {
        let case = keras(name);
        assert_eq!(optimizer.learning_rate(), case.number("learning_rate"), "{name}");
        for hyperparameter in optimizer.hyperparameters() {
            if !only_here.contains(&hyperparameter.name) {
                assert_eq!(hyperparameter.value, case.number(hyperparameter.name), "{name}, {}", hyperparameter.name);
            }
        }
    }
}
