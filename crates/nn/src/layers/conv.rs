//! Convolutions along one axis and two.

use autograd::Variable;
use tensor::ops::{ConvOptions, Padding};
use tensor::{Error, Result, Tensor};

use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::weights::{Draw, Weights};

#[derive(Debug)]
struct Filters {
    kernel: Variable,
    bias: Option<Variable>,
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
            kernel_initializer: Initializer,
            bias_initializer: Option<Initializer>,
            weights: Weights<Filters>,
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
                    kernel_initializer: Initializer::GlorotUniform,
                    bias_initializer: Some(Initializer::Zeros),
                    weights: Weights::unsized_yet(),
                }
            }

            /// Sets how far windows lie apart; 1 by default.
            #[must_use]
            pub fn stride(mut self, stride: [usize; $axes]) -> $name {
                self.options.stride = stride;
                self
            }

            /// Sets the zeros around the input; none by default.
            #[must_use]
            pub fn padding(mut self, padding: Padding<$axes>) -> $name {
                self.options.padding = padding;
                self
            }

            /// Sets how far neighbouring elements of a window lie apart; 1 by default.
            #[must_use]
            pub fn dilation(mut self, dilation: [usize; $axes]) -> $name {
                self.options.dilation = dilation;
                self
            }

            /// Sets in how many parts the channels fall, each with filters of its own; 1 by default. Weights
            /// that have been made are made anew.
            #[must_use]
            pub fn groups(mut self, groups: usize) -> $name {
                self.options.groups = groups;
                $name { weights: self.weights.anew(), ..self }
            }

            /// Sets the activation; linear by default.
            #[must_use]
            pub fn activation(self, activation: Activation) -> $name {
                $name { activation, ..self }
            }

            /// Sets how the kernel begins. Weights that have been made are made anew.
            #[must_use]
            pub fn kernel_initializer(self, initializer: Initializer) -> $name {
                $name { kernel_initializer: initializer, weights: self.weights.anew(), ..self }
            }

            /// Sets how the bias begins. Weights that have been made are made anew.
            #[must_use]
            pub fn bias_initializer(self, initializer: Initializer) -> $name {
                $name { bias_initializer: Some(initializer), weights: self.weights.anew(), ..self }
            }

            /// Leaves the bias out. Weights that have been made are made anew.
            #[must_use]
            pub fn without_bias(self) -> $name {
                $name { bias_initializer: None, weights: self.weights.anew(), ..self }
            }

            fn build(&self, channels: usize, draw: &mut Draw) -> Result<Filters> {
                let groups = self.options.groups;
                if self.filters == 0 || groups == 0 || channels % groups != 0 || self.filters % groups != 0 {
                    let filters = self.filters;
                    let message = format!(
                        "{groups} groups must divide {channels} channels and {filters} filters, of which there \
                         must be at least 1"
                    );
                    return Err(Error::argument($kind, message));
                }
                let shape: Vec<usize> = self.size.iter().copied().chain([channels / groups, self.filters]).collect();
                let kernel = draw.weight("kernel", &self.kernel_initializer, &shape[..])?;
                let bias = self.bias_initializer.as_ref();
                let bias = bias.map(|bias| draw.weight("bias", bias, [self.filters])).transpose()?;
                Ok(Filters { kernel, bias })
            }
        }

        impl Layer for $name {
            fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
                if input.rank() != $axes + 2 {
                    return Err(Error::shape($kind, input.shape(), concat!("needs the axes ", $shape)));
                }
                let channels = input.shape()[input.rank() - 1];
                let weights =
                    self.weights.of($kind, input, &[channels], |sizes, draw| self.build(sizes[0], draw))?;
                let product = input.$method(&weights.kernel, self.options)?;
                self.activation.apply(&match &weights.bias {
                    Some(bias) => product.try_add(bias)?,
                    None => product,
                })
            }

            fn visit(&self, visitor: &mut Visitor) {
                if let Some(weights) = self.weights.known($kind, |sizes, draw| self.build(sizes[0], draw)) {
                    visitor.weight("kernel", &weights.kernel);
                    if let Some(bias) = &weights.bias {
                        visitor.weight("bias", bias);
                    }
                }
            }

            fn describe(&self) -> String {
                let channels = self.weights.sizes().map_or("?".to_string(), |sizes| sizes[0].to_string());
                let size = self.size.map(|size| size.to_string()).join("×");
                format!(concat!(stringify!($name), " {}→{} {}"), channels, self.filters, size)
            }
        }
    };
}

convolution! {
    /// Filters that slide over sequences, as Keras' Conv1D: each output is the sum of a window's
    /// elements times a filter's, plus a bias. (The filters are not turned round: see
    /// [`Tensor::conv1d`].)
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
