//! The operations, as data: one enum, nested by family, and the one way to apply them.
//!
//! Each family has a file here with its enum, its checks of shapes and types, and the methods of
//! [`Tensor`] that build it; the file of the same name in the crate `autograd` holds its rules.

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
mod fused;
mod index;
mod linalg;
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

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

pub use attention::AttentionOptions;
pub use binary::Binary;
pub use cell::{Cell, CellActivation, mixed, unroll};
pub use conv::{Conv, ConvOptions, Padding, Windows};
pub use fused::Fused;
pub use index::Index;
pub use linalg::Linalg;
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
use crate::profile;
use crate::record;
use crate::shape::normalize_axis;
use crate::tensor::Tensor;

/// An operation with all its attributes: what, applied to tensors, gives tensors.
#[derive(Clone, Debug)]
pub enum Op {
    /// One operand, element by element.
    Unary(Unary),
    /// Gradients of those, element by element.
    UnaryGradient(UnaryGradient),
    /// Two broadcast operands, element by element.
    Binary(Binary),
    /// Along one or several axes, which vanish or become 1.
    Reduce(Reduce),
    /// Along one axis, which keeps its place: cumulative sums, sorting.
    Scan(Scan),
    /// Products of matrices.
    Matmul(Matmul),
    /// Convolutions.
    Conv(Conv),
    /// Maxima and averages over windows.
    Pool(Pool),
    /// Elements moved, repeated or cut out, but not computed with.
    Movement(Movement),
    /// Pieces along one axis.
    Split(Split),
    /// Elements selected by other tensors.
    Index(Index),
    /// Numbers brought to mean 0 and variance 1.
    Normalize(Normalize),
    /// Several steps in one kernel.
    Fused(Fused),
    /// Whole sequences of recurrent layers.
    Recurrent(Recurrent),
    /// Factors of matrices.
    Linalg(Linalg),
    /// An operation defined elsewhere.
    Custom(Arc<dyn CustomOp>),
}

/// The outputs of an operation; nearly all have one.
pub type Outputs = SmallVec<[Tensor; 1]>;

/// An operation that a user defines.
pub trait CustomOp: fmt::Debug + Send + Sync {
    /// The name under which tapes and errors show it.
    fn name(&self) -> &str;

    /// The result. What is computed in here is not recorded.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs.
    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor>;

    /// The gradient for each input (`None` where there is none), given inputs, output and the
    /// gradient of the output, in operations that can be differentiated again.
    ///
    /// # Errors
    /// By default that the operation has no derivative.
    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let _ = (inputs, output, gradient);
        Err(Error::gradient(format!("{} has no derivative", self.name())))
    }
}

/// What is asked of every family, from one list, so that none is left out: those whose operations have
/// one output, and those with several.
macro_rules! families {
    (one output: $($one:ident),+; several: $($several:ident),+;) => {
        families!(all: $($one),+, $($several),+);

        impl Op {
            /// Computes the outputs without offering them to anybody.
            fn forward(&self, inputs: &[&Tensor]) -> Result<Outputs> {
                match self {
                    $(Op::$several(op) => op.forward(inputs),)+
                    _ => self.forward_one(inputs).map(|output| SmallVec::from_buf([output])),
                }
            }

            /// As `forward`, for all families whose operations have one output; the first of several.
            fn forward_one(&self, inputs: &[&Tensor]) -> Result<Tensor> {
                match self {
                    $(Op::$one(op) => op.forward(inputs),)+
                    $(Op::$several(op) => op.forward(inputs).map(|mut outputs| outputs.swap_remove(0)),)+
                    Op::Custom(op) => record::no_record(|| op.forward(inputs)).map(|output| output.stop_gradient()),
                }
            }

            /// Whether there may be several outputs.
            fn has_several_outputs(&self) -> bool {
                matches!(self, $(Op::$several(_))|+)
            }
        }
    };
    (all: $($family:ident),+) => {
        $(
            impl From<$family> for Op {
                fn from(op: $family) -> Op {
                    Op::$family(op)
                }
            }
        )+

        impl Op {
            /// The operation's name, as errors and tapes print it.
            pub fn name(&self) -> &str {
                match self {
                    $(Op::$family(op) => op.name(),)+
                    Op::Custom(op) => op.name(),
                }
            }

            /// The name of its family.
            pub(crate) fn family(&self) -> &'static str {
                match self {
                    $(Op::$family(_) => stringify!($family),)+
                    Op::Custom(_) => "Custom",
                }
            }

            /// The count of its arithmetic, as the module [`profile`](crate::profile) states it.
            pub(crate) fn flops(&self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
                match self {
                    $(Op::$family(op) => op.flops(inputs, outputs),)+
                    Op::Custom(_) => 0,
                }
            }

            /// The families, and the names of all their operations: every one there is but those
            /// that users define. A test that wants to cover all of them compares with this.
            pub fn families() -> Vec<(&'static str, &'static [&'static str])> {
                vec![$((stringify!($family), $family::NAMES)),+]
            }
        }
    };
}

families! {
    one output: Unary, UnaryGradient, Binary, Reduce, Matmul, Conv, Pool, Movement, Index, Fused;
    several: Scan, Split, Normalize, Recurrent, Linalg;
}

/// Applies an operation: checks shapes and types, runs the kernel, and offers the outputs to the
/// recorders of this thread.
///
/// # Errors
/// Names the operation, the shapes or values concerned, and what would be right.
#[track_caller]
pub fn apply_all(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Outputs> {
    let op = op.into();
    let place = Location::caller();
    let outputs = profile::observed(&op, inputs, || op.forward(inputs), |outputs| outputs);
    let mut outputs = outputs.map_err(|error| error.at(place))?;
    record::offer(&op, inputs, &mut outputs);
    Ok(outputs)
}

/// As [`apply_all`], for an operation with one output; of several it returns the first.
///
/// # Errors
/// As [`apply_all`].
#[track_caller]
pub fn apply(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Tensor> {
    let op = op.into();
    if op.has_several_outputs() {
        return apply_all(op, inputs).map(|mut outputs| outputs.swap_remove(0));
    }
    let place = Location::caller();
    // Without the list that `apply_all` returns: this is the path of nearly every operation.
    let output = profile::observed(&op, inputs, || op.forward_one(inputs), std::slice::from_ref);
    let mut output = output.map_err(|error| error.at(place))?;
    record::offer(&op, inputs, std::slice::from_mut(&mut output));
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
