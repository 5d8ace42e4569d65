//! Zero padding.

use tensor::{DType, Error, Result, Tensor};

use crate::layer::Layer;
use crate::mask::zero_if_masked;
use crate::mode::Mode;

/// Adds zeros before and after the steps: `[batch, time, channels]` becomes `[batch, before + time + after, channels]`.
///
/// ```
/// # use nn::{Layer, Mode, ZeroPadding1d};
/// # use tensor::Tensor;
/// let padded = ZeroPadding1d::new((2, 1)).forward(&Tensor::ones([1, 4, 3]), Mode::Inference)?;
/// assert_eq!(padded.shape(), &[1, 7, 3]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ZeroPadding1d {
    steps: (usize, usize),
}

impl ZeroPadding1d {
    /// Adds these numbers of zeros before and after.
    pub fn new(steps: (usize, usize)) -> ZeroPadding1d {
        ZeroPadding1d { steps }
    }
}

impl Layer for ZeroPadding1d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        padded(input, &[self.steps], "zero_padding1d", "[batch, time, channels]")
    }

    /// The mask excludes the padding.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let output = self.forward(&zero_if_masked("zero_padding1d", input, mask)?, mode)?;
        let Some(mask) = mask else { return Ok((output, None)) };
        let wider = mask.cast(DType::U8).pad([(0, 0), self.steps], 0.0)?.cast(DType::Bool);
        Ok((output, Some(wider)))
    }
}

/// Adds zeros around images: `[batch, height, width, channels]` becomes
/// `[batch, top + height + bottom, left + width + right, channels]`.
///
/// ```
/// # use nn::{Layer, Mode, ZeroPadding2d};
/// # use tensor::Tensor;
/// let padded = ZeroPadding2d::new((1, 1), (0, 2)).forward(&Tensor::ones([1, 4, 4, 3]), Mode::Inference)?;
/// assert_eq!(padded.shape(), &[1, 6, 6, 3]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ZeroPadding2d {
    rows: (usize, usize),
    columns: (usize, usize),
}

impl ZeroPadding2d {
    /// Adds these numbers of rows above and below, and of columns to the left and to the right.
    pub fn new(rows: (usize, usize), columns: (usize, usize)) -> ZeroPadding2d {
        ZeroPadding2d { rows, columns }
    }
}

impl Layer for ZeroPadding2d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        padded(input, &[self.rows, self.columns], "zero_padding2d", "[batch, height, width, channels]")
    }
}

/// Pads the axes between batch and channels.
fn padded(input: &Tensor, pads: &[(usize, usize)], kind: &str, axes: &str) -> Result<Tensor> {
    if input.rank() != pads.len() + 2 {
        return Err(Error::shape(kind, input.shape(), format!("needs {} axes, {axes}", pads.len() + 2)));
    }
    input.pad([&[(0, 0)], pads, &[(0, 0)]].concat(), 0.0)
}
