//! The operations, as data: one enum, nested by family, and the one way to apply them.
//!
//! Each family has a file here with its enum, its checks of shapes and types, and the methods of
//! [`Tensor`] that build it; the file of the same name in the crate `autograd` holds its rules.
//!
//! Matches are exhaustive: an operation without a kernel does not compile.
#![deny(clippy::wildcard_enum_match_arm)]

/// The names of a family: `name` of an operation and the list of all, from one table, so that the
/// list cannot miss a variant that `name` knows.
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

/// Computes the outputs of an operation; nobody is notified.
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

/// The output of an operation that has one; the first output of one that has several.
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
/// Names the operation, the shapes or values concerned, and what would be right.
#[track_caller]
pub fn apply_all(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Outputs> {
    let op = op.into();
    let place = Location::caller();
    let outputs = profile::observed(&op, inputs, || forward(&op, inputs), |outputs| outputs);
    let mut outputs = outputs.map_err(|error| error.at(place))?;
    recorder::notify(&op, inputs, &mut outputs);
    Ok(outputs)
}

/// As [`apply_all`], for an operation with one output; of several it returns the first.
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
    // Without the list that `apply_all` returns: this is the path of nearly every operation.
    let output = profile::observed(&op, inputs, || forward_one(&op, inputs), std::slice::from_ref);
    let mut output = output.map_err(|error| error.at(place))?;
    recorder::notify(&op, inputs, std::slice::from_mut(&mut output));
    Ok(output)
}

/// The two outputs of an operation that has two.
#[track_caller]
fn apply_pair(op: impl Into<Op>, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply_all(op, &[x])?;
    let second = outputs.remove(1);
    Ok((outputs.swap_remove(0), second))
}

/// An error unless `axis` is below `rank`: operations are public data, and may come from anywhere.
#[track_caller]
fn check_axis(axis: usize, rank: usize, operation: &str) -> Result<()> {
    normalize_axis(axis, rank, operation).map(drop)
}

/// The operands of an operation that takes exactly `N`.
#[track_caller]
fn operands<'a, const N: usize>(inputs: &[&'a Tensor], operation: &str) -> Result<[&'a Tensor; N]> {
    <[&Tensor; N]>::try_from(inputs)
        .map_err(|_| Error::argument(operation, format!("takes {N} operands, not {}", inputs.len())))
}

/// An error unless both operands have the same element type.
#[track_caller]
fn same_dtype(a: &Tensor, b: &Tensor, operation: &str) -> Result<()> {
    match (a.dtype(), b.dtype()) {
        (a, b) if a == b => Ok(()),
        // A cast to an integer would lose what is behind the point.
        (a, b) if a.is_float() && !b.is_float() => Err(Error::dtypes(operation, b, a)),
        (a, b) => Err(Error::dtypes(operation, a, b)),
    }
}
