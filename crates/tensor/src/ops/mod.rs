//! Operations as data: one enum, nested by family, and the functions that apply them.
//!
//! Each family has a file here with its enum, its checks of shapes and types, and the methods of [`Tensor`] that build
//! it. The file of the same name in the crate `autograd` holds its differentiation rules.
//!
//! Matches are exhaustive: an operation without a kernel does not compile.
#![deny(clippy::wildcard_enum_match_arm)]

/// Generates `name` and the list of all names from one table, so the list cannot miss a variant.
macro_rules! names {
    ($family:ident: $($variant:pat => $name:expr),+ $(,)?) => {
        impl $family {
            /// The names of all operations of this family.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The operation's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $($variant => $name,)+
                }
            }
        }
    };
}

mod arrange;
mod attention;
mod binary;
mod bytes;
mod cell;
mod conv;
mod einsum;
mod elementwise;
mod fused;
mod index;
mod linalg;
mod logic;
mod matmul;
mod movement;
mod normalize;
mod operators;
mod pool;
mod range;
mod recurrent;
mod reduce;
mod repeated;
mod scan;
mod split;
mod unary;
mod unary_gradient;

use std::panic::Location;

use smallvec::SmallVec;

pub use crate::kernels::recurrent::Cell;
pub use attention::AttentionOptions;
pub use binary::Binary;
pub use cell::{CellActivation, unroll};
pub use conv::{Conv, ConvOptions, Padding, Windows};
pub use fused::Fused;
pub use index::Index;
pub use linalg::Linalg;
pub use logic::Logic;
pub use matmul::Matmul;
pub use movement::Movement;
pub use normalize::{Normalize, magnitudes};
pub use pool::{Cells, Pool, PoolOptions};
pub use range::{IntoRange, IntoRanges, Range};
pub use recurrent::{Recurrent, Sequence, SequenceOperands};
pub use reduce::{Reduce, Reduction};
pub use scan::Scan;
pub use split::Split;
pub use unary::Unary;
pub use unary_gradient::UnaryGradient;

use crate::error::{Error, Result};
pub use crate::op::{CustomOp, Op, Outputs};
use crate::profile;
use crate::recorder;
use crate::shape::normalize_axis;
use crate::tensor::Tensor;

/// Computes the outputs of an operation without notifying recorders.
fn forward(op: &Op, inputs: &[&Tensor]) -> Result<Outputs> {
    Ok(match op {
        Op::Scan(op) => op.forward(inputs)?,
        Op::Split(op) => op.forward(inputs)?,
        Op::Normalize(op) => op.forward(inputs)?,
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
        Op::Scan(_) | Op::Split(_) | Op::Normalize(_) | Op::Recurrent(_) | Op::Linalg(_) => {
            forward(op, inputs).map(|mut outputs| outputs.swap_remove(0))
        }
    }
}

/// Whether an operation may have several outputs.
fn has_several_outputs(op: &Op) -> bool {
    match op {
        Op::Scan(_) | Op::Split(_) | Op::Normalize(_) | Op::Recurrent(_) | Op::Linalg(_) => true,
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
fn apply_pair(op: impl Into<Op>, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply_all(op, &[x])?;
    let second = outputs.remove(1);
    Ok((outputs.swap_remove(0), second))
}

/// Returns an error unless `axis` is below `rank`. Operations are public data, so their attributes may be invalid.
#[track_caller]
fn check_axis(axis: usize, rank: usize, operation: &str) -> Result<()> {
    normalize_axis(axis, rank, operation).map(drop)
}

/// The operands of an operation; an error unless there are exactly `N`.
#[track_caller]
fn operands<'a, const N: usize>(inputs: &[&'a Tensor], operation: &str) -> Result<[&'a Tensor; N]> {
    <[&Tensor; N]>::try_from(inputs)
        .map_err(|_| Error::argument(operation, format!("takes {N} operands, not {}", inputs.len())))
}

/// Returns an error unless both operands have the same element type.
#[track_caller]
fn same_dtype(a: &Tensor, b: &Tensor, operation: &str) -> Result<()> {
    match (a.dtype(), b.dtype()) {
        (a, b) if a == b => Ok(()),
        // A cast of the floating-point operand to an integer would lose its fraction.
        (a, b) if a.is_float() && !b.is_float() => Err(Error::dtypes(operation, b, a)),
        (a, b) => Err(Error::dtypes(operation, a, b)),
    }
}
