//! What the formulas of the losses share: checks of their inputs, and numerical conventions.

use std::panic::Location;

use tensor::{Error, Result, Tensor};

/// The distance from 0 and 1 to which Keras clips probabilities before it takes logarithms.
pub(super) const EPSILON: f64 = 1e-7;

/// `xᵉ` for `x ≥ 0`, with derivatives of 0 at 0 unless `e` is an integer.
///
/// From some order on the derivatives are infinite there. The losses multiply them by a factor that is 0 at the same
/// place, and the product tends to 0.
pub(super) fn power(x: &Tensor, exponent: f64) -> Result<Tensor> {
    if exponent.fract() == 0.0 {
        return x.pow(exponent);
    }
    let zero = x.equal(0.0)?;
    zero.select(0.0, zero.select(1.0, x)?.pow(exponent)?)
}

/// Checks the predictions and computes a loss. Errors begin with the name of the loss and both shapes.
#[track_caller]
pub(super) fn checked_loss(
    name: &str,
    targets: &Tensor,
    predictions: &Tensor,
    compute: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    let checked = || {
        if !predictions.dtype().is_float() {
            return Err(Error::dtype("predictions", predictions.dtype(), "a floating type"));
        }
        match &predictions.shape()[..] {
            [] => Err(Error::shape("predictions", predictions.shape(), "needs at least one axis")),
            [.., 0] => Err(Error::shape("predictions", predictions.shape(), "the last axis is empty")),
            shape if shape.contains(&0) => Err(Error::argument("predictions", "there are no samples")),
            _ => compute(),
        }
    };
    let place = Location::caller();
    checked().map_err(|error| {
        error.at(place).context(format!(
            "{name} of targets {} and predictions {}",
            targets.shape(),
            predictions.shape()
        ))
    })
}

/// The targets in the shape and type of the predictions, for a comparison element by element.
pub(super) fn match_targets(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    let (dtype, shape) = (predictions.dtype(), predictions.shape());
    if targets.dtype().is_float() && targets.dtype() != dtype {
        return Err(Error::dtypes("targets and predictions", targets.dtype(), dtype));
    }
    let targets = targets.cast(dtype);
    // `[batch]` and `[batch, 1]` would broadcast to all pairs. As in Keras, the first is a column.
    let column = |short: &Tensor, long: &Tensor| long.shape().split_last() == Some((&1, &short.shape()[..]));
    if targets.shape() == shape {
        Ok(targets)
    } else if column(&targets, predictions) || column(predictions, &targets) {
        targets.reshape(shape)
    } else {
        Err(Error::shape("targets", targets.shape(), format!("must be that of the predictions, {shape}")))
    }
}
