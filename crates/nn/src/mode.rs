//! The purpose of a forward pass.

/// The purpose of a forward pass. Layers such as dropout behave differently in the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The result is differentiated to update the weights.
    Training,
    /// Only the result is used.
    Inference,
}
