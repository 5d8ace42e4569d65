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
mod reduce;
mod scan;
mod split;
mod unary;

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

pub use attention::AttentionOptions;
pub use binary::Binary;
pub use conv::{Conv, ConvOptions, Padding, Windows};
pub use fused::Fused;
pub use index::Index;
pub use linalg::Linalg;
pub use matmul::Matmul;
pub use movement::Movement;
pub use pool::{Cells, Pool, PoolOptions};
pub use range::{IntoRange, IntoRanges, Range};
pub use reduce::{Reduce, Reduction};
pub use scan::Scan;
pub use split::Split;
pub use unary::Unary;

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
    /// Several steps in one kernel.
    Fused(Fused),
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

/// What is asked of every family, so that none is left out of the list of names.
macro_rules! families {
    ($($family:ident),+ $(,)?) => {
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
                    $(Op::$family(_) => stringify!($family),)*
                    Op::Custom(_) => "Custom",
                }
            }

            /// The count of its arithmetic, as the module [`profile`](crate::profile) states it.
            pub(crate) fn flops(&self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
                match self {
                    $(Op::$family(op) => op.flops(inputs, outputs),)*
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

families!(Unary, Binary, Reduce, Scan, Matmul, Conv, Pool, Movement, Split, Index, Fused, Linalg);

impl Op {
    /// Computes the outputs without offering them to anybody.
    fn forward(&self, inputs: &[&Tensor]) -> Result<Outputs> {
        match self {
            Op::Scan(op) => op.forward(inputs),
            Op::Linalg(op) => op.forward(inputs),
            Op::Split(op) => op.forward(inputs),
            _ => self.forward_one(inputs).map(|output| SmallVec::from_buf([output])),
        }
    }

    /// As `forward`, for all families whose operations have one output; the first of several.
    fn forward_one(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        match self {
            Op::Unary(op) => op.forward(inputs),
            Op::Binary(op) => op.forward(inputs),
            Op::Reduce(op) => op.forward(inputs),
            Op::Scan(op) => op.forward(inputs).map(|mut outputs| outputs.swap_remove(0)),
            Op::Matmul(op) => op.forward(inputs),
            Op::Conv(op) => op.forward(inputs),
            Op::Pool(op) => op.forward(inputs),
            Op::Movement(op) => op.forward(inputs),
            Op::Split(op) => op.forward(inputs).map(|mut outputs| outputs.swap_remove(0)),
            Op::Index(op) => op.forward(inputs),
            Op::Fused(op) => op.forward(inputs),
            Op::Linalg(op) => op.forward(inputs).map(|mut outputs| outputs.swap_remove(0)),
            Op::Custom(op) => record::no_record(|| op.forward(inputs)).map(|output| output.stop_gradient()),
        }
    }

    /// Whether there may be several outputs.
    fn has_several_outputs(&self) -> bool {
        matches!(self, Op::Scan(_) | Op::Split(_) | Op::Linalg(_))
    }
}

impl From<Unary> for Op {
    fn from(op: Unary) -> Op {
        Op::Unary(op)
    }
}

impl From<Binary> for Op {
    fn from(op: Binary) -> Op {
        Op::Binary(op)
    }
}

impl From<Reduce> for Op {
    fn from(op: Reduce) -> Op {
        Op::Reduce(op)
    }
}

impl From<Scan> for Op {
    fn from(op: Scan) -> Op {
        Op::Scan(op)
    }
}

impl From<Matmul> for Op {
    fn from(op: Matmul) -> Op {
        Op::Matmul(op)
    }
}

impl From<Conv> for Op {
    fn from(op: Conv) -> Op {
        Op::Conv(op)
    }
}

impl From<Pool> for Op {
    fn from(op: Pool) -> Op {
        Op::Pool(op)
    }
}

impl From<Movement> for Op {
    fn from(op: Movement) -> Op {
        Op::Movement(op)
    }
}

impl From<Split> for Op {
    fn from(op: Split) -> Op {
        Op::Split(op)
    }
}

impl From<Index> for Op {
    fn from(op: Index) -> Op {
        Op::Index(op)
    }
}

impl From<Fused> for Op {
    fn from(op: Fused) -> Op {
        Op::Fused(op)
    }
}

impl From<Linalg> for Op {
    fn from(op: Linalg) -> Op {
        Op::Linalg(op)
    }
}

/// Applies an operation: checks shapes and types, runs the kernel, and offers the outputs to the
/// recorders of this thread.
///
/// # Errors
/// Names the operation, the shapes or values concerned, and what would be right.
pub fn apply_all(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Outputs> {
    let op = op.into();
    let mut outputs = profile::observed(&op, inputs, || op.forward(inputs), |outputs| outputs)?;
    record::offer(&op, inputs, &mut outputs);
    Ok(outputs)
}

/// As [`apply_all`], for an operation with one output; of several it returns the first.
///
/// # Errors
/// As [`apply_all`].
pub fn apply(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Tensor> {
    let op = op.into();
    if op.has_several_outputs() {
        return apply_all(op, inputs).map(|mut outputs| outputs.swap_remove(0));
    }
    // Without the list that `apply_all` returns: this is the path of nearly every operation.
    let mut output = profile::observed(&op, inputs, || op.forward_one(inputs), std::slice::from_ref)?;
    record::offer(&op, inputs, std::slice::from_mut(&mut output));
    Ok(output)
}

/// An error unless `axis` is below `rank`: operations are public data, and may come from anywhere.
fn check_axis(axis: usize, rank: usize, operation: &str) -> Result<()> {
    normalize_axis(isize::try_from(axis).unwrap_or(isize::MAX), rank, operation).map(drop)
}

/// The operands of an operation that takes exactly `N`.
fn operands<'a, const N: usize>(inputs: &[&'a Tensor], operation: &str) -> Result<[&'a Tensor; N]> {
    <[&Tensor; N]>::try_from(inputs)
        .map_err(|_| Error::argument(operation, format!("takes {N} operands, not {}", inputs.len())))
}

/// An error unless both operands have the same element type.
fn same_dtype(a: &Tensor, b: &Tensor, operation: &str) -> Result<()> {
    if a.dtype() == b.dtype() { Ok(()) } else { Err(Error::dtypes(operation, a.dtype(), b.dtype())) }
}
