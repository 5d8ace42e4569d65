//! Recurrent layers: PyTorch has another order of gates, transposed kernels and two biases.

use tensor::{Error, Result, Tensor};

use super::modules::{Module, equal_parts};

/// The name in PyTorch of the tensor `name`, with the level and the direction of the layer.
fn their_name(module: &Module, name: &str) -> String {
    format!("{name}_l{}{}", module.level, if module.backward { "_reverse" } else { "" })
}

/// Converts the order of the gates, along the first axis, in either direction: the first two gates of a GRU are swapped.
fn swap_gates(module: &Module, tensor: &Tensor) -> Result<Tensor> {
    if module.kind != "Gru" {
        return Ok(tensor.clone());
    }
    let gates = equal_parts(tensor, 3)?;
    Tensor::concat(&[&gates[1], &gates[0], &gates[2]], 0)
}

pub(super) fn import(module: &Module, take: &mut dyn FnMut(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
    let mut ours = Vec::new();
    let mut theirs = |name: &str| -> Result<Option<Tensor>> {
        let name = their_name(module, name);
        let tensor = take(&name).map(|tensor| swap_gates(module, &tensor));
        tensor.transpose().map_err(|error| error.context(name))
    };
    for (name, their_name) in [("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh")] {
        if let Some(weight) = theirs(their_name)? {
            ours.push((name.to_string(), weight.t().map_err(|error| error.context(their_name))?));
        }
    }
    let biases = (theirs("bias_ih")?, theirs("bias_hh")?);
    if let (Some(shape), (Some(input), Some(state))) = (module.shape("bias"), biases) {
        let bias = match (module.kind, shape.rank()) {
            ("Gru", 2) => Tensor::stack(&[&input, &state], 0)?,
            ("Gru", _) => return Err(reset_before()),
            _ => input.try_add(&state)?,
        };
        ours.push(("bias".to_string(), bias));
    }
    Ok(ours)
}

pub(super) fn export(module: &Module, weight: &dyn Fn(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
    let mut theirs = Vec::new();
    let mut push = |name: &str, tensor: &Tensor| -> Result<()> {
        theirs.push((their_name(module, name), swap_gates(module, tensor)?));
        Ok(())
    };
    for (name, their_name) in [("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh")] {
        if let Some(weight) = weight(name) {
            push(their_name, &weight.t()?)?;
        }
    }
    if let Some(bias) = weight("bias") {
        let (input, state) = match (module.kind, bias.rank()) {
            ("Gru", 2) => (bias.at(0, 0)?, bias.at(1, 0)?),
            ("Gru", _) => return Err(reset_before()),
            // PyTorch adds the two biases.
            _ => (bias.clone(), bias.zeros_like()),
        };
        push("bias_ih", &input)?;
        push("bias_hh", &state)?;
    }
    Ok(theirs)
}

fn reset_before() -> Error {
    Error::argument(
        "pytorch",
        "PyTorch has no GRU that applies the reset gate before the product (`Gru::reset_before`)",
    )
}
