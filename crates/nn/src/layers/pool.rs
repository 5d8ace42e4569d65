//! Pooling: the maxima or averages of windows.

use tensor::ops::{ConvOptions, Padding, PoolOptions};
use tensor::{DType, Result, Tensor};

use super::masked_windows::{check_sequence_windows, windows_kept, without_holes};
use crate::layer::Layer;
use crate::mask::{broadcastable, check_mask, zero_masked};
use crate::mode::Mode;

/// The largest element of each window of sequences `[batch, steps, channels]`, for each channel. See [`Pooling`].
pub type MaxPool1d = Pooling<MaxPoolKind, 1>;

/// The largest element of each window of images `[batch, height, width, channels]`, for each channel. See [`Pooling`].
pub type MaxPool2d = Pooling<MaxPoolKind, 2>;

/// The average of each window of sequences `[batch, steps, channels]`, for each channel. See [`Pooling`].
pub type AveragePool1d = Pooling<AveragePoolKind, 1>;

/// The average of each window of images `[batch, height, width, channels]`, for each channel. See [`Pooling`].
pub type AveragePool2d = Pooling<AveragePoolKind, 2>;

/// A pooling layer over `N` axes: [`MaxPool1d`], [`MaxPool2d`], [`AveragePool1d`] or [`AveragePool2d`].
///
/// Padding is ignored, and so are steps that a mask excludes: a sequence that is masked at its end has the windows of
/// the shorter sequence. There are no weights.
#[derive(Clone, Copy, Debug)]
pub struct Pooling<K, const N: usize> {
    kind: K,
    options: PoolOptions<N>,
}

/// The kind of [`MaxPool1d`] and [`MaxPool2d`].
#[derive(Clone, Copy, Debug, Default)]
pub struct MaxPoolKind;

/// The kind of [`AveragePool1d`] and [`AveragePool2d`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AveragePoolKind;

impl<K: Default, const N: usize> Pooling<K, N> {
    /// Adjacent windows of the given size, without overlap.
    pub fn new(size: [usize; N]) -> Self {
        Pooling { kind: K::default(), options: PoolOptions::new(size) }
    }
}

impl<K, const N: usize> Pooling<K, N> {
    /// Sets the distance between windows; the size of a window by default.
    #[must_use]
    pub fn stride(self, stride: [usize; N]) -> Self {
        Pooling { options: PoolOptions { stride, ..self.options }, ..self }
    }

    /// Sets how far windows may reach beyond the input; not at all by default.
    #[must_use]
    pub fn padding(self, padding: Padding<N>) -> Self {
        Pooling { options: PoolOptions { padding, ..self.options }, ..self }
    }
}

/// What distinguishes maxima from averages.
pub(super) trait PoolingKind: Send + Sync {
    /// The names of the layers over one axis and over two.
    const KINDS: [&'static str; 2];
    /// The same names in errors.
    const OPERATIONS: [&'static str; 2];

    /// Pools the steps that the mask keeps. The second result marks the windows that contain any; the others give 0.
    fn pool_kept(
        kind: &str,
        input: &Tensor,
        mask: &Tensor,
        pool: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)>;
}

/// The operation of a kind of pooling over `N` axes, 1 or 2.
pub(super) trait Pool<const N: usize>: PoolingKind {
    #[track_caller]
    fn pool(&self, input: &Tensor, options: PoolOptions<N>) -> Result<Tensor>;
}

impl<K: Pool<N>, const N: usize> Layer for Pooling<K, N> {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        self.kind.pool(input, self.options)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let Some(mask) = mask else { return Ok((self.forward(input, mode)?, None)) };
        let operation = K::OPERATIONS[N - 1];
        check_sequence_windows::<N>(operation)?;
        let (output, has_steps) = K::pool_kept(operation, input, mask, |x| self.kind.pool(x, self.options))?;
        let PoolOptions { size, stride, padding, dilation, .. } = self.options;
        let options = ConvOptions { stride, padding, dilation, groups: 1 };
        let kept = windows_kept(&without_holes(mask)?, output.shape()[1], size, options)?;
        Ok((output, Some(has_steps.logical_and(kept)?)))
    }

    fn kind(&self) -> &'static str {
        K::KINDS[N - 1]
    }

    fn describe(&self) -> String {
        format!("{} {}", self.kind(), self.options.size.map(|size| size.to_string()).join("×"))
    }
}

impl PoolingKind for MaxPoolKind {
    const KINDS: [&'static str; 2] = ["MaxPool1d", "MaxPool2d"];
    const OPERATIONS: [&'static str; 2] = ["max_pool1d", "max_pool2d"];

    fn pool_kept(
        kind: &str,
        input: &Tensor,
        mask: &Tensor,
        pool: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        check_mask(kind, mask, input)?;
        let steps = broadcastable(mask, input)?;
        let largest = pool(&steps.select(input, f64::NEG_INFINITY)?)?;
        let has_steps = pool(&steps.cast(DType::F32))?.greater(0)?;
        Ok((has_steps.select(largest, 0.0)?, has_steps.squeeze(-1)?))
    }
}

impl Pool<1> for MaxPoolKind {
    #[track_caller]
    fn pool(&self, input: &Tensor, options: PoolOptions<1>) -> Result<Tensor> {
        input.max_pool1d(options)
    }
}

impl Pool<2> for MaxPoolKind {
    #[track_caller]
    fn pool(&self, input: &Tensor, options: PoolOptions<2>) -> Result<Tensor> {
        input.max_pool2d(options)
    }
}

impl PoolingKind for AveragePoolKind {
    const KINDS: [&'static str; 2] = ["AveragePool1d", "AveragePool2d"];
    const OPERATIONS: [&'static str; 2] = ["average_pool1d", "average_pool2d"];

    fn pool_kept(
        kind: &str,
        input: &Tensor,
        mask: &Tensor,
        pool: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let zeroed = zero_masked(kind, input, mask)?;
        let share = pool(&broadcastable(mask, input)?.cast(input.dtype()))?;
        let has_steps = share.greater(0)?;
        let average = pool(&zeroed)?.try_div(has_steps.select(share, 1.0)?)?;
        Ok((average, has_steps.squeeze(-1)?))
    }
}

impl Pool<1> for AveragePoolKind {
    #[track_caller]
    fn pool(&self, input: &Tensor, options: PoolOptions<1>) -> Result<Tensor> {
        input.average_pool1d(options)
    }
}

impl Pool<2> for AveragePoolKind {
    #[track_caller]
    fn pool(&self, input: &Tensor, options: PoolOptions<2>) -> Result<Tensor> {
        input.average_pool2d(options)
    }
}
