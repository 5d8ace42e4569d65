//! Transposed convolutions.

use tensor::ops::{ConvOptions, Padding};
use tensor::{Result, Tensor};

use super::conv::{channels_of, checked_groups, convolution_options, described};
use super::linear::Linear;
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::mask::refused;
use crate::weight::{WeightOptions, weight_options};
use crate::weights::{Draw, Weights};

macro_rules! transposed_convolution {
    ($(#[doc = $doc:literal])+ $name:ident along $axes:literal, $method:ident, $kind:literal, $shape:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name {
            filters: usize,
            size: [usize; $axes],
            options: ConvOptions<$axes>,
            output_padding: [usize; $axes],
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

            /// So many filters of a size, for as many channels as the first input has, and in its element type.
            pub fn filters(filters: usize, size: [usize; $axes]) -> $name {
                $name {
                    filters,
                    size,
                    options: ConvOptions::default(),
                    output_padding: [0; $axes],
                    activation: Activation::Linear,
                    kernel: Initializer::GlorotUniform.into(),
                    bias: Some(Initializer::Zeros.into()),
                    weights: Weights::unsized_yet(),
                }
            }

            /// Sets in how many parts the filters fall, each of which sees its part of the channels; 1 by default.
            /// Weights that exist already are drawn again.
            #[must_use]
            pub fn groups(mut self, groups: usize) -> $name {
                self.options.groups = groups;
                $name { weights: self.weights.anew(), ..self }
            }

            /// Sets how many elements are added at the end of each axis, fewer than the stride; 0 by default.
            #[must_use]
            pub fn output_padding(self, output_padding: [usize; $axes]) -> $name {
                $name { output_padding, ..self }
            }

            convolution_options!($axes);
            weight_options!("kernel" in kernel: kernel_initializer, kernel_regularizer, kernel_constraint);
            weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);

            fn build(&self, channels: usize, draw: &mut Draw) -> Result<Linear> {
                let groups = checked_groups($kind, self.options.groups, channels, self.filters)?;
                let shape: Vec<usize> = self.size.iter().copied().chain([self.filters / groups, channels]).collect();
                Linear::new(draw, (&self.kernel, &shape[..]), (&self.bias, [self.filters]))
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
                let channels = channels_of($kind, input, $axes, $shape)?;
                let weights = self.weights.of($kind, input, &[channels], |sizes, draw| self.build(sizes[0], draw))?;
                let product = input.$method(&weights.kernel, self.options, self.output_padding)?;
                weights.finish(product, self.activation)
            }

            fn forward_masked(
                &self,
                input: &Tensor,
                mask: Option<&Tensor>,
                mode: Mode,
            ) -> Result<(Tensor, Option<Tensor>)> {
                match mask {
                    Some(_) => refused($kind, "what it lays down for one step overlaps with what others give"),
                    None => Ok((self.forward(input, mode)?, None)),
                }
            }

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

transposed_convolution! {
    /// Each step times a filter, laid down `stride` apart and added up where they overlap, as Keras'
    /// Conv1DTranspose: the gradient of [`Conv1d`](crate::Conv1d) with the same options, as a layer.
    ///
    /// | | shape |
    /// |---|---|
    /// | input | `[batch, steps, channels]` |
    /// | output | `[batch, longer, filters]`; for the length see [`Tensor::conv_transpose2d`] |
    /// | weight `kernel` | `[size, filters / groups, channels]`; Glorot uniform at first |
    /// | weight `bias` | `[filters]`; zeros at first |
    ConvTranspose1d along 1, conv_transpose1d, "conv_transpose1d", "[batch, steps, channels]"
}

transposed_convolution! {
    /// Each pixel times a filter, laid down `stride` apart and added up where they overlap, as Keras'
    /// Conv2DTranspose: the gradient of [`Conv2d`](crate::Conv2d) with the same options, as a layer.
    ///
    /// | | shape |
    /// |---|---|
    /// | input | `[batch, height, width, channels]` |
    /// | output | `[batch, taller, wider, filters]`; for the sizes see [`Tensor::conv_transpose2d`] |
    /// | weight `kernel` | `[height, width, filters / groups, channels]`; Glorot uniform at first |
    /// | weight `bias` | `[filters]`; zeros at first |
    ///
    /// ```
    /// use nn::{ConvTranspose2d, Layer, Mode};
    /// use tensor::{Tensor, ops::Padding};
    ///
    /// let layer = ConvTranspose2d::filters(8, [3, 3]).stride([2, 2]).padding(Padding::Same);
    /// assert_eq!(layer.forward(&Tensor::ones([1, 7, 7, 16]), Mode::Inference)?.shape()[..], [1, 14, 14, 8]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ConvTranspose2d along 2, conv_transpose2d, "conv_transpose2d", "[batch, height, width, channels]"
}
