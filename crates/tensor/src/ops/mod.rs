//! Operations as data: one enum, nested by family, and the functions that apply them.
//!
//! Each family has a file here with its enum, its checks of shapes and types, and the methods of
//! [`Tensor`](crate::Tensor) that build it. The file of the same name in the crate `autograd` holds its differentiation
//! rules.
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

mod apply;
mod arrange;
mod attention;
mod binary;
mod cast;
mod cell;
mod checks;
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
mod scan;
mod split;
mod unary;
mod unary_gradient;

pub use crate::kernels::recurrent::Cell;
pub use crate::op::{CustomOp, Op, Outputs};
pub use apply::{apply, apply_all};
pub use attention::{Attention, AttentionOptions, Scoring};
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
