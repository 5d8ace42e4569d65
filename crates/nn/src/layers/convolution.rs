//! What all convolution layers share. The file of each kind of layer has the rest.

use std::fmt::Debug;

use tensor::ops::{ConvOptions, Padding};
use tensor::{Error, Result, Shape, Tensor};

use super::linear::with_bias;
use super::masked_windows::masked_convolution;
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Visitor};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::refuse_mask;
use crate::mode::Mode;
use crate::weight::{ConfigureWeight, Weight, WeightOptions, weight_options};

/// A convolution layer over `N` axes: one of [`Conv1d`], [`Conv2d`], [`ConvTranspose1d`], [`ConvTranspose2d`],
/// [`DepthwiseConv1d`], [`DepthwiseConv2d`], [`SeparableConv1d`] and [`SeparableConv2d`], which describe shapes and
/// weights.
///
/// [`Conv1d`]: crate::Conv1d
/// [`Conv2d`]: crate::Conv2d
/// [`ConvTranspose1d`]: crate::ConvTranspose1d
/// [`ConvTranspose2d`]: crate::ConvTranspose2d
/// [`DepthwiseConv1d`]: crate::DepthwiseConv1d
/// [`DepthwiseConv2d`]: crate::DepthwiseConv2d
/// [`SeparableConv1d`]: crate::SeparableConv1d
/// [`SeparableConv2d`]: crate::SeparableConv2d
#[derive(Debug)]
pub struct Convolution<K, const N: usize> {
    pub(super) kind: K,
    pub(super) size: [usize; N],
    pub(super) options: ConvOptions<N>,
    activation: Activation,
    /// The options of the kernel that slides over the input.
    pub(super) kernel: WeightOptions,
    bias: Option<WeightOptions>,
    pub(super) weights: LazyWeights<ConvolutionWeights>,
}

/// The weights of a convolution layer.
#[derive(Debug)]
pub(super) struct ConvolutionWeights {
    /// The kernel that slides over the input.
    pub(super) kernel: Weight,
    /// The kernel that a separable convolution applies after it, across the channels.
    pub(super) pointwise: Option<Weight>,
    bias: Option<Weight>,
}

/// The axes of the input of a layer over one axis and over two.
pub(super) const INPUT_AXES: [&str; 2] = ["[batch, steps, channels]", "[batch, height, width, channels]"];

/// What distinguishes one kind of convolution layer from the others.
pub(super) trait ConvolutionKind: Debug + Send + Sync {
    /// The names of the layers over one axis and over two.
    const KINDS: [&'static str; 2];
    /// The same names in errors.
    const OPERATIONS: [&'static str; 2];
    /// The name of the kernel that slides over the input.
    const KERNEL: &'static str = "kernel";
    /// Why the layer does not support a mask of steps, if it does not.
    const MASK_REFUSAL: Option<&'static str> = None;

    /// The number of output channels, for so many input channels.
    ///
    /// # Errors
    /// Returns an error if the layer cannot have this number of input channels.
    fn outputs(&self, operation: &'static str, groups: usize, channels: usize) -> Result<usize>;

    /// The last two sizes of the kernel.
    fn kernel_channels(&self, groups: usize, channels: usize) -> [usize; 2];

    /// The number of output channels in the layer's description; `channels` is `None` before it is known.
    fn described_outputs(&self, channels: Option<usize>) -> usize;

    /// The pointwise kernel, of shape `[1, …, channels, filters]`, if this kind has one.
    ///
    /// # Errors
    /// Returns the errors of the initializer.
    fn build_pointwise(&self, _axes: usize, _channels: usize, _builder: &mut WeightBuilder) -> Result<Option<Weight>> {
        Ok(None)
    }
}

/// The operation of a kind of convolution layer over `N` axes, 1 or 2, without bias and activation.
pub(super) trait Convolve<const N: usize>: ConvolutionKind {
    /// # Errors
    /// Returns the errors of the operation.
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<N>) -> Result<Tensor>;
}

impl<K, const N: usize> Convolution<K, N> {
    /// A layer with default options.
    pub(super) fn with_kind(kind: K, size: [usize; N], weights: LazyWeights<ConvolutionWeights>) -> Self {
        Convolution {
            kind,
            size,
            options: ConvOptions::default(),
            activation: Activation::Linear,
            kernel: Initializer::GlorotUniform.into(),
            bias: Some(Initializer::Zeros.into()),
            weights,
        }
    }

    /// Sets the distance between windows; 1 by default.
    #[must_use]
    pub fn stride(mut self, stride: [usize; N]) -> Self {
        self.options.stride = stride;
        self
    }

    /// Sets the zeros around the input; none by default.
    #[must_use]
    pub fn padding(mut self, padding: Padding<N>) -> Self {
        self.options.padding = padding;
        self
    }

    /// Sets the distance between neighbouring elements of a window; 1 by default.
    #[must_use]
    pub fn dilation(mut self, dilation: [usize; N]) -> Self {
        self.options.dilation = dilation;
        self
    }

    /// Sets the activation; linear by default.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Convolution { activation, ..self }
    }

    weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);

