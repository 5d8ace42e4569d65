//! Pooling over all positions.

use tensor::ops::Reduction;
use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Mode};
use crate::mask::{check_mask, refused, silenced};
use crate::weights::check_input;

macro_rules! global_pooling {
    ($($(#[doc = $doc:literal])+ $name:ident, $reduction:ident, $axes:expr, $kind:literal, $shape:literal, $masked:ident;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
                let axes: &[isize] = &$axes;
                if input.rank() != axes.len() + 2 {
                    return Err(Error::shape($kind, input.shape(), concat!("needs the axes ", $shape)));
                }
                input.reduce(Reduction::$reduction, axes, false).map_err(|error| error.context($kind))
            }

            /// Steps that the mask leaves out do not count, even if they are NaN; where it leaves out all, the result
            /// is 0.
            fn forward_masked(
                &self,
                input: &Tensor,
                mask: Option<&Tensor>,
                mode: Mode,
            ) -> Result<(Tensor, Option<Tensor>)> {
                let output = match mask {
                    Some(mask) => $masked($kind, input, mask)?,
                    None => self.forward(input, mode)?,
                };
                Ok((output, None))
            }
        }
    )+};
}

global_pooling! {
    /// The largest elements of sequences: `[batch, steps, channels]` becomes `[batch, channels]`. Equal
    /// ones share the gradient.
    GlobalMaxPool1d, Max, [1], "global_max_pool1d", "[batch, steps, channels]", masked_largest;
    /// The largest elements of images: `[batch, height, width, channels]` becomes `[batch, channels]`.
    /// Equal ones share the gradient.
    GlobalMaxPool2d, Max, [1, 2], "global_max_pool2d", "[batch, height, width, channels]", of_images;
    /// The averages of sequences: `[batch, steps, channels]` becomes `[batch, channels]`.
    GlobalAveragePool1d, Mean, [1], "global_average_pool1d", "[batch, steps, channels]", masked_average;
    /// The averages of images: `[batch, height, width, channels]` becomes `[batch, channels]`.
    GlobalAveragePool2d, Mean, [1, 2], "global_average_pool2d", "[batch, height, width, channels]", of_images;
}

/// Images have no steps that could be left out.
fn of_images(kind: &'static str, _input: &Tensor, _mask: &Tensor) -> Result<Tensor> {
    refused(kind, "an image has no steps")
}

/// The largest elements of the steps that the mask keeps.
fn masked_largest(kind: &'static str, input: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check_input(kind, input, 3, "[batch, steps, channels]")?;
    check_mask(kind, mask, input)?;
    let kept = mask.expand_dims(-1)?;
    let largest = kept.select(input, f64::NEG_INFINITY)?.max_axis(1)?;
    kept.any_axis(1)?.select(largest, 0.0)
}

/// The averages of the steps that the mask keeps.
fn masked_average(kind: &'static str, input: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check_input(kind, input, 3, "[batch, steps, channels]")?;
    let sum = silenced(kind, input, mask)?.sum_axis(1)?;
    let count = mask.cast(sum.dtype()).sum_keepdims(1)?.maximum(1)?;
    sum.try_div(count)
}
