//! Attention: PyTorch packs the projections and does not separate the heads.

use tensor::{Error, Result, Tensor};

use super::modules::{Module, equal_parts};

const PROJECTIONS: [&str; 3] = ["query", "key", "value"];

/// The name in PyTorch of a projection that is not packed, because the widths differ.
fn unpacked_name(part: &str) -> String {
    format!("{}_proj_weight", &part[..1])
}

/// The number of heads and their size, from the shape of `query.kernel`, `[width, heads, key_dim]`.
fn heads(module: &Module) -> Result<[usize; 2]> {
    match module.shape("query.kernel").map(|shape| &shape[..]) {
        Some(&[_, heads, size]) => Ok([heads, size]),
        _ => Err(Error::argument("pytorch", "the layer has no query.kernel with three axes")),
    }
}

pub(super) fn import(module: &Module, take: &mut dyn FnMut(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
    if module.weights.is_empty() {
        return Ok(Vec::new());
    }
    let [heads, size] = heads(module)?;
    let mut ours = Vec::new();
    // `[heads · size, width]` as `[width, heads, size]`.
    let kernel = |weight: &Tensor| {
        let weight = weight.t()?;
        weight.reshape([weight.shape()[0], heads, size])
    };
    let mut take_packed = |name: &str| {
        let parts = take(name).map(|tensor| equal_parts(&tensor, 3)).transpose();
        parts.map_err(|error| error.context(name))
    };
    let (packed, biases) = (take_packed("in_proj_weight")?, take_packed("in_proj_bias")?);
    for (k, part) in PROJECTIONS.into_iter().enumerate() {
        let weight = packed.as_ref().map(|packed| packed[k].clone()).or_else(|| take(&unpacked_name(part)));
        if let Some(weight) = weight {
            ours.push((format!("{part}.kernel"), kernel(&weight)?));
        }
        if let Some(biases) = &biases {
            ours.push((format!("{part}.bias"), biases[k].reshape([heads, size])?));
        }
    }
    if let Some(weight) = take("out_proj.weight") {
        let weight = weight.t()?;
        let width = weight.shape()[weight.rank() - 1];
        ours.push(("output.kernel".to_string(), weight.reshape([heads, size, width])?));
    }
    if let Some(bias) = take("out_proj.bias") {
        ours.push(("output.bias".to_string(), bias));
    }
    Ok(ours)
}

pub(super) fn export(module: &Module, weight: &dyn Fn(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
    if module.weights.is_empty() {
        return Ok(Vec::new());
    }
    let [heads, size] = heads(module)?;
    let all = heads * size;
    let mut theirs = Vec::new();
    let (mut kernels, mut biases) = (Vec::new(), Vec::new());
    for part in PROJECTIONS {
        if let Some(kernel) = weight(&format!("{part}.kernel")) {
            kernels.push(kernel.reshape([kernel.shape()[0], all])?.t()?);
        }
        if let Some(bias) = weight(&format!("{part}.bias")) {
            biases.push(bias.flatten());
        }
    }
    if kernels.first().is_some_and(|query| query.shape()[1] != all) {
        let message =
            format!("{heads} heads of size {size} do not add up to the width of the query, as PyTorch requires");
        return Err(Error::argument("pytorch", message));
    }
    if kernels.iter().all(|kernel| kernel.shape()[1] == all) {
        theirs.push(("in_proj_weight".to_string(), Tensor::concat(&kernels.iter().collect::<Vec<_>>(), 0)?));
    } else {
        theirs.extend(PROJECTIONS.into_iter().map(unpacked_name).zip(kernels));
    }
    if !biases.is_empty() {
        theirs.push(("in_proj_bias".to_string(), Tensor::concat(&biases.iter().collect::<Vec<_>>(), 0)?));
    }
    if let Some(kernel) = weight("output.kernel") {
        theirs.push(("out_proj.weight".to_string(), kernel.reshape([all, kernel.shape()[2]])?.t()?));
    }
    if let Some(bias) = weight("output.bias") {
        theirs.push(("out_proj.bias".to_string(), bias));
    }
    Ok(theirs)
}
