//! Masks of sequences along which windows slide.

use tensor::ops::{ConvOptions, Padding};
use tensor::{DType, Result, Tensor};

use crate::input_checks::check_input;
use crate::mask::{refuse_mask, zero_masked};

/// The output of a convolution for a sequence with a mask, and the mask of its windows. Excluded steps are zeros, like
/// padding.
pub(super) fn masked_convolution<const N: usize>(
    kind: &'static str,
    input: &Tensor,
    mask: Option<&Tensor>,
    size: [usize; N],
    options: ConvOptions<N>,
    forward: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<(Tensor, Option<Tensor>)> {
    let Some(mask) = mask else { return Ok((forward(input)?, None)) };
    check_sequence_windows::<N>(kind)?;
    check_input(kind, input, 3, "[batch, steps, channels]")?;
    let output = forward(&zero_masked(kind, input, mask)?)?;
    let kept = windows_kept(mask, output.shape()[1], size, options)?;
    Ok((output, Some(kept)))
}

/// The mask of the windows. A window is kept if its first and its last step are kept, where padding is not counted and
/// a position beyond an end of the sequence counts as the outermost step. So if steps at one end are excluded, the
/// windows are those of the remaining sequence alone. The sizes cannot overflow, because the windows exist.
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
        // One window for each step, or for every `stride`-th step.
        Padding::Same | Padding::Causal => reach - 1,
        Padding::Explicit(padding) => padding[0].0 + padding[0].1,
    };
    let end = steps.saturating_sub(1);
    let first: Tensor = (0..windows).map(|window| (window * stride).min(end) as i64).collect();
    let last = (0..windows).map(|window| (window * stride + reach - 1).saturating_sub(padding) as i64);
    let (first, last) = (mask.take(&first, 1)?, mask.take(&last.collect(), 1)?);
    // If the padding is longer than a window is wide, the last step is before the first, and one kept step is enough.
    if padding < reach { first.select(&last, &first) } else { first.select(&first, &last) }
}

/// The mask that also keeps the excluded steps between kept ones.
pub(super) fn without_holes(mask: &Tensor) -> Result<Tensor> {
    let begun = |mask: &Tensor| mask.cast(DType::I64).cumsum(1)?.greater(0);
    begun(mask)?.logical_and(begun(&mask.flip(1)?)?.flip(1)?)
}

/// Returns an error unless windows slide along the steps of a sequence only.
pub(super) fn check_sequence_windows<const N: usize>(kind: &str) -> Result<()> {
    if N == 1 { Ok(()) } else { refuse_mask(kind, "windows slide over images, not along steps") }
}
