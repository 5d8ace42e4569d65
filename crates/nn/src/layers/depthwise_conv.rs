//! Depthwise convolutions: each channel has separate filters.

use tensor::ops::ConvOptions;
use tensor::{Result, Tensor};

use super::convolution::{
    Convolution, ConvolutionKind, ConvolutionWeights, Convolve, depthwise_outputs, grouped_kernel,
};
use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::lazy_weights::LazyWeights;
use crate::regularizers::Regularizer;
use crate::weight::ConfigureWeight;

/// Filters that slide over each channel of sequences separately, like Keras' DepthwiseConv1D: output
/// `c · multiplier + m` is the result of filter `m` of channel `c`.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, steps, channels]` |
/// | output | `[batch, windows, channels · multiplier]` |
/// | weight `kernel` | `[size, channels, multiplier]`; initially Glorot uniform |
/// | weight `bias` | `[channels · multiplier]`; initially zeros |
pub type DepthwiseConv1d = Convolution<DepthwiseConvKind, 1>;

/// Filters that slide over each channel of images separately, like Keras' DepthwiseConv2D: output
/// `c · multiplier + m` is the result of filter `m` of channel `c`.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, height, width, channels]` |
/// | output | `[batch, rows of windows, columns of windows, channels · multiplier]` |
/// | weight `kernel` | `[height, width, channels, multiplier]`; initially Glorot uniform |
/// | weight `bias` | `[channels · multiplier]`; initially zeros |
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
pub type DepthwiseConv2d = Convolution<DepthwiseConvKind, 2>;

/// The kind of [`DepthwiseConv1d`] and [`DepthwiseConv2d`].
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseConvKind {
    multiplier: usize,
}

impl<const N: usize> Convolution<DepthwiseConvKind, N> {
    /// A layer of filters of the given size, for inputs with `channels` channels.
    pub fn new(channels: usize, size: [usize; N]) -> Self {
        Convolution::with_kind(DepthwiseConvKind { multiplier: 1 }, size, LazyWeights::sized([channels]))
    }

    /// A layer of filters of the given size. The first input determines the number of channels and the element type of
    /// the weights.
    pub fn size(size: [usize; N]) -> Self {
        Convolution::with_kind(DepthwiseConvKind { multiplier: 1 }, size, LazyWeights::deferred())
    }

    /// Sets the number of filters of each channel; 1 by default. Existing weights are discarded.
    #[must_use]
    pub fn depth_multiplier(mut self, multiplier: usize) -> Self {
        self.kind.multiplier = multiplier;
        self.weights.reset();
        self
    }

    /// Sets the initializer of `kernel`. Existing weights are discarded.
    #[must_use]
    pub fn depthwise_initializer(self, initializer: Initializer) -> Self {
        self.configure_kernel(|kernel| kernel.set_initializer(initializer))
    }

    /// Sets the regularizer of `kernel`; none by default. Existing weights are discarded.
    #[must_use]
    pub fn depthwise_regularizer(self, regularizer: impl Regularizer + 'static) -> Self {
        self.configure_kernel(|kernel| kernel.set_regularizer(regularizer))
    }

    /// Sets the constraint of `kernel`; none by default. Existing weights are discarded.
    #[must_use]
    pub fn depthwise_constraint(self, constraint: impl Constraint + 'static) -> Self {
        self.configure_kernel(|kernel| kernel.set_constraint(constraint))
    }
}

impl ConvolutionKind for DepthwiseConvKind {
    const KINDS: [&'static str; 2] = ["DepthwiseConv1d", "DepthwiseConv2d"];
    const OPERATIONS: [&'static str; 2] = ["depthwise_conv1d", "depthwise_conv2d"];

    fn outputs(&self, operation: &'static str, _groups: usize, channels: usize) -> Result<usize> {
        depthwise_outputs(operation, channels, self.multiplier)
    }

    fn kernel_channels(&self, _groups: usize, channels: usize) -> [usize; 2] {
        [channels, self.multiplier]
    }

    fn described_outputs(&self, channels: Option<usize>) -> usize {
        channels.unwrap_or(1).saturating_mul(self.multiplier)
    }
}

impl Convolve<1> for DepthwiseConvKind {
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<1>) -> Result<Tensor> {
        let groups = input.shape()[2];
        input.conv1d(&grouped_kernel(&weights.kernel.value())?, ConvOptions { groups, ..options })
    }
}

impl Convolve<2> for DepthwiseConvKind {
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<2>) -> Result<Tensor> {
        let groups = input.shape()[3];
        input.conv2d(&grouped_kernel(&weights.kernel.value())?, ConvOptions { groups, ..options })
    }
}
