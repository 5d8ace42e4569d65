//! Every optimizer against Keras: `golden/keras.json` holds 20 gradients and the parameters after
//! each step, in float64 and in float32. Cut out of `optimizers.json`, which `make_optimizers.py` made.

use autograd::Variable;
use optim::{Adagrad, Adam, Optimizer, RmsProp, Sgd};
use serde_json::Value;
use tensor::{DType, Tensor};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn optimizer(name: &str, attrs: &Value) -> Box<dyn Optimizer> {
    let number = |key: &str| attrs[key].as_f64().unwrap();
    let rate = number("learning_rate");
    match name {
        "sgd" => Box::new(Sgd::new(rate)),
        "sgd_momentum" => Box::new(Sgd::new(rate).momentum(number("momentum"))),
        "sgd_nesterov" => Box::new(Sgd::new(rate).momentum(number("momentum")).nesterov()),
        "adagrad" => Box::new(
            Adagrad::new(rate)
                .initial_accumulator_value(number("initial_accumulator_value"))
                .epsilon(number("epsilon")),
        ),
        "adam" | "adam_large" | "amsgrad" => {
            let adam = Adam::new(rate).beta_1(number("beta_1")).beta_2(number("beta_2")).epsilon(number("epsilon"));
            Box::new(if name == "amsgrad" { adam.amsgrad() } else { adam })
        }
        "rmsprop" | "rmsprop_momentum" | "rmsprop_centered" => {
            let rmsprop = RmsProp::new(rate).rho(number("rho")).momentum(number("momentum")).epsilon(number("epsilon"));
            Box::new(if name == "rmsprop_centered" { rmsprop.centered() } else { rmsprop })
        }
        other => panic!("no optimizer for {other}"),
    }
}

/// Runs all cases in one element type, interrupting each after 7 steps to go on with a new
/// optimizer from the saved state.
fn compare(dtype: DType, expected: &str, tolerance: f64) {
    let golden: Value = serde_json::from_str(include_str!("golden/keras.json")).unwrap();
    let tensor = |data: &Value, shape: &Value| {
        let shape: Vec<usize> = numbers(shape).iter().map(|&size| size as usize).collect();
        Tensor::from_vec(numbers(data), shape.as_slice()).unwrap().cast(dtype)
    };
    let start = golden["start"].as_array().unwrap();
    let cases = golden["optimizers"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let variables: Vec<Variable> =
            start.iter().map(|start| Variable::new(tensor(&start["data"], &start["shape"]))).collect();
        let mut running = optimizer(name, &case["attrs"]);
        let steps = golden["gradients"].as_array().unwrap().iter().zip(case[expected].as_array().unwrap());
        for (step, (gradients, expected)) in steps.enumerate() {
            if step == 7 {
                let state = running.state(&variables);
                running = optimizer(name, &case["attrs"]);
                running.restore(&variables, state).unwrap();
            }
            let pairs = gradients.as_array().unwrap().iter().zip(start);
            let gradients: Vec<Tensor> = pairs.map(|(data, start)| tensor(data, &start["shape"])).collect();
            running.apply(&variables, &gradients).unwrap();
            for (variable, expected) in variables.iter().zip(expected.as_array().unwrap()) {
                let values = variable.value().cast(DType::F64).to_vec::<f64>().unwrap();
                for (value, expected) in values.iter().zip(numbers(expected)) {
                    let difference = (value - expected).abs();
                    assert!(
                        difference <= tolerance * expected.abs().max(1.0),
                        "{name}, step {step}: {value} instead of {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn float64_is_keras_in_float64() {
    compare(DType::F64, "params", 1e-12);
}

/// Keras' own float32 differs from its float64 by up to 1.1e-5.
#[test]
fn float32_is_keras_within_its_drift() {
    compare(DType::F32, "params_float32", 1.1e-5);
}
