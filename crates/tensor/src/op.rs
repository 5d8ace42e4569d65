//! An operation, as data: one enum, nested by family.
//!
//! A family's enum, its checks and the methods of [`Tensor`] that build it stand in one file of [`ops`](crate::ops).

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::ops::{
    Binary, Conv, Fused, Index, Linalg, Logic, Matmul, Movement, Normalize, Pool, Recurrent, Reduce, Scan, Split,
    Unary, UnaryGradient,
};
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
    /// Comparisons and other questions, element by element, whose answers are truth values.
    Logic(Logic),
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

/// What every family has, from one list, so that none is left out.
macro_rules! families {
    ($($family:ident),+) => {
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

            /// The families, and the names of all their operations except those that users define. A test that
            /// must cover all operations compares with this.
            pub fn families() -> Vec<(&'static str, &'static [&'static str])> {
                vec![$((stringify!($family), $family::NAMES)),+]
            }
        }
    };
}

families!(
    Unary,
    UnaryGradient,
    Binary,
    Logic,
    Reduce,
    Matmul,
    Conv,
    Pool,
    Movement,
    Index,
    Fused,
    Scan,
    Split,
    Normalize,
    Recurrent,
    Linalg
);
