//! What a rule sees in the backward pass.

use smallvec::{SmallVec, smallvec};
use tensor::{Result, Tensor};

use crate::saved::{SavedInput, SavedTensor};

/// The gradients of the inputs of an operation: `None` where there is none, or nobody needs it.
pub(crate) type InputGradients = SmallVec<[Option<Tensor>; 2]>;

/// A recorded operation, and the gradients of its outputs.
#[derive(Clone, Copy)]
pub(crate) struct BackwardContext<'a> {
    pub(crate) inputs: &'a [SavedInput],
    pub(crate) outputs: &'a [SavedTensor],
    /// The gradients of the outputs. At least one is present.
    pub(crate) gradients: &'a [Option<Tensor>],
    /// Whether the gradient of an input is needed.
    pub(crate) needs_gradient: &'a dyn Fn(usize) -> bool,
}

impl BackwardContext<'_> {
    /// The gradient of input `k`, if it is needed.
    pub(super) fn if_needed(self, k: usize, gradient: impl FnOnce() -> Result<Tensor>) -> Result<Option<Tensor>> {
        if (self.needs_gradient)(k) { gradient().map(Some) } else { Ok(None) }
    }

    /// No gradient for any input.
    pub(super) fn none(self) -> InputGradients {
        smallvec![None; self.inputs.len()]
    }

    /// Adds `None` for each input that has no entry yet.
    pub(super) fn fill(self, gradients: &mut InputGradients) {
        while gradients.len() < self.inputs.len() {
            gradients.push(None);
        }
    }
}
