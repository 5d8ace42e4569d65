//! Against PyTorch and Keras: `optimizers.json`, made by `make_optimizers.py`, contains their results. Its
//! cases have names such as `adam/keras` and `adam/torch`; all of them are tested.

mod clipping;
mod optimizers;
mod schedules;

use std::sync::LazyLock;

use serde_json::Value;
use tensor::{DType, Tensor};

static GOLDEN: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("optimizers.json")).unwrap());

/// A case, and its attributes by name.
struct Case(&'static Value);

impl Case {
    /// All cases of a kind.
    fn all(kind: &str) -> Vec<Case> {
        list(&GOLDEN[kind]).iter().map(Case).collect()
    }

    fn name(&self) -> &'static str {
        self.0["name"].as_str().unwrap()
    }

    /// An attribute, or one of a list if `key` ends in its index, as `betas.0` does.
    fn number(&self, key: &str) -> f64 {
        let value = match key.split_once('.') {
            Some((key, index)) => &self.0["attrs"][key][index.parse::<usize>().unwrap()],
            None => &self.0["attrs"][key],
        };
        value.as_f64().unwrap_or_else(|| panic!("{} has no number {key}", self.name()))
    }

    fn integer(&self, key: &str) -> u64 {
        self.0["attrs"][key].as_u64().unwrap()
    }

    fn numbers(&self, key: &str) -> Vec<f64> {
        numbers(&self.0["attrs"][key])
    }

    fn integers(&self, key: &str) -> Vec<u64> {
        list(&self.0["attrs"][key]).iter().map(|number| number.as_u64().unwrap()).collect()
    }

    fn is(&self, key: &str) -> bool {
        self.0["attrs"][key].as_bool().unwrap_or(false)
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(|number| number.as_f64().unwrap()).collect()
}

fn tensor(value: &Value, dtype: DType) -> Tensor {
    let shape: Vec<usize> = numbers(&value["shape"]).iter().map(|&size| size as usize).collect();
    Tensor::from_vec(numbers(&value["data"]), shape.as_slice()).unwrap().cast(dtype)
}

fn tensors(values: &Value, dtype: DType) -> Vec<Tensor> {
    list(values).iter().map(|value| tensor(value, dtype)).collect()
}

/// Each within `tolerance` of `max(1, |expected|)`.
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= tolerance * expected.abs().max(1.0), "{what} [{k}]: {found} instead of {expected}");
    }
}
