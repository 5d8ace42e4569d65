//! The one table of cases: every operation with its attributes and how to draw operands for it.
//!
//! Golden values call `apply` with the attributes of the file; property tests draw operands and
//! attributes first.

mod conv;
mod linalg;
mod losses;
mod networks;
mod operands;
mod recurrent;
mod rows;
mod sampler;

use autograd::Result;
use autograd::tensor::Tensor;
use serde_json::Value;

pub(crate) use rows::{families, rows};
pub(crate) use sampler::Sampler;

/// One operation: its name as in `ops.json` where it has cases there.
pub(crate) struct Row {
    /// The name.
    pub(crate) name: &'static str,
    /// The operation, given its attributes.
    pub(crate) apply: fn(&[Tensor], &Value) -> Result<Tensor>,
    /// Draws operands, away from kinks, and attributes.
    pub(crate) sample: fn(&mut Sampler) -> Sample,
}

/// Operands and attributes; `None` where the drawn shape does not suit the operation.
pub(crate) type Sample = Option<(Vec<Tensor>, Value)>;

pub(crate) fn row(
    name: &'static str,
    apply: fn(&[Tensor], &Value) -> Result<Tensor>,
    sample: fn(&mut Sampler) -> Sample,
) -> Row {
    Row { name, apply, sample }
}
