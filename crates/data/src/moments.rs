//! Means and variances of values that arrive in parts, and the divisor for normalization.

use tensor::{DType, Shape, Tensor, normalize_axis};

use crate::batch::Batch;
use crate::error::{DataError, Result};

/// Numbers whose relative difference is at most this are equal but for rounding: they differ in the last digit.
const ROUNDING: f64 = 2.0 * f64::EPSILON;

/// The divisor that normalizes numbers of magnitude `size` with the given spread, which is their standard deviation or
/// their range.
///
/// It is the spread, or 1 if the numbers are constant, as in scikit-learn. Constant numbers become 0, and other values
/// keep their distance from them.
pub(crate) fn divisor(spread: f64, size: f64) -> f64 {
    if spread <= ROUNDING * size.abs() { 1.0 } else { spread }
}

/// The count, the means, and the sums of squared distances from the means, of several quantities.
pub(crate) struct Moments {
    pub(crate) count: f64,
    /// Float64.
    pub(crate) mean: Tensor,
    pub(crate) squares: Tensor,
}

impl Moments {
    /// The moments of a batch in float64, from the distances to the batch's own means; `None` if it is empty.
    pub(crate) fn of(batch: &Batch, axes: &[isize]) -> Result<Option<Moments>> {
        let rank = batch.features.rank();
        let samples = batch.counting_axes();
        let axes = axes.iter().map(|&axis| normalize_axis(axis, rank, "normalization")).collect::<Result<Vec<_>>>()?;
        if let Some(axis) = axes.iter().find(|&&axis| axis < samples) {
            let message = format!("normalization: axis {axis} is that of samples or steps, which are averaged over");
            return Err(DataError::dataset(message));
        }
        let values = match &batch.mask {
            Some(mask) => batch.features.masked_select(mask)?,
            None => batch.features.clone(),
        };
        // With a mask, the first two axes become one.
        let kept: Vec<usize> = axes.iter().map(|axis| axis + 1 - samples).collect();
        let over: Vec<usize> = (0..values.rank()).filter(|axis| !kept.contains(axis)).collect();
        Moments::over(&values, &over)
    }

    /// The moments over some axes, which include the first; `None` if there are no values. For equal values, the mean
    /// is exact and the squares are exactly 0.
    pub(crate) fn over(values: &Tensor, axes: &[usize]) -> Result<Option<Moments>> {
        let values = values.cast(DType::F64);
        if values.size() == 0 {
            return Ok(None);
        }
        // The first mean may be rounded. For equal values all differences from it are equal and exact, so their mean
        // corrects it.
        let rounded = values.mean_keepdims(axes)?;
        let mean = rounded.try_add(values.try_sub(&rounded)?.mean_keepdims(axes)?)?;
        let squares = values.try_sub(&mean)?.square().sum_keepdims(axes)?;
        let count = (values.size() / mean.size()) as f64;
        // The axes without the first one.
        let shape: Shape = mean.shape().iter().skip(1).copied().collect();
        Ok(Some(Moments { count, mean: mean.reshape(shape.clone())?, squares: squares.reshape(shape)? }))
    }

    /// The combined moments, by the formula of Chan, Golub and LeVeque (1979).
    pub(crate) fn and(self, other: Moments) -> Result<Moments> {
        let count = self.count + other.count;
        let distance = other.mean.try_sub(&self.mean)?;
        let mean = self.mean.try_add(distance.try_mul(other.count / count)?)?;
        let between = distance.square().try_mul(self.count * (other.count / count))?;
        let squares = self.squares.try_add(&other.squares)?.try_add(between)?;
        Ok(Moments { count, mean, squares })
    }
}
