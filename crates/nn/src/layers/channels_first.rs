//! Channels along the second axis.

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Mode, Visitor};

/// A layer, or a whole model, for inputs with their channels second: `[batch, channels, …]`, as in PyTorch and as
/// Keras' `data_format="channels_first"`. Inputs get their channels last, the layer does its work, and its output gets
/// them second again.
///
/// That takes a copy of input and output at most, so around a row of layers it costs less than around each. Names and
/// layouts of weights are those of the layer.
///
/// ```
/// use nn::{ChannelsFirst, Conv2d, GlobalAveragePool2d, Layer, Mode, Sequential};
/// use tensor::Tensor;
///
/// let images = Tensor::ones([2, 3, 32, 28]);
/// let layer = ChannelsFirst::new(Conv2d::filters(8, [5, 3]));
/// assert_eq!(layer.forward(&images, Mode::Inference)?.shape()[..], [2, 8, 28, 26]);
/// assert_eq!(layer.weight("kernel")?.shape(), [5, 3, 3, 8]);
///
/// let features = Sequential::new().add(Conv2d::filters(8, [3, 3])).add(GlobalAveragePool2d);
/// assert_eq!(ChannelsFirst::new(features).forward(&images, Mode::Inference)?.shape()[..], [2, 8]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct ChannelsFirst<L>(L);

impl<L: Layer> ChannelsFirst<L> {
    /// This layer, which takes and gives channels last.
    pub fn new(layer: L) -> ChannelsFirst<L> {
        ChannelsFirst(layer)
    }
}

impl<L: Layer> Layer for ChannelsFirst<L> {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_many(&[input], mode)
    }

    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        inputs.iter().try_for_each(|input| check_axes(input))?;
        let inputs = inputs.iter().map(|input| input.channels_last()).collect::<Result<Vec<_>>>()?;
        let output = self.0.forward_many(&inputs.iter().collect::<Vec<_>>(), mode).map_err(with_channels_last)?;
        second(output)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        check_axes(input)?;
        let (output, mask) = self.0.forward_masked(&input.channels_last()?, mask, mode).map_err(with_channels_last)?;
        Ok((second(output)?, mask))
    }

    fn visit(&self, visitor: &mut Visitor) {
        self.0.visit(visitor);
    }

    fn describe(&self) -> String {
        format!("ChannelsFirst {}", self.0.describe())
    }
}

/// Channels second, if there is an axis of them.
fn second(output: Tensor) -> Result<Tensor> {
    if output.rank() < 2 { Ok(output) } else { output.channels_first() }
}

fn check_axes(input: &Tensor) -> Result<()> {
    if input.rank() >= 2 {
        return Ok(());
    }
    Err(Error::shape("channels_first", input.shape(), "needs at least two axes, [batch, channels, …]"))
}

/// Shapes in errors of the layer inside are those that it saw.
fn with_channels_last(error: Error) -> Error {
    error.context("with channels last")
}
