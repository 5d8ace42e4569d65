//! The format of the files, and comparisons with them.

use serde_json::Value;
use tensor::Tensor;

/// Relative to `max(1, |expected|)`.
const TOLERANCE: f64 = 1e-9;

/// The cases of a document.
pub(crate) fn cases(text: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(text).unwrap();
    document["cases"].as_array().unwrap().clone()
}

/// A stored tensor, of int64 or float64.
pub(crate) fn tensor(value: &Value) -> Tensor {
    let shape: Vec<usize> = value["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let data = value["data"].as_array().unwrap();
    if value["dtype"] == "int64" {
        return Tensor::from_vec(data.iter().map(|x| x.as_i64().unwrap()).collect(), shape).unwrap();
    }
    Tensor::from_vec(data.iter().map(|x| x.as_f64().unwrap()).collect(), shape).unwrap()
}

#[track_caller]
pub(crate) fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let (found, expected) = (found.to_vec::<f64>().unwrap(), expected.to_vec::<f64>().unwrap());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= TOLERANCE * expected.abs().max(1.0), "{what}: {found} for {expected}");
    }
}
