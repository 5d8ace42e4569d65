//! Masks of sequences over which windows slide.

use tensor::ops::{ConvOptions, Padding};
use tensor::{DType, Result, Tensor};

use crate::mask::{refused, silenced};
use crate::weights::check_input;

/// What a convolution makes of a sequence with a mask, and the mask of its windows. What is left out counts as zeros,
/// as padding does.
pub(super) fn convolved<const N: usize>(
    kind: &'static str,
    input: &Tensor,
    mask: Option<&Tensor>,
    size: [usize; N],
    options: ConvOptions<N>,
    forward: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<(Tensor, Option<Tensor>)> {
    let Some(mask) = mask else { return Ok((forward(input)?, None)) };
    only_steps::<N>(kind)?;
    check_input(kind, input, 3, "[batch, steps, channels]")?;
    let output = forward(&silenced(kind, input, mask)?)?;
    let kept = windows_kept(mask, output.shape()[1], size, options)?;
    Ok((output, Some(kept)))
}

/// Which of so many windows are kept. Of steps that are left out at one end, those that there are over the others
/// alone: whose first and last step, not counting the padding, are kept; before the start and beyond the end it is the
/// outermost. All sizes fit, as the windows do.
pub(super) fn windows_kept<const N: usize>(
    mask: &Tensor,
    windows: usize,
    size: [usize; N],
    options: ConvOptions<N>,
) -> Result<Tensor> {
    let steps = mask.shape()[1];
    let (stride, reach) = (options.stride[0], (size[0] - 1) * options.dilation[0] + 1);
    let padding = match options.padding {
        Padding::Valid => 0,
        // One window for each step, or for the first of so many as the stride says.
        Padding::Same | Padding::Causal => reach - 1,
        Padding::Explicit(padding) => padding[0].0 + padding[0].1,
    };
    let end = steps.saturating_sub(1);
    let first: Tensor = (0..windows).map(|window| (window * stride).min(end) as i64).collect();
    let last = (0..windows).map(|window| (window * stride + reach - 1).saturating_sub(padding) as i64);
    let (first, last) = (mask.take(&first, 1)?, mask.take(&last.collect(), 1)?);
    // With more padding than windows take away, the last step stands before the first, and one of the two is enough.
    if padding < reach { first.select(&last, &first) } else { first.select(&first, &last) }
}

/// The mask with the steps between others that are kept.
pub(super) fn without_holes(mask: &Tensor) -> Result<Tensor> {
    let begun = |mask: &Tensor| mask.cast(DType::I64).cumsum(1)?.greater(0);
    begun(mask)?.logical_and(begun(&mask.flip(1)?)?.flip(1)?)
}

/// An error unless windows slide along the steps of a sequence alone.
pub(super) fn only_steps<const N: usize>(kind: &str) -> Result<()> {
    if N == 1 { Ok(()) } else { refused(kind, "windows over images do not go by steps") }
}

/// The method of `Layer` for a convolution of a `size` with `options`.
macro_rules! masked_convolution {
    ($kind:literal) => {
        fn forward_masked(
            &self,
            input: &Tensor,
            mask: Option<&Tensor>,
            mode: Mode,
        ) -> Result<(Tensor, Option<Tensor>)> {
            convolved($kind, input, mask, self.size, self.options, |input| self.forward(input, mode))
        }
    };
}
pub(super) use masked_convolution;
