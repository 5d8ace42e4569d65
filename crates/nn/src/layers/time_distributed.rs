//! A layer for each step of a sequence.

use tensor::{Error, Result, Shape, Tensor};

use super::sequential::snake_case;
use crate::layer::{Layer, Visitor};
use crate::mask::zero_if_masked;
use crate::mode::Mode;
use crate::nesting::nested;

/// Applies a layer to each step of sequences, like Keras' TimeDistributed: `[batch, time, …]` becomes `[batch, time, …]`,
/// and the layer sees `[batch · time, …]`, so it computes all steps at once. A random layer draws for each step, and
/// `BatchNorm` has common statistics for all steps.
///
/// Weights are under the name of the inner layer, its kind in snake case. A mask is passed on; the layer sees zeros at
/// excluded steps, which a `BatchNorm` inside counts.
///
/// # Errors
/// Returns an error if the input has fewer than three axes or the output of the layer has another batch than its input,
/// and the errors of the layer.
///
/// ```
/// # use nn::{Conv2d, Layer, Mode, TimeDistributed};
/// # use tensor::Tensor;
/// let layer = TimeDistributed::new(Conv2d::new(1, 4, [3, 3]));
/// let videos = Tensor::ones([2, 5, 8, 8, 1]);
/// assert_eq!(layer.forward(&videos, Mode::Inference)?.shape()[..], [2, 5, 6, 6, 4]);
/// assert_eq!(layer.weight("conv2d.kernel")?.shape(), [3, 3, 1, 4]);
/// # Ok::<(), tensor::Error>(())
/// ```
pub struct TimeDistributed {
    name: String,
    layer: Box<dyn Layer>,
}

impl TimeDistributed {
    /// Applies this layer to each step.
    pub fn new(layer: impl Layer + 'static) -> TimeDistributed {
        TimeDistributed { name: snake_case(layer.kind()), layer: nested(layer) }
    }
}

impl Layer for TimeDistributed {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        let [batch, time, sample @ ..] = &input.shape()[..] else {
            return Err(too_few_axes(input));
        };
        if sample.is_empty() {
            return Err(too_few_axes(input));
        }
        // The sizes are given, not inferred, so that the batch may be empty.
        let merged = [batch * time].into_iter().chain(sample.iter().copied()).collect::<Shape>();
        let output = self.layer.call(&self.name, &input.reshape(merged)?, mode)?;
        let Some((_, sample)) = output.shape().split_first().filter(|&(&steps, _)| steps == batch * time) else {
            let message = format!("the layer must keep its first axis, the {batch} · {time} steps of all sequences");
            return Err(Error::shape("time_distributed", output.shape(), message));
        };
        output.reshape([*batch, *time].into_iter().chain(sample.iter().copied()).collect::<Shape>())
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let output = self.forward(&zero_if_masked("time_distributed", input, mask)?, mode)?;
        Ok((output, mask.cloned()))
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.layer(&self.name, &*self.layer);
    }

    fn describe(&self) -> String {
        format!("TimeDistributed {}", self.layer.describe())
    }
}

fn too_few_axes(input: &Tensor) -> Error {
    Error::shape("time_distributed", input.shape(), "needs at least 3 axes, [batch, time, …]")
}
