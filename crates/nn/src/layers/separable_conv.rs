//! Separable convolutions: a depthwise convolution, then a pointwise one across the channels.

use tensor::ops::ConvOptions;
use tensor::{Error, Result, Shape, Tensor};

use super::convolution::{
    Convolution, ConvolutionKind, ConvolutionWeights, Convolve, depthwise_outputs, grouped_kernel,
};
use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::regularizers::Regularizer;
use crate::weight::{ConfigureWeight, Weight, WeightOptions};

/// Filters that slide over each channel of sequences separately, followed by weighted sums across the channels at each
/// step, like Keras' SeparableConv1D. Stride, padding and dilation apply to the first part.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, steps, channels]` |
/// | output | `[batch, windows, filters]` |
/// | weight `depthwise_kernel` | `[size, channels, multiplier]`; initially Glorot uniform |
/// | weight `pointwise_kernel` | `[1, channels · multiplier, filters]`; initially Glorot uniform |
/// | weight `bias` | `[filters]`; initially zeros |
pub type SeparableConv1d = Convolution<SeparableConvKind, 1>;

/// Filters that slide over each channel of images separately, followed by weighted sums across the channels at each
/// pixel (Chollet 2017), like Keras' SeparableConv2D. Stride, padding and dilation apply to the first part.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, height, width, channels]` |
/// | output | `[batch, rows of windows, columns of windows, filters]` |
/// | weight `depthwise_kernel` | `[height, width, channels, multiplier]`; initially Glorot uniform |
/// | weight `pointwise_kernel` | `[1, 1, channels · multiplier, filters]`; initially Glorot uniform |
/// | weight `bias` | `[filters]`; initially zeros |
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
pub type SeparableConv2d = Convolution<SeparableConvKind, 2>;

/// The kind of [`SeparableConv1d`] and [`SeparableConv2d`].
#[derive(Clone, Debug)]
pub struct SeparableConvKind {
    filters: usize,
    multiplier: usize,
    pointwise: WeightOptions,
}

impl SeparableConvKind {
    fn new(filters: usize) -> SeparableConvKind {
        SeparableConvKind { filters, multiplier: 1, pointwise: Initializer::GlorotUniform.into() }
    }
}

impl<const N: usize> Convolution<SeparableConvKind, N> {
    /// A layer of depthwise filters of the given size and `filters` pointwise ones, for inputs with `channels` channels.
    pub fn new(channels: usize, filters: usize, size: [usize; N]) -> Self {
        Convolution::with_kind(SeparableConvKind::new(filters), size, LazyWeights::sized([channels]))
    }

    /// A layer of depthwise filters of the given size and `filters` pointwise ones. The first input determines the
    /// number of channels and the element type of the weights.
    pub fn filters(filters: usize, size: [usize; N]) -> Self {
        Convolution::with_kind(SeparableConvKind::new(filters), size, LazyWeights::deferred())
    }

    /// Sets the number of depthwise filters of each channel; 1 by default. Existing weights are discarded.
    #[must_use]
    pub fn depth_multiplier(mut self, multiplier: usize) -> Self {
        self.kind.multiplier = multiplier;
        self.weights.reset();
        self
    }

    /// Sets the initializer of `depthwise_kernel`. Existing weights are discarded.
    #[must_use]
    pub fn depthwise_initializer(self, initializer: Initializer) -> Self {
        self.configure_kernel(|kernel| kernel.set_initializer(initializer))
    }

    /// Sets the regularizer of `depthwise_kernel`; none by default. Existing weights are discarded.
    #[must_use]
    pub fn depthwise_regularizer(self, regularizer: impl Regularizer + 'static) -> Self {
        self.configure_kernel(|kernel| kernel.set_regularizer(regularizer))
    }

    /// Sets the constraint of `depthwise_kernel`; none by default. Existing weights are discarded.
    #[must_use]
    pub fn depthwise_constraint(self, constraint: impl Constraint + 'static) -> Self {
        self.configure_kernel(|kernel| kernel.set_constraint(constraint))
    }

    /// Sets the initializer of `pointwise_kernel`. Existing weights are discarded.
    #[must_use]
    pub fn pointwise_initializer(self, initializer: Initializer) -> Self {
        self.configure_pointwise(|kernel| kernel.set_initializer(initializer))
    }

    /// Sets the regularizer of `pointwise_kernel`; none by default. Existing weights are discarded.
    #[must_use]
    pub fn pointwise_regularizer(self, regularizer: impl Regularizer + 'static) -> Self {
        self.configure_pointwise(|kernel| kernel.set_regularizer(regularizer))
    }

    /// Sets the constraint of `pointwise_kernel`; none by default. Existing weights are discarded.
    #[must_use]
    pub fn pointwise_constraint(self, constraint: impl Constraint + 'static) -> Self {
        self.configure_pointwise(|kernel| kernel.set_constraint(constraint))
    }

    fn configure_pointwise(mut self, configure: impl FnOnce(&mut WeightOptions)) -> Self {
        configure(&mut self.kind.pointwise);
        self.weights.reset();
        self
    }
}

impl ConvolutionKind for SeparableConvKind {
    const KINDS: [&'static str; 2] = ["SeparableConv1d", "SeparableConv2d"];
    const OPERATIONS: [&'static str; 2] = ["separable_conv1d", "separable_conv2d"];
    const KERNEL: &'static str = "depthwise_kernel";

    fn outputs(&self, operation: &'static str, _groups: usize, channels: usize) -> Result<usize> {
        if self.filters == 0 {
            return Err(Error::argument(operation, "the number of filters is 0; it must be at least 1"));
        }
        depthwise_outputs(operation, channels, self.multiplier)?;
        Ok(self.filters)
    }

    fn kernel_channels(&self, _groups: usize, channels: usize) -> [usize; 2] {
        [channels, self.multiplier]
    }

    fn described_outputs(&self, _channels: Option<usize>) -> usize {
        self.filters
    }

    fn build_pointwise(&self, axes: usize, channels: usize, builder: &mut WeightBuilder) -> Result<Option<Weight>> {
        let sizes = [channels * self.multiplier, self.filters];
        let shape: Shape = std::iter::repeat_n(1, axes).chain(sizes).collect();
        builder.weight("pointwise_kernel", &self.pointwise, shape).map(Some)
    }
}

impl Convolve<1> for SeparableConvKind {
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<1>) -> Result<Tensor> {
        let groups = input.shape()[2];
        let depthwise = input.conv1d(&grouped_kernel(&weights.kernel.value())?, ConvOptions { groups, ..options })?;
        match &weights.pointwise {
            Some(kernel) => depthwise.conv1d(kernel, ConvOptions::default()),
            None => Ok(depthwise),
        }
    }
}

impl Convolve<2> for SeparableConvKind {
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<2>) -> Result<Tensor> {
        let groups = input.shape()[3];
        let depthwise = input.conv2d(&grouped_kernel(&weights.kernel.value())?, ConvOptions { groups, ..options })?;
        match &weights.pointwise {
            Some(kernel) => depthwise.conv2d(kernel, ConvOptions::default()),
            None => Ok(depthwise),
        }
    }
}
