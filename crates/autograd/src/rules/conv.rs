//! Rules of convolutions. Each is linear in both operands, and the three are each other's gradients.

use tensor::ops::{Conv, apply};

use super::pass::Pass;

/// For `y = Conv(x, k)` the gradients are `dx = ConvInput(dy, k)` and `dk = ConvKernel(x, dy)`. The other two follow by
/// exchanging roles.
pub(super) fn rule<'a, P: Pass<'a>>(op: &Conv, pass: P) -> P::Answer {
    match *op {
        Conv::Conv(windows) => pass.bilinear(
            |g, kernel, x| apply(Conv::ConvInput { windows, size: [x.shape[1], x.shape[2]] }, &[g, kernel]),
            |g, x, kernel| apply(Conv::ConvKernel { windows, size: [kernel.shape[0], kernel.shape[1]] }, &[x, g]),
        ),
        Conv::ConvInput { windows, .. } => pass.bilinear(
            |g, kernel, _| apply(Conv::Conv(windows), &[g, kernel]),
            |g, dy, kernel| apply(Conv::ConvKernel { windows, size: [kernel.shape[0], kernel.shape[1]] }, &[g, dy]),
        ),
        Conv::ConvKernel { windows, .. } => pass.bilinear(
            |g, dy, x| apply(Conv::ConvInput { windows, size: [x.shape[1], x.shape[2]] }, &[dy, g]),
            |g, x, _| apply(Conv::Conv(windows), &[x, g]),
        ),
    }
}
