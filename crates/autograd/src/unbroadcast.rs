//! The one adjoint of broadcasting.

use tensor::{Result, Shape, Tensor};

/// Sums a gradient over the axes along which an operand of shape `to` was repeated, so that no
/// rule of an elementwise operation has to.
pub(crate) fn unbroadcast(gradient: Tensor, to: &Shape) -> Result<Tensor> {
    if gradient.shape() == to {
        return Ok(gradient);
    }
    let lead = gradient.rank() - to.rank();
    let repeated = |axis: &usize| *axis < lead || (to[axis - lead] == 1 && gradient.shape()[*axis] != 1);
    let axes: Vec<isize> = (0..gradient.rank()).filter(repeated).map(|axis| axis as isize).collect();
    gradient.sum_axes(&axes[..])?.with_shape(to)
}
