//! The one adjoint of broadcasting.

use tensor::{DType, Error, Result, Shape, Tensor};

/// Sums a gradient over the axes along which an operand of shape `to` was repeated, so that no
/// rule of an elementwise operation has to.
///
/// # Errors
/// If the gradient has another type than the operand, or a shape to which that does not broadcast:
/// then a rule is wrong, which a user may have written.
pub(crate) fn unbroadcast(gradient: Tensor, to: &Shape, dtype: DType) -> Result<Tensor> {
    if gradient.dtype() != dtype {
        let message = format!("the rule gives {} for an operand of type {dtype}", gradient.dtype());
        return Err(Error::gradient(message));
    }
    if gradient.shape() == to {
        return Ok(gradient);
    }
    let from = gradient.shape();
    let fits = |axis: usize| to[axis] == 1 || to[axis] == from[axis + from.rank() - to.rank()];
    if from.rank() < to.rank() || !(0..to.rank()).all(fits) {
        return Err(Error::gradient(format!("the rule gives shape {from} for an operand of shape {to}")));
    }
    let lead = from.rank() - to.rank();
    let repeated = |axis: &usize| *axis < lead || (to[axis - lead] == 1 && from[*axis] != 1);
    let axes: Vec<usize> = (0..from.rank()).filter(repeated).collect();
    gradient.sum_axis(&axes[..])?.reshape(to)
}
