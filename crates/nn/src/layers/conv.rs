//! Convolutions along one axis and two.

use tensor::ops::{ConvOptions, Padding};
use tensor::{Error, Result, Tensor};

use super::linear::Linear;
use super::masked_windows::{convolved, masked_convolution};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::weight::{WeightOptions, weight_options};
use crate::weights::{Draw, Weights};

/// The options that all convolutions have, inside an `impl` of one with `options` and `activation`.
macro_rules! convolution_options {
    ($axes:literal) => {
        /// Sets how far windows lie apart; 1 by default.
        #[must_use]
        pub fn stride(mut self, stride: [usize; $axes]) -> Self {
            self.options.stride = stride;
            self
        }

        /// Sets the zeros around the input; none by default.
        #[must_use]
        pub fn padding(mut self, padding: Padding<$axes>) -> Self {
            self.options.padding = padding;
            self
        }

        /// Sets how far neighbouring elements of a window lie apart; 1 by default.
        #[must_use]
        pub fn dilation(mut self, dilation: [usize; $axes]) -> Self {
            self.options.dilation = dilation;
            self
        }

        /// Sets the activation; linear by default.
        #[must_use]
        pub fn activation(self, activation: Activation) -> Self {
            Self { activation, ..self }
        }
    };
}

pub(super) use convolution_options;

/// The channels of an input, which must have the axes that `axes` names.
pub(super) fn channels_of(kind: &str, input: &Tensor, spatial: usize, axes: &str) -> Result<usize> {
    match input.shape().last() {
        Some(&channels) if input.rank() == spatial + 2 => Ok(channels),
        _ => Err(Error::shape(kind, input.shape(), format!("needs the axes {axes}"))),
    }
}

/// The groups into which channels and filters fall, if they do so evenly.
pub(super) fn checked_groups(kind: &'static str, groups: usize, channels: usize, filters: usize) -> Result<usize> {
    if filters > 0 && groups > 0 && channels.is_multiple_of(groups) && filters.is_multiple_of(groups) {
        return Ok(groups);
    }
    let message = format!(
        "{groups} groups must divide {channels} channels and {filters} filters, of which there must be at least 1"
    );
    Err(Error::argument(kind, message))
}

/// What a convolution prints as, such as `Conv2d 3→8 3×3`.
pub(super) fn described(kind: &str, channels: Option<usize>, filters: usize, size: &[usize]) -> String {
    let channels = channels.map_or("?".to_string(), |channels| channels.to_string());
    let size: Vec<String> = size.iter().map(usize::to_string).collect();
    format!("{kind} {channels}→{filters} {}", size.join("×"))
}

/// The layer along so many axes; the two differ in their shapes alone.
macro_rules! convolution {
    ($(#[doc = $doc:literal])+ $name:ident along $axes:literal, $method:ident, $kind:literal, $shape:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name {
            filters: usize,
            size: [usize; $axes],
            options: ConvOptions<$axes>,
            activation: Activation,
            kernel: WeightOptions,
            bias: Option<WeightOptions>,
            weights: Weights<Linear>,
        }

        impl $name {
            /// So many filters of a size, for inputs with `channels` channels.
            pub fn new(channels: usize, filters: usize, size: [usize; $axes]) -> $name {
                $name { weights: Weights::sized([channels]), ..$name::filters(filters, size) }
            }

            /// So many filters of a size, for as many channels as the first input has, and in its
            /// element type.
            pub fn filters(filters: usize, size: [usize; $axes]) -> $name {
                $name {
                    filters,
                    size,
                    options: ConvOptions::default(),
                    activation: Activation::Linear,
                    kernel: Initializer::GlorotUniform.into(),
                    bias: Some(Initializer::Zeros.into()),
                    weights: Weights::unsized_yet(),
                }
            }

            /// Sets in how many parts the channels fall, each with filters of its own; 1 by default. Weights
            /// that have been made are made anew.
            #[must_use]
            pub fn groups(mut self, groups: usize) -> $name {
                self.options.groups = groups;
                $name { weights: self.weights.anew(), ..self }
            }

            convolution_options!($axes);
            weight_options!("kernel" in kernel: kernel_initializer, kernel_regularizer, kernel_constraint);
            weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);

            fn build(&self, channels: usize, draw: &mut Draw) -> Result<Linear> {
                let groups = checked_groups($kind, self.options.groups, channels, self.filters)?;
                let shape: Vec<usize> = self.size.iter().copied().chain([channels / groups, self.filters]).collect();
                Linear::new(draw, (&self.kernel, &shape[..]), (&self.bias, [self.filters]))
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
                let channels = channels_of($kind, input, $axes, $shape)?;
                let weights =
                    self.weights.of($kind, input, &[channels], |sizes, draw| self.build(sizes[0], draw))?;
                weights.finish(input.$method(&weights.kernel, self.options)?, self.activation)
            }

            masked_convolution!($kind);

            fn visit(&self, visitor: &mut Visitor) {
                if let Some(weights) = self.weights.known($kind, |sizes, draw| self.build(sizes[0], draw)) {
                    weights.visit(visitor);
                }
            }

            fn describe(&self) -> String {
                described(self.kind(), self.weights.sizes().map(|sizes| sizes[0]), self.filters, &self.size)
            }
        }
    };
}

convolution! {
    /// Filters that slide over sequences, as Keras' Conv1D: each output is the sum of a window's
    /// elements times a filter's, plus a bias. (The filters are not turned round: see
    /// [`Tensor::conv1d`].) With
    /// [`Padding::Causal`] what comes out of a step depends on no later one.
    ///
    /// | | shape |
    /// |---|---|
    /// | input | `[batch, steps, channels]` |
    /// | output | `[batch, windows, filters]` |
    /// | weight `kernel` | `[size, channels / groups, filters]`; Glorot uniform at first |
    /// | weight `bias` | `[filters]`; zeros at first |
    Conv1d along 1, conv1d, "conv1d", "[batch, steps, channels]"
}

convolution! {
    /// Filters that slide over images, as Keras' Conv2D: each output is the sum of a window's elements
    /// times a filter's, plus a bias. (The filters are not turned round: see [`Tensor::conv2d`].)
    ///
    /// | | shape |
    /// |---|---|
    /// | input | `[batch, height, width, channels]` |
    /// | output | `[batch, rows of windows, columns of windows, filters]` |
    /// | weight `kernel` | `[height, width, channels / groups, filters]`; Glorot uniform at first |
    /// | weight `bias` | `[filters]`; zeros at first |
    ///
    /// ```
    /// use nn::{Activation, Conv2d, Layer, Mode};
    /// use tensor::{Tensor, ops::Padding};
    ///
    /// let layer = Conv2d::filters(8, [3, 3]).stride([2, 2]).padding(Padding::Same).activation(Activation::Relu);
    /// let output = layer.forward(&Tensor::ones([1, 28, 28, 3]), Mode::Inference)?;
    /// assert_eq!(output.shape()[..], [1, 14, 14, 8]);
    /// assert_eq!(layer.describe(), "Conv2d 3→8 3×3");
    /// # Ok::<(), tensor::Error>(())
    /// ```
    Conv2d along 2, conv2d, "conv2d", "[batch, height, width, channels]"
}
