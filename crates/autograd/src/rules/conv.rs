//! Rules of convolutions. Each is linear in both operands, and the three are each other's gradients.

use tensor::ops::{Conv, apply};
use tensor::{Result, Tensor};

use super::Needs;
use crate::site::Site;

pub(super) fn needs(_: &Conv) -> Needs {
    Needs::Others
}

/// With `y = Conv(x, k)`: `dx = ConvInput(dy, k)` and `dk = ConvKernel(x, dy)`, and in turn.
pub(super) fn backward(op: &Conv, site: &Site, g: &Tensor, k: usize) -> Result<Tensor> {
    let size = |k: usize, first: usize| [site.shape(k)[first], site.shape(k)[first + 1]];
    match (*op, k) {
        (Conv::Conv(windows), 0) => apply(Conv::ConvInput { windows, size: size(0, 1) }, &[g, site.input(1)]),
        (Conv::Conv(windows), _) => apply(Conv::ConvKernel { windows, size: size(1, 0) }, &[site.input(0), g]),
        (Conv::ConvInput { windows, .. }, 0) => apply(Conv::Conv(windows), &[g, site.input(1)]),
        (Conv::ConvInput { windows, .. }, _) => {
            apply(Conv::ConvKernel { windows, size: size(1, 0) }, &[g, site.input(0)])
        }
        (Conv::ConvKernel { windows, .. }, 0) => {
            apply(Conv::ConvInput { windows, size: size(0, 1) }, &[site.input(1), g])
        }
        (Conv::ConvKernel { windows, .. }, _) => apply(Conv::Conv(windows), &[site.input(0), g]),
    }
}
