//! Checks of operands that several families share.

use crate::error::{Error, Result};
use crate::shape::normalize_axis;
use crate::tensor::Tensor;

/// Returns an error unless `axis` is below `rank`. Operations are public data, so their attributes may be invalid.
#[track_caller]
pub(super) fn check_axis(axis: usize, rank: usize, operation: &str) -> Result<()> {
    normalize_axis(axis, rank, operation).map(drop)
}

/// The operands of an operation; an error unless there are exactly `N`.
#[inline]
#[track_caller]
pub(super) fn operands<'a, const N: usize>(inputs: &[&'a Tensor], operation: &str) -> Result<[&'a Tensor; N]> {
    <[&Tensor; N]>::try_from(inputs)
        .map_err(|_| Error::argument(operation, format!("takes {N} operands, not {}", inputs.len())))
}

/// Returns an error unless both operands have the same element type.
#[inline]
#[track_caller]
pub(super) fn same_dtype(a: &Tensor, b: &Tensor, operation: &str) -> Result<()> {
    let (a, b) = (a.dtype(), b.dtype());
    if a == b {
        return Ok(());
    }
    // A cast of the floating-point operand to an integer would lose its fraction.
    let (found, expected) = if a.is_float() && !b.is_float() { (b, a) } else { (a, b) };
    Err(Error::dtypes(operation, found, expected))
}