    pub(super) fn set_groups(mut self, groups: usize) -> Self {
        self.options.groups = groups;
        self.weights.reset();
        self
    }

    /// Changes the options of the kernel.
    pub(super) fn configure_kernel(mut self, configure: impl FnOnce(&mut WeightOptions)) -> Self {
        if let Some(options) = self.kernel.options() {
            configure(options);
        }
        self.weights.reset();
        self
    }
}

fn build_weights<K: Convolve<N>, const N: usize>(
    layer: &Convolution<K, N>,
    channels: usize,
    builder: &mut WeightBuilder,
) -> Result<ConvolutionWeights> {
    let outputs = layer.kind.outputs(K::OPERATIONS[N - 1], layer.options.groups, channels)?;
    let last = layer.kind.kernel_channels(layer.options.groups, channels);
    let shape: Shape = layer.size.into_iter().chain(last).collect();
    let kernel = builder.weight(K::KERNEL, &layer.kernel, shape)?;
    let pointwise = layer.kind.build_pointwise(N, channels, builder)?;
    Ok(ConvolutionWeights { kernel, pointwise, bias: builder.optional_weight("bias", &layer.bias, [outputs])? })
}

impl<K: Convolve<N>, const N: usize> Layer for Convolution<K, N> {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let operation = K::OPERATIONS[N - 1];
        let channels = match input.shape().last() {
            Some(&channels) if input.rank() == N + 2 => channels,
            _ => {
                let message = format!("needs the axes {}", INPUT_AXES[N - 1]);
                return Err(Error::shape(operation, input.shape(), message));
            }
        };
        let weights =
            self.weights.get(operation, input, &[channels], |sizes, builder| build_weights(self, sizes[0], builder))?;
        let product = self.kind.convolve(input, weights, self.options)?;
        self.activation.apply(&with_bias(product, weights.bias.as_ref())?)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        if let (Some(reason), Some(_)) = (K::MASK_REFUSAL, mask) {
            return refuse_mask(K::OPERATIONS[N - 1], reason);
        }
        let forward = |input: &Tensor| self.forward(input, mode);
        masked_convolution(K::OPERATIONS[N - 1], input, mask, self.size, self.options, forward)
    }

    fn visit(&self, visitor: &mut Visitor) {
        let build = |sizes: &[usize], builder: &mut WeightBuilder| build_weights(self, sizes[0], builder);
        let Some(weights) = self.weights.get_if_sized(K::OPERATIONS[N - 1], build) else { return };
        visitor.weight(K::KERNEL, &weights.kernel);
        for (name, weight) in [("pointwise_kernel", &weights.pointwise), ("bias", &weights.bias)] {
            if let Some(weight) = weight {
                visitor.weight(name, weight);
            }
        }
    }

    fn kind(&self) -> &'static str {
        K::KINDS[N - 1]
    }

    /// Such as `Conv2d 3→8 3×3`.
    fn describe(&self) -> String {
        let channels = self.weights.sizes().map(|sizes| sizes[0]);
        let outputs = self.kind.described_outputs(channels);
        let channels = channels.map_or("?".to_string(), |channels| channels.to_string());
        let size = self.size.map(|size| size.to_string()).join("×");
        format!("{} {channels}→{outputs} {size}", self.kind())
    }
}

/// Returns an error unless the groups divide channels and filters evenly.
pub(super) fn check_groups(operation: &'static str, groups: usize, channels: usize, filters: usize) -> Result<()> {
    if filters > 0 && groups > 0 && channels.is_multiple_of(groups) && filters.is_multiple_of(groups) {
        return Ok(());
    }
    let message = format!(
        "{groups} groups must divide {channels} channels and {filters} filters, of which there must be at least 1"
    );
    Err(Error::argument(operation, message))
}

/// The number of channels of a depthwise convolution's output, which must be at least 1.
pub(super) fn depthwise_outputs(operation: &'static str, channels: usize, multiplier: usize) -> Result<usize> {
    match channels.checked_mul(multiplier) {
        Some(outputs) if outputs > 0 => Ok(outputs),
        _ => {
            let message = format!("{channels} channels times a depth multiplier of {multiplier}: must be at least 1");
            Err(Error::argument(operation, message))
        }
    }
}

/// A depthwise kernel `[…, channels, multiplier]` as the kernel `[…, 1, channels · multiplier]` of a convolution with
/// one group per channel.
pub(super) fn grouped_kernel(kernel: &Tensor) -> Result<Tensor> {
    let (window, [channels, multiplier]) = kernel.shape().split_last_chunk().expect("a kernel has two such axes");
    kernel.reshape(window.iter().copied().chain([1, channels * multiplier]).collect::<Shape>())
}
