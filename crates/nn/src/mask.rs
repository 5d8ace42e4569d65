//! Masks of steps: what layers check, hand on and refuse in [`Layer::forward_masked`].

use tensor::{DType, Error, Result, Tensor};

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

/// An output whose steps are those of the input, and their mask.
pub(crate) fn handed_on<L: Layer + ?Sized>(
    layer: &L,
    output: Tensor,
    mask: Option<&Tensor>,
) -> Result<(Tensor, Option<Tensor>)> {
    match mask.filter(|mask| output.rank() < 2 || output.shape()[..2] != mask.shape()[..]) {
        Some(mask) => {
            let message = format!(
                "the mask {} marks steps that this output has not: let it end before, as in a recurrent layer or \
                 global pooling, or say in `forward_masked` what becomes of it",
                mask.shape()
            );
            Err(Error::shape(layer.describe(), output.shape(), message))
        }
        None => Ok((output, mask.cloned())),
    }
}

/// [`Layer::forward_masked`] of a layer that goes along the last axis, which must not be the steps.
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
    handed_on(layer, layer.forward(input, mode)?, mask)
}

/// The error of a layer that cannot say which steps of its output count.
pub(crate) fn refused<T>(kind: &str, reason: &str) -> Result<T> {
    let message =
        format!("takes no mask of steps: {reason}; put it before what makes the mask, or where the mask ends");
    Err(Error::argument(kind, message))
}
