//! Convolutions of each channel by itself.

use tensor::ops::{ConvOptions, Padding};
use tensor::{Error, Result, Tensor};

use super::conv::{channels_of, convolution_options, described};
use super::linear::Linear;
use super::masked_windows::{convolved, masked_convolution};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::weight::{WeightOptions, weight_options};
use crate::weights::{Draw, Weights};

/// The options of a convolution whose groups are the channels of its input.
pub(super) fn depthwise<const N: usize>(options: ConvOptions<N>, channels: usize) -> ConvOptions<N> {
    ConvOptions { groups: channels, ..options }
}

/// A kernel `[…, channels, multiplier]` as `[…, 1, channels · multiplier]`, which that of a convolution with a
/// group for each channel is.
pub(super) fn grouped(kernel: &Tensor) -> Result<Tensor> {
    let (window, [channels, multiplier]) = kernel.shape().split_last_chunk().expect("a kernel has two such axes");
    kernel.reshape(window.iter().copied().chain([1, channels * multiplier]).collect::<tensor::Shape>())
}

/// How many outputs there are of so many channels with this multiplier, both at least 1.
pub(super) fn outputs(kind: &'static str, channels: usize, multiplier: usize) -> Result<usize> {
    match channels.checked_mul(multiplier) {
        Some(outputs) if outputs > 0 => Ok(outputs),
        _ => {
            let message = format!("{channels} channels times a depth multiplier of {multiplier}: must be at least 1");
            Err(Error::argument(kind, message))
        }
    }
}

macro_rules! depthwise_convolution {
    ($(#[doc = $doc:literal])+ $name:ident along $axes:literal, $method:ident, $kind:literal, $shape:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name {
            size: [usize; $axes],
            multiplier: usize,
            options: ConvOptions<$axes>,
            activation: Activation,
            kernel: WeightOptions,
            bias: Option<WeightOptions>,
            weights: Weights<Linear>,
        }

        impl $name {
            /// Filters of a size for inputs with `channels` channels.
            pub fn new(channels: usize, size: [usize; $axes]) -> $name {
                $name { weights: Weights::sized([channels]), ..$name::size(size) }
            }

            /// Filters of a size for as many channels as the first input has, and in its element type.
            pub fn size(size: [usize; $axes]) -> $name {
                $name {
                    size,
                    multiplier: 1,
                    options: ConvOptions::default(),
                    activation: Activation::Linear,
                    kernel: Initializer::GlorotUniform.into(),
                    bias: Some(Initializer::Zeros.into()),
                    weights: Weights::unsized_yet(),
                }
            }

            /// Sets how many filters each channel has; 1 by default. Weights that exist already are drawn again.
            #[must_use]
            pub fn depth_multiplier(self, multiplier: usize) -> $name {
                $name { multiplier, weights: self.weights.anew(), ..self }
            }

            convolution_options!($axes);
            weight_options!("kernel" in kernel: depthwise_initializer, depthwise_regularizer, depthwise_constraint);
            weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);

            fn build(&self, channels: usize, draw: &mut Draw) -> Result<Linear> {
                let outputs = outputs($kind, channels, self.multiplier)?;
                let shape: Vec<usize> = self.size.iter().copied().chain([channels, self.multiplier]).collect();
                Linear::new(draw, (&self.kernel, &shape[..]), (&self.bias, [outputs]))
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
                let channels = channels_of($kind, input, $axes, $shape)?;
                let weights = self.weights.of($kind, input, &[channels], |sizes, draw| self.build(sizes[0], draw))?;
                let kernel = grouped(&weights.kernel.value())?;
                weights.finish(input.$method(&kernel, depthwise(self.options, channels))?, self.activation)
            }

            masked_convolution!($kind);

            fn visit(&self, visitor: &mut Visitor) {
                if let Some(weights) = self.weights.known($kind, |sizes, draw| self.build(sizes[0], draw)) {
                    weights.visit(visitor);
                }
            }

            fn describe(&self) -> String {
                let channels = self.weights.sizes().map(|sizes| sizes[0]);
                let outputs = channels.unwrap_or(1).saturating_mul(self.multiplier);
                described(self.kind(), channels, outputs, &self.size)
            }
        }
    };
}

depthwise_convolution! {
    /// Filters that slide over each channel of sequences by itself, as Keras' DepthwiseConv1D: output
    /// `c · multiplier + m` is what filter `m` of channel `c` gives.
    ///
    /// | | shape |
    /// |---|---|
    /// | input | `[batch, steps, channels]` |
    /// | output | `[batch, windows, channels · multiplier]` |
    /// | weight `kernel` | `[size, channels, multiplier]`; Glorot uniform at first |
    /// | weight `bias` | `[channels · multiplier]`; zeros at first |
    DepthwiseConv1d along 1, conv1d, "depthwise_conv1d", "[batch, steps, channels]"
}

depthwise_convolution! {
    /// Filters that slide over each channel of images by itself, as Keras' DepthwiseConv2D: output
    /// `c · multiplier + m` is what filter `m` of channel `c` gives.
    ///
    /// | | shape |
    /// |---|---|
    /// | input | `[batch, height, width, channels]` |
    /// | output | `[batch, rows of windows, columns of windows, channels · multiplier]` |
    /// | weight `kernel` | `[height, width, channels, multiplier]`; Glorot uniform at first |
    /// | weight `bias` | `[channels · multiplier]`; zeros at first |
    ///
    /// ```
    /// use nn::{DepthwiseConv2d, Layer, Mode};
    /// use tensor::{Tensor, ops::Padding};
    ///
    /// let layer = DepthwiseConv2d::size([3, 3]).depth_multiplier(2).padding(Padding::Same);
    /// let output = layer.forward(&Tensor::ones([1, 28, 28, 3]), Mode::Inference)?;
    /// assert_eq!(output.shape()[..], [1, 28, 28, 6]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    DepthwiseConv2d along 2, conv2d, "depthwise_conv2d", "[batch, height, width, channels]"
}
