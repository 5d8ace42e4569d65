//! Masks of steps: what layers check, pass on and refuse in [`Layer::forward_masked`](crate::Layer::forward_masked).
//!
//! A step that a mask excludes has no effect, whatever its values. Layers compute with zeros there ([`zero_masked`]),
//! because the product of NaN and a gradient of 0 would be NaN.

use tensor::{DType, Error, Result, Shape, Tensor};

/// Returns an error unless the mask is of type bool and has the first two axes of the sequence.
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

/// The input with zeros at the steps that the mask excludes.
pub(crate) fn zero_masked(kind: &str, input: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check_mask(kind, mask, input)?;
    broadcastable(mask, input)?.select(input, Tensor::full_of([], 0.0, input.dtype()))
}

/// [`zero_masked`] if there is a mask, else the input.
pub(crate) fn zero_if_masked(kind: &str, input: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    mask.map_or_else(|| Ok(input.clone()), |mask| zero_masked(kind, input, mask))
}

/// The mask with trailing axes of size 1, so that it broadcasts to the input.
pub(crate) fn broadcastable(mask: &Tensor, input: &Tensor) -> Result<Tensor> {
    let ones = std::iter::repeat_n(1, input.rank() - 2);
    mask.reshape(mask.shape().iter().copied().chain(ones).collect::<Shape>())
}

/// Returns an error unless the output has the steps that the mask marks, so that the mask can be passed on.
pub(crate) fn check_steps_remain(layer: impl FnOnce() -> String, output: &Tensor, mask: &Tensor) -> Result<()> {
    if output.rank() >= 2 && output.shape()[..2] == mask.shape()[..] {
        return Ok(());
    }
    let message = format!(
        "the mask {} marks steps that this output does not have: end the mask before, as a recurrent layer or global \
         pooling does, or override `forward_masked` to return the mask of this output",
        mask.shape()
    );
    Err(Error::shape(layer(), output.shape(), message))
}

/// Returns an error if the input has a mask and its last axis, which the layer combines, is the axis of steps.
pub(crate) fn check_separate_features(kind: &str, input: &Tensor, mask: Option<&Tensor>) -> Result<()> {
    if mask.is_some() && input.rank() < 3 {
        return refuse_mask(kind, "it combines all elements of the last axis, which are the steps");
    }
    Ok(())
}

/// The error of a layer that cannot determine which steps of its output count.
pub(crate) fn refuse_mask<T>(kind: &str, reason: &str) -> Result<T> {
    let message = format!(
        "does not support a mask of steps: {reason}; move it before the layer that makes the mask, or after a layer \
         that ends it"
    );
    Err(Error::argument(kind, message))
}
