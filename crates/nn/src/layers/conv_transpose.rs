//! Transposed convolutions.

use tensor::ops::ConvOptions;
use tensor::{Result, Tensor};

use super::convolution::{Convolution, ConvolutionKind, ConvolutionWeights, Convolve, check_groups};
use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::lazy_weights::LazyWeights;
use crate::regularizers::Regularizer;
use crate::weight::ConfigureWeight;

/// Each step times a filter, placed `stride` apart and summed where the results overlap, like Keras' Conv1DTranspose: the
/// gradient of [`Conv1d`](crate::Conv1d) with the same options, as a layer.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, steps, channels]` |
/// | output | `[batch, longer, filters]`; for the length see [`Tensor::conv_transpose2d`] |
/// | weight `kernel` | `[size, filters / groups, channels]`; initially Glorot uniform |
/// | weight `bias` | `[filters]`; initially zeros |
pub type ConvTranspose1d = Convolution<ConvTransposeKind<1>, 1>;

/// Each pixel times a filter, placed `stride` apart and summed where the results overlap, like Keras' Conv2DTranspose:
/// the gradient of [`Conv2d`](crate::Conv2d) with the same options, as a layer.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, height, width, channels]` |
/// | output | `[batch, taller, wider, filters]`; for the sizes see [`Tensor::conv_transpose2d`] |
/// | weight `kernel` | `[height, width, filters / groups, channels]`; initially Glorot uniform |
/// | weight `bias` | `[filters]`; initially zeros |
///
/// ```
/// use nn::{ConvTranspose2d, Layer, Mode};
/// use tensor::{Tensor, ops::Padding};
///
/// let layer = ConvTranspose2d::filters(8, [3, 3]).stride([2, 2]).padding(Padding::Same);
/// assert_eq!(layer.forward(&Tensor::ones([1, 7, 7, 16]), Mode::Inference)?.shape()[..], [1, 14, 14, 8]);
/// # Ok::<(), tensor::Error>(())
/// ```
pub type ConvTranspose2d = Convolution<ConvTransposeKind<2>, 2>;

/// The kind of [`ConvTranspose1d`] and [`ConvTranspose2d`].
#[derive(Clone, Copy, Debug)]
pub struct ConvTransposeKind<const N: usize> {
    filters: usize,
    output_padding: [usize; N],
}

impl<const N: usize> Convolution<ConvTransposeKind<N>, N> {
    /// A layer of `filters` filters of the given size, for inputs with `channels` channels.
    pub fn new(channels: usize, filters: usize, size: [usize; N]) -> Self {
        let kind = ConvTransposeKind { filters, output_padding: [0; N] };
        Convolution::with_kind(kind, size, LazyWeights::sized([channels]))
    }

    /// A layer of `filters` filters of the given size. The first input determines the number of channels and the element
    /// type of the weights.
    pub fn filters(filters: usize, size: [usize; N]) -> Self {
        let kind = ConvTransposeKind { filters, output_padding: [0; N] };
        Convolution::with_kind(kind, size, LazyWeights::deferred())
    }

    /// Sets the number of groups, 1 by default: channels and filters are divided among them, and the filters of a group
    /// see only its channels. Existing weights are discarded.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        self.set_groups(groups)
    }

    /// Sets the number of elements added at the end of each axis, less than the stride; 0 by default.
    #[must_use]
    pub fn output_padding(mut self, output_padding: [usize; N]) -> Self {
        self.kind.output_padding = output_padding;
        self
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

impl<const N: usize> ConvolutionKind for ConvTransposeKind<N> {
    const KINDS: [&'static str; 2] = ["ConvTranspose1d", "ConvTranspose2d"];
    const OPERATIONS: [&'static str; 2] = ["conv_transpose1d", "conv_transpose2d"];
    const MASK_REFUSAL: Option<&'static str> = Some("the outputs of neighbouring steps overlap");

    fn outputs(&self, operation: &'static str, groups: usize, channels: usize) -> Result<usize> {
        check_groups(operation, groups, channels, self.filters)?;
        Ok(self.filters)
    }

    fn kernel_channels(&self, groups: usize, channels: usize) -> [usize; 2] {
        [self.filters / groups, channels]
    }

    fn described_outputs(&self, _channels: Option<usize>) -> usize {
        self.filters
    }
}

impl Convolve<1> for ConvTransposeKind<1> {
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<1>) -> Result<Tensor> {
        input.conv_transpose1d(&weights.kernel, options, self.output_padding)
    }
}

impl Convolve<2> for ConvTransposeKind<2> {
    #[track_caller]
    fn convolve(&self, input: &Tensor, weights: &ConvolutionWeights, options: ConvOptions<2>) -> Result<Tensor> {
        input.conv_transpose2d(&weights.kernel, options, self.output_padding)
    }
}
