//! Every case of `ops.json`, `linalg.json` and `recurrent.json`: values, gradients and second derivatives from PyTorch.

use autograd::tensor::{DType, Tensor};
use autograd::{GradientOptions, GradientTape, Result, Unconnected};
use serde_json::Value;

use crate::table;

/// Relative to `max(1, |expected|)`; the values are exact for float64.
const TOLERANCE: f64 = 1e-9;

/// PyTorch limits the gradient to 1e12 for a probability of exactly 0 or 1. No operation here does: the losses clip the
/// probabilities, as in Keras.
const ELSEWHERE: [&str; 1] = ["bce_probs/clipped_torch"];

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        Some("nan") => f64::NAN,
        Some(other) => panic!("no number: {other}"),
        None => value.as_f64().expect("a number"),
    }
}

fn tensor(value: &Value) -> Tensor {
    let shape: Vec<usize> =
        value["shape"].as_array().expect("a shape").iter().map(|n| n.as_u64().expect("a size") as usize).collect();
    let data = value["data"].as_array().expect("data");
    match value["dtype"].as_str() {
        Some("int64") => Tensor::from_vec(data.iter().map(|x| x.as_i64().expect("an integer")).collect(), shape),
        Some("bool") => Tensor::from_vec(data.iter().map(|x| x.as_bool().expect("a truth value")).collect(), shape),
        _ => Tensor::from_vec(data.iter().map(number).collect(), shape),
    }
    .expect("a tensor")
}

/// Describes the differences, if there are any.
fn difference(what: &str, found: &Tensor, expected: &Value) -> Option<String> {
    let expected = tensor(expected);
    if found.shape() != expected.shape() {
        return Some(format!("{what}: shape {} instead of {}", found.shape(), expected.shape()));
    }
    let (found, expected) = (found.cast(DType::F64), expected.cast(DType::F64));
    let pairs = found.to_vec::<f64>().ok()?.into_iter().zip(expected.to_vec::<f64>().ok()?);
    pairs.enumerate().find_map(|(k, (found, expected))| {
        let same = found == expected || (found.is_nan() && expected.is_nan());
        let close = (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0);
        (!same && !close).then(|| format!("{what}[{k}]: {found} instead of {expected}"))
    })
}

fn check(case: &Value, row: &table::Row) -> Result<Option<String>> {
    let inputs: Vec<Tensor> = case["inputs"].as_array().expect("inputs").iter().map(tensor).collect();
    let attrs = &case["attrs"];
    let output = (row.apply)(&inputs, attrs)?;
    if let Some(message) = difference("output", &output, &case["output"]) {
        return Ok(Some(message));
    }
    if case["grads"].is_null() {
        return Ok(None);
    }
    let differentiated: Vec<usize> =
        (0..inputs.len()).filter(|&k| !case["grads"][k].is_null() && inputs[k].dtype().is_float()).collect();
    let sources: Vec<Tensor> = differentiated.iter().map(|&k| inputs[k].clone()).collect();
    let zeros = || GradientOptions::default().unconnected(Unconnected::Zeros);

    // Double backward: the gradients of s = Σ gradient · direction for inputs and cotangent.
    let cotangent = tensor(&case["cotangent"]);
    let second = &case["second"];
    let outer = GradientTape::new();
    sources.iter().for_each(|source| outer.watch(source));
    outer.watch(&cotangent);
    let inner = GradientTape::new();
    sources.iter().for_each(|source| inner.watch(source));
    let output = (row.apply)(&inputs, attrs)?;
    let gradients = inner.gradient_with(&output, &sources, zeros().output_gradient(&cotangent))?;
    for (&k, gradient) in differentiated.iter().zip(&gradients) {
        if let Some(message) = difference(&format!("gradient {k}"), gradient, &case["grads"][k]) {
            return Ok(Some(message));
        }
    }
    if second.is_null() {
        return Ok(None);
    }
    let mut sum = Tensor::full_of([], 0.0, DType::F64);
    for (&k, gradient) in differentiated.iter().zip(&gradients) {
        sum = sum + (gradient * tensor(&second["directions"][k])).sum();
    }
    let mut sources = sources;
    sources.push(cotangent);
    let mut seconds = outer.gradient_with(&sum, &sources, zeros())?;
    let for_cotangent = seconds.pop().expect("one for each source");
    for (&k, gradient) in differentiated.iter().zip(&seconds) {
        if let Some(message) = difference(&format!("second gradient {k}"), gradient, &second["grads"][k]) {
            return Ok(Some(message));
        }
    }
    Ok(difference("derivative along the directions", &for_cotangent, &second["cotangent_grad"]))
}

/// The cases of the files, which PyTorch computed. `make_linalg.py` and `make_recurrent.py` generate two of the files.
const FILES: [&str; 3] = [include_str!("ops.json"), include_str!("linalg.json"), include_str!("recurrent.json")];

fn cases(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).expect("JSON");
    file["cases"].as_array().expect("cases").clone()
}

/// The operation of each case.
pub(crate) fn names() -> Vec<String> {
    let cases = FILES.into_iter().flat_map(cases);
    cases.map(|case| case["op"].as_str().expect("an op").to_string()).collect()
}

#[test]
fn every_case_agrees_with_pytorch() {
    let rows = table::rows();
    let mut failures = Vec::new();
    let mut checked = 0;
    for case in &FILES.into_iter().flat_map(cases).collect::<Vec<_>>() {
        let (name, op) = (case["name"].as_str().expect("a name"), case["op"].as_str().expect("an op"));
        if ELSEWHERE.contains(&name) {
            continue;
        }
        match rows.iter().find(|row| row.name == op) {
            None => failures.push(format!("{name}: no row in the table")),
            Some(row) => match check(case, row) {
                Ok(None) => checked += 1,
                Ok(Some(message)) => failures.push(format!("{name}: {message}")),
                Err(error) => failures.push(format!("{name}: {error}")),
            },
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), failures.len() + checked, failures.join("\n"));
    assert_eq!(checked, 272 + 16 + 6);
}
