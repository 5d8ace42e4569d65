//! Cropping of sequences and images.

use tensor::{Error, Result, Tensor};

use crate::layer::Layer;
use crate::mask::{check_mask, zero_masked};
use crate::mode::Mode;

/// Removes the first and last steps: `[batch, time, channels]` becomes `[batch, time - before - after, channels]`, like
/// Keras' Cropping1D.
///
/// # Errors
/// Returns an error unless the input has three axes and at least one step remains.
///
/// ```
/// # use nn::{Cropping1d, Layer, Mode};
/// # use tensor::Tensor;
/// let cropped = Cropping1d::new((2, 1)).forward(&Tensor::ones([1, 7, 3]), Mode::Inference)?;
/// assert_eq!(cropped.shape(), &[1, 4, 3]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cropping1d {
    steps: (usize, usize),
}

impl Cropping1d {
    /// Removes these numbers of steps at the beginning and at the end.
    pub fn new(steps: (usize, usize)) -> Cropping1d {
        Cropping1d { steps }
    }
}

impl Layer for Cropping1d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        cropped(input, &[self.steps], "cropping1d", "[batch, time, channels]")
    }

    /// The mask is cropped like the steps.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let Some(mask) = mask else { return Ok((self.forward(input, mode)?, None)) };
        check_mask("cropping1d", mask, input)?;
        let output = self.forward(&zero_masked("cropping1d", input, mask)?, mode)?;
        let (before, after) = self.steps;
        Ok((output, Some(mask.slice((.., before..mask.shape()[1] - after))?)))
    }
}

/// Removes the border of images: `[batch, height, width, channels]` becomes
/// `[batch, height - top - bottom, width - left - right, channels]`, like Keras' Cropping2D.
///
/// # Errors
/// Returns an error unless the input has four axes and at least one pixel remains.
///
/// ```
/// # use nn::{Cropping2d, Layer, Mode};
/// # use tensor::Tensor;
/// let cropped = Cropping2d::new((1, 1), (0, 2)).forward(&Tensor::ones([1, 6, 6, 3]), Mode::Inference)?;
/// assert_eq!(cropped.shape(), &[1, 4, 4, 3]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cropping2d {
    rows: (usize, usize),
    columns: (usize, usize),
}

impl Cropping2d {
    /// Removes these numbers of rows above and below, and of columns to the left and to the right.
    pub fn new(rows: (usize, usize), columns: (usize, usize)) -> Cropping2d {
        Cropping2d { rows, columns }
    }
}

impl Layer for Cropping2d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        cropped(input, &[self.rows, self.columns], "cropping2d", "[batch, height, width, channels]")
    }
}

/// Crops the axes between batch and channels.
#[track_caller]
fn cropped(input: &Tensor, crops: &[(usize, usize)], kind: &str, axes: &str) -> Result<Tensor> {
    if input.rank() != crops.len() + 2 {
        return Err(Error::shape(kind, input.shape(), format!("needs {} axes, {axes}", crops.len() + 2)));
    }
    let mut output = input.clone();
    for (axis, &(before, after)) in (1..).zip(crops) {
        let size = input.shape()[axis];
        let Some(end) = size.checked_sub(after).filter(|&end| before < end) else {
            let message =
                format!("cropping {before} and {after} of the {size} on axis {axis} leaves nothing; leave at least 1");
            return Err(Error::shape(kind, input.shape(), message));
        };
        output = if axis == 1 { output.slice((.., before..end))? } else { output.slice((.., .., before..end))? };
    }
    Ok(output)
}
