//! Scales of numbers, computed in float64 from the training rows.

use serde::{Deserialize, Serialize};
use tensor::{DType, Tensor, escaped};

use crate::error::{DataError, Result};
use crate::moments::{Moments, divisor};
use crate::table::Table;

/// The kind of a scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Standardize,
    MinMax,
}

/// The scaling `(x - center) / scale`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `center` and `scale`")]
pub(super) struct Scaling {
    pub(super) center: f64,
    pub(super) scale: f64,
}

impl Default for Scaling {
    /// The identity.
    fn default() -> Scaling {
        Scaling { center: 0.0, scale: 1.0 }
    }
}

impl Scaling {
    /// Returns an error for a number of a row and column that becomes infinite in float32.
    pub(super) fn apply(self, number: f64, table: &Table, row: usize, column: &str) -> Result<f64> {
        let scaled = (number - self.center) / self.scale;
        match (scaled as f32).is_finite() {
            true => Ok(scaled),
            false => Err(table.error_at(row, column, format!("{number:?} becomes infinite in float32"))),
        }
    }

    /// Inverts [`apply`](Scaling::apply). Returns float32, or float64 for float64.
    pub(super) fn invert(self, scaled: &Tensor) -> Result<Tensor> {
        let out = if scaled.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        Ok(scaled.cast(DType::F64).try_mul(self.scale)?.try_add(self.center)?.cast(out))
    }

    /// Returns what is wrong with numbers from a file.
    pub(super) fn check(self, column: &str) -> std::result::Result<(), String> {
        // JSON has no infinities and no NaN.
        match self.scale > 0.0 {
            true => Ok(()),
            false => Err(format!("column {}: the scale must be above 0", escaped(column))),
        }
    }
}

/// Gathers moments and range of a column.
pub(super) struct ScaleFitter {
    moments: Option<Moments>,
    least: f64,
    greatest: f64,
}

impl ScaleFitter {
    pub(super) fn new() -> ScaleFitter {
        ScaleFitter { moments: None, least: f64::INFINITY, greatest: f64::NEG_INFINITY }
    }

    /// Adds the numbers of a column of a table. Missing numbers do not count.
    pub(super) fn update(&mut self, numbers: &[f64], table: &Table, column: &str) -> Result<()> {
        if let Some(row) = numbers.iter().position(|number| number.is_infinite()) {
            let message = format!("{:?} has no mean; numbers must be finite", numbers[row]);
            return Err(table.error_at(row, column, message));
        }
        let present: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
        self.least = present.iter().copied().fold(self.least, f64::min);
        self.greatest = present.iter().copied().fold(self.greatest, f64::max);
        let count = present.len();
        let of_table = Moments::over(&Tensor::from_vec(present, [count])?, &[0])?;
        self.moments = match (self.moments.take(), of_table) {
            (Some(before), Some(more)) => Some(before.and(more)?),
            (before, more) => before.or(more),
        };
        Ok(())
    }

    /// The scaling, and the mean.
    pub(super) fn finish(self, scale: Option<Scale>, column: &str) -> Result<(Scaling, f64)> {
        let wrong = |what: &str| Err(DataError::dataset(format!("preprocessing: column {}: {what}", escaped(column))));
        let Some(moments) = self.moments else {
            return wrong("there is no number in the training rows");
        };
        let mean = moments.mean.item()?;
        let (center, spread, size) = match scale {
            None => (0.0, 1.0, 0.0),
            Some(Scale::Standardize) => (mean, (moments.squares.item()? / moments.count).sqrt(), mean),
            Some(Scale::MinMax) => (self.least, self.greatest - self.least, self.least.abs().max(self.greatest.abs())),
        };
        let scale = divisor(spread, size);
        match mean.is_finite() && scale.is_finite() {
            true => Ok((Scaling { center, scale }, mean)),
            false => wrong("the numbers are too large for their mean or range to be computed"),
        }
    }
}
