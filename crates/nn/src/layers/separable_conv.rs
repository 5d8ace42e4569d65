//! Convolutions of each channel by itself, and then across channels.

use tensor::ops::{ConvOptions, Padding};
use tensor::{Error, Result, Tensor};

use super::conv::{channels_of, convolution_options, described};
use super::depthwise_conv::{depthwise, grouped, outputs};
use super::linear::with_bias;
use super::masked_windows::{convolved, masked_convolution};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::weight::{Weight, WeightOptions, weight_options};
use crate::weights::{Draw, Weights};

#[derive(Debug)]
struct Separated {
    depthwise: Weight,
    pointwise: Weight,
    bias: Option<Weight>,
}

impl Separated {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.weight("depthwise_kernel", &self.depthwise);
        visitor.weight("pointwise_kernel", &self.pointwise);
        if let Some(bias) = &self.bias {
            visitor.weight("bias", bias);
        }
    }
}

macro_rules! separable_convolution {
    ($(#[doc = $doc:literal])+ $name:ident along $axes:literal, $method:ident, $kind:literal, $shape:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name {
            filters: usize,
            size: [usize; $axes],
            multiplier: usize,
            options: ConvOptions<$axes>,
            activation: Activation,
            depthwise: WeightOptions,
            pointwise: WeightOptions,
            bias: Option<WeightOptions>,
            weights: Weights<Separated>,
        }

        impl $name {
            /// So many filters across the channels, after filters of a size within each, for inputs with
            /// `channels` channels.
            pub fn new(channels: usize, filters: usize, size: [usize; $axes]) -> $name {
                $name { weights: Weights::sized([channels]), ..$name::filters(filters, size) }
            }

            /// So many filters across the channels, after filters of a size within each, for as many channels as
            /// the first input has, and in its element type.
            pub fn filters(filters: usize, size: [usize; $axes]) -> $name {
                $name {
                    filters,
                    size,
                    multiplier: 1,
                    options: ConvOptions::default(),
                    activation: Activation::Linear,
                    depthwise: Initializer::GlorotUniform.into(),
                    pointwise: Initializer::GlorotUniform.into(),
                    bias: Some(Initializer::Zeros.into()),
                    weights: Weights::unsized_yet(),
                }
            }

            /// Sets how many filters each channel has by itself; 1 by default. Weights that exist already are
            /// drawn again.
            #[must_use]
            pub fn depth_multiplier(self, multiplier: usize) -> $name {
                $name { multiplier, weights: self.weights.anew(), ..self }
            }

            convolution_options!($axes);
            weight_options!(
                "depthwise_kernel" in depthwise: depthwise_initializer, depthwise_regularizer, depthwise_constraint
            );
            weight_options!(
                "pointwise_kernel" in pointwise: pointwise_initializer, pointwise_regularizer, pointwise_constraint
            );
            weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);

            fn build(&self, channels: usize, draw: &mut Draw) -> Result<Separated> {
                if self.filters == 0 {
                    return Err(Error::argument($kind, "the number of filters is 0; it must be at least 1"));
                }
                let between = outputs($kind, channels, self.multiplier)?;
                let shape: Vec<usize> = self.size.iter().copied().chain([channels, self.multiplier]).collect();
                let depthwise = draw.weight("depthwise_kernel", &self.depthwise, &shape[..])?;
                let shape: Vec<usize> = [1; $axes].into_iter().chain([between, self.filters]).collect();
                let pointwise = draw.weight("pointwise_kernel", &self.pointwise, &shape[..])?;
                Ok(Separated { depthwise, pointwise, bias: draw.optional("bias", &self.bias, [self.filters])? })
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
                let channels = channels_of($kind, input, $axes, $shape)?;
                let weights = self.weights.of($kind, input, &[channels], |sizes, draw| self.build(sizes[0], draw))?;
                let kernel = grouped(&weights.depthwise.value())?;
                let apart = input.$method(&kernel, depthwise(self.options, channels))?;
                let together = apart.$method(&weights.pointwise, ConvOptions::default())?;
                self.activation.apply(&with_bias(together, weights.bias.as_ref())?)
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

separable_convolution! {
    /// Filters that slide over each channel of sequences by itself, and then sums across the channels at each
    /// step, as Keras' SeparableConv1D. Stride, padding and dilation are those of the first.
    ///
    /// | | shape |
    /// |---|---|
    /// | input | `[batch, steps, channels]` |
    /// | output | `[batch, windows, filters]` |
    /// | weight `depthwise_kernel` | `[size, channels, multiplier]`; Glorot uniform at first |
    /// | weight `pointwise_kernel` | `[1, channels · multiplier, filters]`; Glorot uniform at first |
    /// | weight `bias` | `[filters]`; zeros at first |
    SeparableConv1d along 1, conv1d, "separable_conv1d", "[batch, steps, channels]"
}

separable_convolution! {
    /// Filters that slide over each channel of images by itself, and then sums across the channels at each pixel
    /// (Chollet 2017), as Keras' SeparableConv2D. Stride, padding and dilation are those of the first.
    ///
    /// | | shape |
    /// |---|---|
    /// | input | `[batch, height, width, channels]` |
    /// | output | `[batch, rows of windows, columns of windows, filters]` |
    /// | weight `depthwise_kernel` | `[height, width, channels, multiplier]`; Glorot uniform at first |
    /// | weight `pointwise_kernel` | `[1, 1, channels · multiplier, filters]`; Glorot uniform at first |
    /// | weight `bias` | `[filters]`; zeros at first |
    ///
    /// ```
    /// use nn::{Layer, Mode, SeparableConv2d};
    /// use tensor::Tensor;
    ///
    /// let layer = SeparableConv2d::new(3, 8, [3, 3]);
    /// assert_eq!(layer.forward(&Tensor::ones([1, 28, 28, 3]), Mode::Inference)?.shape()[..], [1, 26, 26, 8]);
    /// // A Conv2d would have 3 · 3 · 3 · 8 + 8.
    /// assert_eq!(layer.parameter_count(), 3 * 3 * 3 + 3 * 8 + 8);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    SeparableConv2d along 2, conv2d, "separable_conv2d", "[batch, height, width, channels]"
}
