//! Hinge losses.

use tensor::{Result, Tensor};

use super::plain::plain_losses;

plain_losses! {
    /// The mean of `max(1 - t p, 0)` over the last axis, for targets -1 and 1. The derivative at the margin is 0. As in
    /// Keras, if all targets are 0 or 1, they are mapped to -1 and 1.
    hinge Hinge |t, p| shortfall(t, p)?.mean_axis(-1), logits: true;
    /// The mean of `max(1 - t p, 0)²` over the last axis, with targets as in [`hinge`].
    squared_hinge SquaredHinge |t, p| shortfall(t, p)?.square().mean_axis(-1), logits: true;
    /// `max(1 + max((1 - t) p) - Σ t p, 0)` for each sample, with one-hot rows t: by how much the score of the target class
    /// fails to exceed all other scores by 1 (Crammer & Singer 2001). In Keras' formula, the maximum includes a 0 for the
    /// target class.
    categorical_hinge CategoricalHinge |t, p| {
        let right = p.multiply_no_nan(t)?.sum_axis(-1)?;
        let other = p.multiply_no_nan(1.0 - t)?.max_axis(-1)?;
        Ok(other.try_sub(right)?.try_add(1.0)?.relu())
    };
}

/// `max(1 - t p, 0)` for each element.
fn shortfall(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    let truth_values = targets.equal(0.0)?.logical_or(targets.equal(1.0)?)?.all()?.item()? != 0.0;
    let signs = if truth_values { targets.try_mul(2.0)?.try_sub(1.0)? } else { targets.clone() };
    Ok((1.0 - signs.try_mul(predictions)?).relu())
}
