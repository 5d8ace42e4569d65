//! Operations as data: one enum, nested by family.
//!
//! A family's enum, its checks and the methods of [`Tensor`] that build it are in one file of [`ops`](crate::ops).

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::ops::{
    Attention, Binary, Conv, Fused, Index, Linalg, Logic, Matmul, Movement, Normalize, Pool, Recurrent, Reduce, Scan,
    Split, Unary, UnaryGradient,
};
use crate::tensor::Tensor;

/// An operation with all its attributes. Applied to tensors, it gives tensors.
#[derive(Clone, Debug)]
pub enum Op {
    /// Elementwise functions of one operand.
    Unary(Unary),
    /// Gradients of these functions, elementwise.
    UnaryGradient(UnaryGradient),
    /// Elementwise functions of two broadcast operands.
    Binary(Binary),
    /// Comparisons and other elementwise functions whose result is of type bool.
    Logic(Logic),
    /// Reductions along axes, which are removed or get size 1.
    Reduce(Reduce),
    /// Operations along one axis that keep it: cumulative sums, sorting.
    Scan(Scan),
    /// Matrix products.
    Matmul(Matmul),
    /// Convolutions.
    Conv(Conv),
    /// Maxima and averages over windows.
    Pool(Pool),
    /// Moving, repeating and selecting elements without computing: reshape, slice, concat.
    Movement(Movement),
    /// Splitting along one axis.
    Split(Split),
    /// Selecting elements by other tensors: gather, where, one-hot.
    Index(Index),
    /// Normalization to mean 0 and variance 1.
    Normalize(Normalize),
    /// Compositions computed by one kernel.
    Fused(Fused),
    /// Scaled dot-product attention.
    Attention(Attention),
    /// Recurrent layers over whole sequences.
    Recurrent(Recurrent),
    /// Matrix factorizations and linear solvers.
    Linalg(Linalg),
    /// An operation defined elsewhere.
    Custom(Arc<dyn CustomOp>),
}

/// The outputs of an operation. Nearly all operations have one.
pub type Outputs = SmallVec<[Tensor; 1]>;

/// A user-defined operation.
pub trait CustomOp: fmt::Debug + Send + Sync {
    /// The name that tapes and errors show.
    fn name(&self) -> &str;

    /// Computes the result. Operations inside are not recorded.
    ///
    /// # Errors
    /// Returns an error if the inputs are invalid.
    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor>;

    /// Computes the gradient for each input (`None` for no gradient) from the inputs, the output and the gradient of
    /// the output. Uses recorded operations, so the gradient can be differentiated again.
    ///
    /// # Errors
    /// The default implementation returns an error: the operation has no derivative.
    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let _ = (inputs, output, gradient);
        Err(Error::gradient(format!("{} has no derivative", self.name())))
    }
}

/// Generates everything that each family needs from one list, so none can be left out.
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
            /// The operation's name, as shown in errors and tapes.
            pub fn name(&self) -> &str {
                match self {
                    $(Op::$family(op) => op.name(),)+
                    Op::Custom(op) => op.name(),
                }
            }

            /// The name of the operation's family.
            pub(crate) fn family(&self) -> &'static str {
                match self {
                    $(Op::$family(_) => stringify!($family),)+
                    Op::Custom(_) => "Custom",
                }
            }

            /// The number of arithmetic operations, counted as the module [`profile`](crate::profile) describes.
            pub(crate) fn flops(&self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
                match self {
                    $(Op::$family(op) => op.flops(inputs, outputs),)+
                    Op::Custom(_) => 0,
                }
            }

            /// The families and the names of all their operations, except user-defined ones. Tests use the list to
            /// check that they cover all operations.
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
    Attention,
    Recurrent,
    Linalg
);
