//! Means and variances of values that come in parts, and what is divided by to normalize.

use tensor::{DType, Shape, Tensor, normalize_axis};

use crate::batch::Batch;
use crate::error::{DataError, Result};

/// Numbers that differ by no more than this part of their size differ in their last digit, and are
/// equal but for rounding.
const ROUNDING: f64 = 2.0 * f64::EPSILON;

/// What numbers are divided by to be normalized, given their size and how far apart they are: their
/// standard deviation, or the distance between the least and the greatest.
///
/// That is the spread, but 1 for numbers that are constant, as in scikit-learn: those become 0, and
/// others keep their distance from them.
pub(crate) fn divisor(spread: f64, size: f64) -> f64 {
    if spread <= ROUNDING * size.abs() { 1.0 } else { spread }
}

/// Of many values each: their number, mean, and sum of squared distances from it.
pub(crate) struct Moments {
    pub(crate) count: f64,
    /// Float64.
    pub(crate) mean: Tensor,
    pub(crate) squares: Tensor,
}

impl Moments {
    /// Those of a batch, unless there is nothing in it. In float64, from the distances to the batch's own mean.
    pub(crate) fn of(batch: &Batch, axes: &[isize]) -> Result<Option<Moments>> {
        let rank = batch.features.rank();
        let samples = batch.counting_axes();
        let axes = axes.iter().map(|&axis| normalize_axis(axis, rank, "normalization")).collect::<Result<Vec<_>>>()?;
        if let Some(axis) = axes.iter().find(|&&axis| axis < samples) {
            let message =
                format!("normalization: axis {axis} counts samples or steps, which have no mean of their own");
            return Err(DataError::dataset(message));
        }
        let values = match &batch.mask {
            Some(mask) => batch.features.masked_select(mask)?,
            None => batch.features.clone(),
        };
        // A mask makes one axis of the first two.
        let kept: Vec<usize> = axes.iter().map(|axis| axis + 1 - samples).collect();
        let over: Vec<usize> = (0..values.rank()).filter(|axis| !kept.contains(axis)).collect();
        Moments::over(&values, &over)
    }

    /// Those of values over some axes, the first of which is among them, unless there are none. Equal
    /// values have exactly their mean, and squares of exactly 0.
    pub(crate) fn over(values: &Tensor, axes: &[usize]) -> Result<Option<Moments>> {
        let values = values.cast(DType::F64);
        if values.size() == 0 {
            return Ok(None);
        }
        // The first mean may be off by rounding, for equal values all by the same, which is exact: the
        // mean of the differences corrects it.
        let rounded = values.mean_keepdims(axes)?;
        let mean = rounded.try_add(values.try_sub(&rounded)?.mean_keepdims(axes)?)?;
        let squares = values.try_sub(&mean)?.square().sum_keepdims(axes)?;
        let count = (values.size() / mean.size()) as f64;
        // Without the first axis.
        let shape: Shape = mean.shape().iter().skip(1).copied().collect();
        Ok(Some(Moments { count, mean: mean.reshape(shape.clone())?, squares: squares.reshape(shape)? }))
    }

    /// Those of both, by the formula of Chan, Golub and LeVeque (1979).
    pub(crate) fn and(self, other: Moments) -> Result<Moments> {
        let count = self.count + other.count;
        let distance = other.mean.try_sub(&self.mean)?;
        let mean = self.mean.try_add(distance.try_mul(other.count / count)?)?;
        let between = distance.square().try_mul(self.count * (other.count / count))?;
        let squares = self.squares.try_add(&other.squares)?.try_add(between)?;
        Ok(Moments { count, mean, squares })
    }
}
