//! Layers for inputs with channels first.

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Visitor};
use crate::mode::Mode;

/// Runs a layer, or a whole model, on inputs with channels first, `[batch, channels, …]`, as in PyTorch and Keras'
/// `data_format="channels_first"`. The input is converted to channels last, and the output back to channels first.
///
/// The conversions copy input and output at most once, so it is cheaper to wrap a chain of layers than each layer. Names
/// and layouts of the weights are those of the layer.
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
    /// Wraps a layer whose inputs and outputs have channels last.
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
        to_channels_first(output)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        check_axes(input)?;
        let (output, mask) = self.0.forward_masked(&input.channels_last()?, mask, mode).map_err(with_channels_last)?;
        Ok((to_channels_first(output)?, mask))
    }

    fn visit(&self, visitor: &mut Visitor) {
        self.0.visit(visitor);
    }

    fn describe(&self) -> String {
        format!("ChannelsFirst {}", self.0.describe())
    }
}

/// The output with channels first, if it has an axis of channels.
fn to_channels_first(output: Tensor) -> Result<Tensor> {
    if output.rank() < 2 { Ok(output) } else { output.channels_first() }
}

fn check_axes(input: &Tensor) -> Result<()> {
    if input.rank() >= 2 {
        return Ok(());
    }
    Err(Error::shape("channels_first", input.shape(), "needs at least two axes, [batch, channels, …]"))
}

/// Shapes in errors of the inner layer are those with channels last.
fn with_channels_last(error: Error) -> Error {
    error.context("with channels last")
}
