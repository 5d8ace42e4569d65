//! Errors about labels and tokens that are used as indices and are out of range.

use tensor::{DType, Error, ErrorKind, Shape, Tensor};

/// Replaces an error about an index out of range by the one that `describe` returns for the index and its position in
/// `indices`. Other errors are returned as they are.
pub(crate) fn out_of_range(error: Error, indices: &Tensor, describe: impl FnOnce(i64, String) -> Error) -> Error {
    let ErrorKind::Index { index, .. } = *error.kind() else { return error };
    let position = indices.cast(DType::I64).to_vec::<i64>().ok().and_then(|all| all.iter().position(|&k| k == index));
    match position {
        Some(flat) => describe(index, position_of(indices.shape(), flat)),
        None => error,
    }
}

fn position_of(shape: &Shape, flat: usize) -> String {
    match shape.unravel_index(flat)[..] {
        [sample] => format!("of sample {sample}"),
        ref index => format!("at {index:?}"),
    }
}
