//! Pooling over all positions.

use tensor::ops::Reduction;
use tensor::{Error, Result, Tensor};

use super::convolution::INPUT_AXES;
use crate::input_checks::check_input;
use crate::layer::Layer;
use crate::mask::{check_mask, refuse_mask, zero_masked};
use crate::mode::Mode;

/// The maximum over the steps of sequences: `[batch, steps, channels]` becomes `[batch, channels]`. Equal maxima share
/// the gradient.
#[derive(Clone, Copy, Debug)]
pub struct GlobalMaxPool1d;

/// The maximum over the pixels of images: `[batch, height, width, channels]` becomes `[batch, channels]`. Equal maxima
/// share the gradient.
#[derive(Clone, Copy, Debug)]
pub struct GlobalMaxPool2d;

/// The average over the steps of sequences: `[batch, steps, channels]` becomes `[batch, channels]`.
#[derive(Clone, Copy, Debug)]
pub struct GlobalAveragePool1d;

/// The average over the pixels of images: `[batch, height, width, channels]` becomes `[batch, channels]`.
#[derive(Clone, Copy, Debug)]
pub struct GlobalAveragePool2d;

impl Layer for GlobalMaxPool1d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        reduce_positions("global_max_pool1d", input, Reduction::Max, &[1])
    }

    /// Steps that the mask excludes do not count, even if they are NaN. If it excludes all steps, the result is 0.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        match mask {
            Some(mask) => Ok((max_of_kept("global_max_pool1d", input, mask)?, None)),
            None => Ok((self.forward(input, mode)?, None)),
        }
    }
}

impl Layer for GlobalMaxPool2d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        reduce_positions("global_max_pool2d", input, Reduction::Max, &[1, 2])
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        match mask {
            Some(_) => refuse_mask("global_max_pool2d", "an image has no steps"),
            None => Ok((self.forward(input, mode)?, None)),
        }
    }
}

impl Layer for GlobalAveragePool1d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        reduce_positions("global_average_pool1d", input, Reduction::Mean, &[1])
    }

    /// Steps that the mask excludes do not count, even if they are NaN. If it excludes all steps, the result is 0.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        match mask {
            Some(mask) => Ok((average_of_kept("global_average_pool1d", input, mask)?, None)),
            None => Ok((self.forward(input, mode)?, None)),
        }
    }
}

impl Layer for GlobalAveragePool2d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        reduce_positions("global_average_pool2d", input, Reduction::Mean, &[1, 2])
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        match mask {
            Some(_) => refuse_mask("global_average_pool2d", "an image has no steps"),
            None => Ok((self.forward(input, mode)?, None)),
        }
    }
}

/// Reduces the axes of positions, which are all but those of samples and channels.
#[track_caller]
fn reduce_positions(kind: &str, input: &Tensor, reduction: Reduction, axes: &[isize]) -> Result<Tensor> {
    if input.rank() != axes.len() + 2 {
        let message = format!("needs the axes {}", INPUT_AXES[axes.len() - 1]);
        return Err(Error::shape(kind, input.shape(), message));
    }
    input.reduce(reduction, axes, false).map_err(|error| error.context(kind))
}

/// The maximum over the steps that the mask keeps.
fn max_of_kept(kind: &'static str, input: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check_input(kind, input, 3, INPUT_AXES[0])?;
    check_mask(kind, mask, input)?;
    let kept = mask.expand_dims(-1)?;
    let largest = kept.select(input, f64::NEG_INFINITY)?.max_axis(1)?;
    kept.any_axis(1)?.select(largest, 0.0)
}

/// The average over the steps that the mask keeps.
fn average_of_kept(kind: &'static str, input: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check_input(kind, input, 3, INPUT_AXES[0])?;
    let sum = zero_masked(kind, input, mask)?.sum_axis(1)?;
    let count = mask.cast(sum.dtype()).sum_keepdims(1)?.maximum(1)?;
    sum.try_div(count)
}
