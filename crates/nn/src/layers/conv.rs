//! Convolutions along one axis and two.

use tensor::ops::ConvOptions;
use tensor::{Result, Tensor};

use super::convolution::{Convolution, ConvolutionKind, ConvolutionWeights, Convolve, check_groups};
use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::lazy_weights::LazyWeights;
use crate::regularizers::Regularizer;
use crate::weight::ConfigureWeight;

/// Filters that slide over sequences, like Keras' Conv1D: each output is the sum of a window's elements times a filter's,
/// plus a bias. (It is a cross-correlation: see [`Tensor::conv1d`].) With
/// [`Padding::Causal`](tensor::ops::Padding::Causal) the output of a step does not depend on later steps.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, steps, channels]` |
/// | output | `[batch, windows, filters]` |
/// | weight `kernel` | `[size, channels / groups, filters]`; initially Glorot uniform |
/// | weight `bias` | `[filters]`; initially zeros |
pub type Conv1d = Convolution<ConvKind, 1>;

/// Filters that slide over images, like Keras' Conv2D: each output is the sum of a window's elements times a filter's,
/// plus a bias. (It is a cross-correlation: see [`Tensor::conv2d`].)
///
/// | | shape |
/// |---|---|
/// | input | `[batch, height, width, channels]` |
/// | output | `[batch, rows of windows, columns of windows, filters]` |
/// | weight `kernel` | `[height, width, channels / groups, filters]`; initially Glorot uniform |
/// | weight `bias` | `[filters]`; initially zeros |
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
pub type Conv2d = Convolution<ConvKind, 2>;

/// The kind of [`Conv1d`] and [`Conv2d`].
#[derive(Clone, Copy, Debug)]
pub struct ConvKind {
    filters: usize,
}

impl<const N: usize> Convolution<ConvKind, N> {
    /// A layer of `filters` filters of the given size, for inputs with `channels` channels.
    pub fn new(channels: usize, filters: usize, size: [usize; N]) -> Self {
        Convolution::with_kind(ConvKind { filters }, size, LazyWeights::sized([channels]))
    }

    /// A layer of `filters` filters of the given size. The first input determines the number of channels and the element
    /// type of the weights.
    pub fn filters(filters: usize, size: [usize; N]) -> Self {
        Convolution::with_kind(ConvKind { filters }, size, LazyWeights::deferred())
    }

    /// Sets the number of groups, 1 by default: channels and filters are divided among them, and the filters of a group
    /// see only its channels. Existing weights are discarded.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        self.set_groups(groups)
    }

    /// Sets the initializer of `kernel`. Existing weights are discarded.
    #[must_use]
    pub fn kernel_initializer(self, initializer: Initializer) -> Self {
        self.configure_kernel(|kernel| kernel.set_initializer(initializer))
    }

    /// Sets the regularizer of `kernel`; none by default. Existing weights are discarded.
    #[must_use]
    pub fn kernel_regularizer(self, regularizer: impl Regularizer + 'static) -> Self {
        self.configure_kernel(|kernel| kernel.set_regularizer(regularizer))
    }

    /// Sets the constraint of `kernel`; none by default. Existing weights are discarded.
    #[must_use]
    pub fn kernel_constraint(self, constraint: impl Constraint + 'static) -> Self {
        self.configure_kernel(|kernel| kernel.set_constraint(constraint))
    }
}

impl ConvolutionKind for ConvKind {
    const KINDS: [&'static str; 2] = ["Conv1d", "Conv2d"];
    const OPERATIONS: [&'static str; 2] = ["conv1d", "conv2d"];

    fn outputs(&self, operation: &'static str, groups: usize, channels: usize) -> Result<usize> {
        check_groups(operation, groups, channels, self.filters)?;
        Ok(self.filters)
    }

    fn kernel_channels(&self, groups: usize, channels: usize) -> [usize; 2] {
        [channels / groups, self.filters]
    }

    fn described_outputs(&self, _channels: Option<usize>) -> usize {
        self.filters
    }
}

impl Convolve<1> for ConvKind {
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<1>) -> Result<Tensor> {
        input.conv1d(&weights.kernel, options)
    }
}

impl Convolve<2> for ConvKind {
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<2>) -> Result<Tensor> {
        input.conv2d(&weights.kernel, options)
    }
}
