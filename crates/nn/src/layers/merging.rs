//! What the layers that combine several inputs share.

use tensor::{Error, Result, Tensor};

/// Combines the inputs two at a time, from left to right. The result for one input is the input.
#[track_caller]
pub(super) fn fold(
    kind: &'static str,
    inputs: &[&Tensor],
    combine: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let Some((&first, rest)) = inputs.split_first() else {
        return Err(Error::argument(kind, "takes at least 1 input, not 0"));
    };
    rest.iter().try_fold(first.clone(), |result, &input| combine(&result, input))
}

/// The inputs of a layer that takes exactly two.
#[track_caller]
pub(super) fn pair<'a>(kind: &'static str, inputs: &[&'a Tensor]) -> Result<[&'a Tensor; 2]> {
    <[&Tensor; 2]>::try_from(inputs).map_err(|_| Error::argument(kind, format!("takes 2 inputs, not {}", inputs.len())))
}
