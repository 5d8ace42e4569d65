//! Labels and tokens that are out of range, in the words of whoever uses them as indices.

use tensor::{DType, Error, ErrorKind, Shape, Tensor};

/// What `describe` makes of the first index that an operation refused and of its place among `indices`; any other error
/// as it is. The search costs nothing where nothing is wrong.
pub(crate) fn out_of_range(error: Error, indices: &Tensor, describe: impl FnOnce(i64, String) -> Error) -> Error {
    let ErrorKind::Index { index, .. } = *error.kind() else { return error };
    let place = indices.cast(DType::I64).to_vec::<i64>().ok().and_then(|all| all.iter().position(|&k| k == index));
    match place {
        Some(flat) => describe(index, place_of(indices.shape(), flat)),
        None => error,
    }
}

fn place_of(shape: &Shape, flat: usize) -> String {
    match shape.unravel_index(flat)[..] {
        [sample] => format!("of sample {sample}"),
        ref index => format!("at {index:?}"),
    }
}
