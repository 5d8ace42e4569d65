//! Pooling: the maxima or averages of windows.

use tensor::ops::{ConvOptions, Padding, PoolOptions};
use tensor::{DType, Result, Tensor};

use super::masked_windows::{only_steps, windows_kept, without_holes};
use crate::layer::{Layer, Mode};
use crate::mask::{across, check_mask, silenced};

macro_rules! pooling {
    ($($(#[doc = $doc:literal])+ $name:ident along $axes:literal, $method:ident, $kind:literal, $masked:ident;)+) => {$(
        $(#[doc = $doc])+
        ///
        /// What lies in the padding is left out, and so are steps that a mask leaves out: at its end a sequence has the
        /// windows that it has alone. There are no weights.
        #[derive(Clone, Copy, Debug)]
        pub struct $name(PoolOptions<$axes>);

        impl $name {
            /// Windows of a size that follow one another without gap or overlap.
            pub fn new(size: [usize; $axes]) -> $name {
                $name(PoolOptions::new(size))
            }

            /// Sets how far windows lie apart; the size of one by default.
            #[must_use]
            pub fn stride(self, stride: [usize; $axes]) -> $name {
                $name(PoolOptions { stride, ..self.0 })
            }

            /// Sets how far windows may reach beyond the input; not at all by default.
            #[must_use]
            pub fn padding(self, padding: Padding<$axes>) -> $name {
                $name(PoolOptions { padding, ..self.0 })
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
                input.$method(self.0)
            }

            fn forward_masked(
                &self,
                input: &Tensor,
                mask: Option<&Tensor>,
                mode: Mode,
            ) -> Result<(Tensor, Option<Tensor>)> {
                let Some(mask) = mask else { return Ok((self.forward(input, mode)?, None)) };
                only_steps::<$axes>($kind)?;
                let (output, filled) = $masked($kind, input, mask, |x| x.$method(self.0))?;
                let PoolOptions { size, stride, padding, dilation, .. } = self.0;
                let options = ConvOptions { stride, padding, dilation, groups: 1 };
                let there = windows_kept(&without_holes(mask)?, output.shape()[1], size, options)?;
                Ok((output, Some(filled.logical_and(there)?)))
            }

            fn describe(&self) -> String {
                format!(concat!(stringify!($name), " {}"), self.0.size.map(|size| size.to_string()).join("×"))
            }
        }
    )+};
}

pooling! {
    /// The largest element of each window of sequences `[batch, steps, channels]`, channel by channel.
    MaxPool1d along 1, max_pool1d, "max_pool1d", largest_kept;
    /// The largest element of each window of images `[batch, height, width, channels]`, channel by
    /// channel.
    MaxPool2d along 2, max_pool2d, "max_pool2d", largest_kept;
    /// The average of each window of sequences `[batch, steps, channels]`, channel by channel.
    AveragePool1d along 1, average_pool1d, "average_pool1d", average_kept;
    /// The average of each window of images `[batch, height, width, channels]`, channel by channel.
    AveragePool2d along 2, average_pool2d, "average_pool2d", average_kept;
}

/// The largest elements of the steps that the mask keeps, and which windows have any; 0 where there are none.
fn largest_kept(
    kind: &str,
    input: &Tensor,
    mask: &Tensor,
    pool: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<(Tensor, Tensor)> {
    check_mask(kind, mask, input)?;
    let steps = across(mask, input)?;
    let largest = pool(&steps.select(input, f64::NEG_INFINITY)?)?;
    let kept = pool(&steps.cast(DType::F32))?.greater(0)?;
    Ok((kept.select(largest, 0.0)?, kept.squeeze(-1)?))
}

/// The averages of the steps that the mask keeps, and which windows have any; 0 where there are none.
fn average_kept(
    kind: &str,
    input: &Tensor,
    mask: &Tensor,
    pool: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<(Tensor, Tensor)> {
    let silenced = silenced(kind, input, mask)?;
    let share = pool(&across(mask, input)?.cast(input.dtype()))?;
    let kept = share.greater(0)?;
    let average = pool(&silenced)?.try_div(kept.select(share, 1.0)?)?;
    Ok((average, kept.squeeze(-1)?))
}
