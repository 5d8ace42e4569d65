//! Sinusoidal encoding of positions.

use tensor::{Error, Result, Tensor};

use super::rotary_encoding::angles;
use crate::input_checks::sequence_sizes;
use crate::layer::Layer;
use crate::mode::Mode;

/// Adds an encoding of its position to each step (Vaswani et al. 2017): with `angle = position / 10000^(2i / width)`,
/// feature `2i` is the sine of the angle and feature `2i + 1` the cosine.
///
/// Input and output are `[batch, time, width]` with an even width.
///
/// ```
/// # use nn::{Layer, Mode, SinusoidalEncoding};
/// # use tensor::{Tensor, tensor};
/// let encoded = SinusoidalEncoding.forward(&Tensor::zeros([1, 2, 2]), Mode::Inference)?;
/// assert!(encoded.allclose(&tensor![[[0.0, 1.0], [1f64.sin(), 1f64.cos()]]], 0.0, 1e-6)?);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SinusoidalEncoding;

impl Layer for SinusoidalEncoding {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let [time, width] = sequence_sizes("sinusoidal_encoding", input)?;
        if width % 2 != 0 {
            return Err(Error::shape("sinusoidal_encoding", input.shape(), format!("the width {width} must be even")));
        }
        let angles = angles(time, width / 2, 10_000.0, "sinusoidal_encoding")?;
        let encoding = Tensor::stack(&[&angles.sin(), &angles.cos()], -1)?.reshape([time, width])?;
        input.try_add(encoding.cast(input.dtype()))
    }
}
