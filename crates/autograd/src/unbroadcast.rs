//! The adjoint of broadcasting.

use tensor::{Error, Result, Tensor};

use crate::saved::Spec;

/// Sums a gradient over the axes along which its operand was broadcast, so no rule of an elementwise operation has to.
///
/// # Errors
/// Returns an error if the gradient has a different type than the operand, or a shape to which the operand does not
/// broadcast. Then a rule is wrong, possibly one of a custom operation.
pub(crate) fn unbroadcast(gradient: Tensor, operand: Spec<'_>) -> Result<Tensor> {
    let Spec { shape: to, dtype } = operand;
    if gradient.dtype() != dtype {
        let message = format!("the rule returns {} for an operand of type {dtype}", gradient.dtype());
        return Err(Error::gradient(message));
    }
    if gradient.shape() == to {
        return Ok(gradient);
    }
    let from = gradient.shape();
    let fits = |axis: usize| to[axis] == 1 || to[axis] == from[axis + from.rank() - to.rank()];
    if from.rank() < to.rank() || !(0..to.rank()).all(fits) {
        return Err(Error::gradient(format!("the rule returns shape {from} for an operand of shape {to}")));
    }
    let lead = from.rank() - to.rank();
    let broadcast = |axis: &usize| *axis < lead || (to[axis - lead] == 1 && from[*axis] != 1);
    let axes: Vec<usize> = (0..from.rank()).filter(broadcast).collect();
    gradient.sum_axis(&axes[..])?.reshape(to)
}
