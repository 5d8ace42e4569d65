//! Applying an operation, the only way from an [`Op`] to tensors.

use std::panic::Location;

use smallvec::SmallVec;

use crate::error::Result;
use crate::op::{Op, Outputs};
use crate::profile;
use crate::recorder;
use crate::tensor::Tensor;

/// Computes the outputs of an operation without notifying recorders.
fn forward(op: &Op, inputs: &[&Tensor]) -> Result<Outputs> {
    Ok(match op {
        Op::Scan(op) => op.forward(inputs)?,
        Op::Split(op) => op.forward(inputs)?,
        Op::Normalize(op) => op.forward(inputs)?,
        Op::Attention(op) => op.forward(inputs)?,
        Op::Recurrent(op) => op.forward(inputs)?,
        Op::Linalg(op) => op.forward(inputs)?,
        Op::Unary(_)
        | Op::UnaryGradient(_)
        | Op::Binary(_)
        | Op::Logic(_)
        | Op::Reduce(_)
        | Op::Matmul(_)
        | Op::Conv(_)
        | Op::Pool(_)
        | Op::Movement(_)
        | Op::Index(_)
        | Op::Fused(_)
        | Op::Custom(_) => SmallVec::from_buf([forward_one(op, inputs)?]),
    })
}

/// Computes the output of an operation, or the first one of several.
fn forward_one(op: &Op, inputs: &[&Tensor]) -> Result<Tensor> {
    match op {
        Op::Unary(op) => op.forward(inputs),
        Op::UnaryGradient(op) => op.forward(inputs),
        Op::Binary(op) => op.forward(inputs),
        Op::Logic(op) => op.forward(inputs),
        Op::Reduce(op) => op.forward(inputs),
        Op::Matmul(op) => op.forward(inputs),
        Op::Conv(op) => op.forward(inputs),
        Op::Pool(op) => op.forward(inputs),
        Op::Movement(op) => op.forward(inputs),
        Op::Index(op) => op.forward(inputs),
        Op::Fused(op) => op.forward(inputs),
        Op::Custom(op) => recorder::no_record(|| op.forward(inputs)).map(|output| output.stop_gradient()),
        Op::Scan(_) | Op::Split(_) | Op::Normalize(_) | Op::Attention(_) | Op::Recurrent(_) | Op::Linalg(_) => {
            forward(op, inputs).map(|mut outputs| outputs.swap_remove(0))
        }
    }
}

/// Whether an operation may have several outputs.
fn has_several_outputs(op: &Op) -> bool {
    match op {
        Op::Scan(_) | Op::Split(_) | Op::Normalize(_) | Op::Attention(_) | Op::Recurrent(_) | Op::Linalg(_) => true,
        Op::Unary(_)
        | Op::UnaryGradient(_)
        | Op::Binary(_)
        | Op::Logic(_)
        | Op::Reduce(_)
        | Op::Matmul(_)
        | Op::Conv(_)
        | Op::Pool(_)
        | Op::Movement(_)
        | Op::Index(_)
        | Op::Fused(_)
        | Op::Custom(_) => false,
    }
}

/// Applies an operation: checks shapes and types, runs the kernel, and notifies the recorders of the running
/// task.
///
/// # Errors
/// Returns an error if shapes, types or attributes are invalid. It names the operation, the shapes or values involved,
/// and what would be right.
#[track_caller]
pub fn apply_all(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Outputs> {
    let op = op.into();
    let place = Location::caller();
    let outputs = profile::observed(&op, inputs, || forward(&op, inputs), |outputs| outputs);
    let mut outputs = outputs.map_err(|error| error.at(place))?;
    recorder::notify(&op, inputs, &mut outputs);
    Ok(outputs)
}

/// Applies an operation like [`apply_all`] and returns its output, or the first one of several.
///
/// # Errors
/// Returns an error in the same cases as [`apply_all`].
#[track_caller]
pub fn apply(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Tensor> {
    let op = op.into();
    if has_several_outputs(&op) {
        return apply_all(op, inputs).map(|mut outputs| outputs.swap_remove(0));
    }
    let place = Location::caller();
    // Nearly every operation takes this path, so it avoids the list that `apply_all` returns.
    let output = profile::observed(&op, inputs, || forward_one(&op, inputs), std::slice::from_ref);
    let mut output = output.map_err(|error| error.at(place))?;
    recorder::notify(&op, inputs, std::slice::from_mut(&mut output));
    Ok(output)
}

/// Applies an operation with two outputs.
#[track_caller]
pub(super) fn apply_pair(op: impl Into<Op>, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply_all(op, &[x])?;
    let second = outputs.remove(1);
    Ok((outputs.swap_remove(0), second))
}
