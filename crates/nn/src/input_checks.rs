//! Checks of the inputs of layers.

use tensor::{Error, Result, Tensor};

/// Returns an error unless the input is floating and has at least `rank` axes, which `axes` describes.
#[track_caller]
pub(crate) fn check_input(kind: &'static str, input: &Tensor, rank: usize, axes: &str) -> Result<()> {
    if input.rank() < rank {
        return Err(Error::shape(kind, input.shape(), format!("needs at least {rank} axes, {axes}")));
    }
    if !input.dtype().is_float() {
        return Err(Error::dtype(kind, input.dtype(), "a floating type; cast the input first"));
    }
    Ok(())
}

/// The sizes `[time, width]` of a sequence `[…, time, width]`.
#[track_caller]
pub(crate) fn sequence_sizes(kind: &'static str, input: &Tensor) -> Result<[usize; 2]> {
    check_input(kind, input, 2, "[…, time, width]")?;
    Ok(*input.shape().last_chunk().expect("there are at least two axes"))
}
