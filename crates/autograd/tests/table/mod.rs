//! The one table of cases: every operation with its attributes and how to draw operands for it.
//!
//! Golden values call `apply` with the attributes of the file; property tests draw operands and
//! attributes first. An operation that is not here fails the test of completeness in `rules.rs`.

mod rows;
mod sampler;

use autograd::Result;
use autograd::tensor::Tensor;
use serde_json::Value;

pub use rows::rows;
pub use sampler::Sampler;

/// One operation: its name as in `golden/ops.json` where it has cases there.
pub struct Row {
    /// The name.
    pub name: &'static str,
    /// The operation, given its attributes.
    pub apply: fn(&[Tensor], &Value) -> Result<Tensor>,
    /// Draws operands, away from kinks, and attributes.
    pub sample: fn(&mut Sampler) -> Sample,
}

/// Operands and attributes; `None` where the drawn shape does not suit the operation.
pub type Sample = Option<(Vec<Tensor>, Value)>;
