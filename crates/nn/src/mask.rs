//! Masks of steps: what layers check, hand on and refuse in [`Layer::forward_masked`].
//!
//! A step that a mask leaves out has no effect, whatever stands there. Layers compute with zeros instead
//! ([`silenced`]): a product of NaN with a gradient of 0 would be NaN.

use tensor::{DType, Error, Result, Shape, Tensor};

use crate::layer::{Layer, Mode};

/// An error unless the mask is of type bool and has the first two axes of a sequence.
pub(crate) fn check_mask(kind: &str, mask: &Tensor, sequence: &Tensor) -> Result<()> {
    if sequence.rank() < 2 || mask.shape()[..] != sequence.shape()[..2] {
        let message = format!("a mask must be [batch, time], here of a sequence {}", sequence.shape());
        return Err(Error::shape(kind, mask.shape(), message));
    }
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(kind, mask.dtype(), "bool, as a mask must be"));
    }
    Ok(())
}

/// The input with zeros at the steps that the mask leaves out, whatever they were.
pub(crate) fn silenced(kind: &str, input: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check_mask(kind, mask, input)?;
    across(mask, input)?.select(input, Tensor::full_of([], 0.0, input.dtype()))
}

/// [`silenced`] if there is a mask.
pub(crate) fn silenced_by(kind: &str, input: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    mask.map_or_else(|| Ok(input.clone()), |mask| silenced(kind, input, mask))
}

/// The mask with as many axes as the input.
pub(crate) fn across(mask: &Tensor, input: &Tensor) -> Result<Tensor> {
    let ones = std::iter::repeat_n(1, input.rank() - 2);
    mask.reshape(mask.shape().iter().copied().chain(ones).collect::<Shape>())
}

/// [`Layer::forward_masked`] of a layer whose output has the steps of its input: the mask stays the same.
pub(crate) fn step_by_step<L: Layer + ?Sized>(
    layer: &L,
    input: &Tensor,
    mask: Option<&Tensor>,
    mode: Mode,
) -> Result<(Tensor, Option<Tensor>)> {
    let Some(mask) = mask else { return Ok((layer.forward(input, mode)?, None)) };
    let output = layer.forward(&silenced(layer.kind(), input, mask)?, mode)?;
    if output.rank() < 2 || output.shape()[..2] != mask.shape()[..] {
        let message = format!(
            "the mask {} marks steps that this output does not have: let it end before, as in a recurrent layer or \
             global pooling, or say in `forward_masked` what becomes of it",
            mask.shape()
        );
        return Err(Error::shape(layer.describe(), output.shape(), message));
    }
    Ok((output, Some(mask.clone())))
}

/// [`step_by_step`] of a layer that goes along the last axis, which must not be the steps.
pub(crate) fn along_features<L: Layer + ?Sized>(
    layer: &L,
    kind: &str,
    input: &Tensor,
    mask: Option<&Tensor>,
    mode: Mode,
) -> Result<(Tensor, Option<Tensor>)> {
    if mask.is_some() && input.rank() < 3 {
        return refused(kind, "the steps are the last axis, and it goes along all of them");
    }
    step_by_step(layer, input, mask, mode)
}

/// The error of a layer that cannot say which steps of its output count.
pub(crate) fn refused<T>(kind: &str, reason: &str) -> Result<T> {
    let message =
        format!("takes no mask of steps: {reason}; put it before what makes the mask, or where the mask ends");
    Err(Error::argument(kind, message))
}
