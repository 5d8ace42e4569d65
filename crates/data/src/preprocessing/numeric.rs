//! Features from numbers: missing values and scales.

use serde::{Deserialize, Serialize};
use tensor::{DType, escaped};

use super::scale::{Scale, ScaleFitter, Scaling};
use crate::error::{DataError, Error, Result};
use crate::table::Table;

/// How a column of numbers becomes a feature. Everything is computed in float64. Features are float32, which represents
/// [unscaled](Numeric::new) whole numbers exactly up to 2²⁴.
///
/// An int64 beyond 2⁵³ that float64 would round is an error, because it is usually an identifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numeric {
    scale: Option<Scale>,
    missing: Missing,
    indicator: bool,
}

/// The replacement for a missing number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// Missing numbers are errors.
    Refused,
    /// The mean of the training rows.
    Mean,
    /// The median of the training rows. Fitting holds the column in memory.
    Median,
    /// This number, before scaling.
    Constant(f64),
}

impl Numeric {
    /// Uses numbers without scaling.
    pub fn new() -> Numeric {
        Numeric { scale: None, missing: Missing::Refused, indicator: false }
    }

    /// Scales to `(x - mean) / std`, with the mean and the standard deviation (divided by the count) of the training
    /// rows; `x - mean` if they are equal up to rounding. Like `StandardScaler` of scikit-learn.
    pub fn standardize() -> Numeric {
        Numeric { scale: Some(Scale::Standardize), ..Numeric::new() }
    }

    /// Scales to `(x - min) / (max - min)`, with the minimum and maximum of the training rows; `x - min` if they are
    /// equal up to rounding. Other numbers may become negative or exceed 1. Like `MinMaxScaler` of scikit-learn.
    pub fn min_max() -> Numeric {
        Numeric { scale: Some(Scale::MinMax), ..Numeric::new() }
    }

    /// Sets the replacement for missing numbers. By default they are errors.
    #[must_use]
    pub fn missing(self, missing: Missing) -> Numeric {
        Numeric { missing, ..self }
    }

    /// Adds a feature that is 1 if the number is missing and 0 otherwise.
    #[must_use]
    pub fn indicator(self) -> Numeric {
        Numeric { indicator: true, ..self }
    }
}

impl Default for Numeric {
    fn default() -> Numeric {
        Numeric::new()
    }
}

/// A numeric feature with the statistics of the training rows: `(x - center) / scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "what was fitted on a column of numbers, as an object")]
pub(super) struct FittedNumeric {
    pub(super) column: String,
    pub(super) center: f64,
    pub(super) scale: f64,
    /// The replacement for a missing number, before scaling; none if it is an error.
    pub(super) missing: Option<f64>,
    pub(super) indicator: bool,
}

impl FittedNumeric {
    pub(super) fn width(&self) -> usize {
        1 + usize::from(self.indicator)
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names = vec![self.column.clone()];
        if self.indicator {
            names.push(format!("{} missing", self.column));
        }
        names
    }

    fn scaling(&self) -> Scaling {
        Scaling { center: self.center, scale: self.scale }
    }

    pub(super) fn write(&self, table: &Table, put: &mut dyn FnMut(usize, usize, f64)) -> Result<()> {
        for (row, number) in numbers(table, &self.column)?.into_iter().enumerate() {
            let missing = number.is_nan();
            let number = match (missing, self.missing) {
                (false, _) => number,
                (true, Some(constant)) => constant,
                (true, None) => return Err(refused(table, row, &self.column)),
            };
            put(row, 0, self.scaling().apply(number, table, row, &self.column)?);
            if missing && self.indicator {
                put(row, 1, 1.0);
            }
        }
        Ok(())
    }

    /// Returns what is wrong with numbers from a file.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        self.scaling().check(&self.column)
    }
}

/// A column of numbers in float64. Whole numbers must not be rounded.
pub(super) fn numbers(table: &Table, column: &str) -> Result<Vec<f64>> {
    let numbers = table.column(column)?.numbers()?;
    if numbers.dtype() == DType::I64 {
        let wholes = numbers.to_vec::<i64>()?;
        let rounded = |&whole: &i64| whole as f64 as i128 != i128::from(whole);
        if let Some(row) = wholes.iter().position(rounded) {
            let message = format!(
                "float64 would round {}; an identifier is a `ColumnType::Category`, and what may be rounded a `ColumnType::F64`",
                wholes[row]
            );
            return Err(table.error_at(row, column, message));
        }
    }
    numbers.cast(DType::F64).to_vec()
}

fn refused(table: &Table, row: usize, column: &str) -> Error {
    table.error_at(row, column, "the number is missing; `Numeric::missing` can set a replacement".into())
}

/// Gathers the statistics of a column.
pub(super) struct NumericFitter {
    plan: Numeric,
    numbers: ScaleFitter,
    /// All numbers, for the median.
    kept: Vec<f64>,
}

impl NumericFitter {
    pub(super) fn new(plan: Numeric) -> NumericFitter {
        NumericFitter { plan, numbers: ScaleFitter::new(), kept: Vec::new() }
    }

    pub(super) fn update(&mut self, table: &Table, column: &str) -> Result<()> {
        let numbers = numbers(table, column)?;
        match numbers.iter().position(|number| number.is_nan()) {
            Some(row) if self.plan.missing == Missing::Refused => return Err(refused(table, row, column)),
            _ => self.numbers.update(&numbers, table, column)?,
        }
        if self.plan.missing == Missing::Median {
            self.kept.extend(numbers.iter().filter(|number| !number.is_nan()));
        }
        Ok(())
    }

    pub(super) fn finish(self, column: &str) -> Result<FittedNumeric> {
        let (Scaling { center, scale }, mean) = self.numbers.finish(self.plan.scale, column)?;
        let missing = match self.plan.missing {
            Missing::Refused => None,
            Missing::Mean => Some(mean),
            Missing::Median => Some(median(self.kept)),
            Missing::Constant(constant) if constant.is_finite() => Some(constant),
            Missing::Constant(constant) => {
                return Err(DataError::dataset(format!(
                    "preprocessing: column {}: {constant:?} cannot stand for missing numbers; it must be finite",
                    escaped(column)
                )));
            }
        };
        Ok(FittedNumeric { column: column.into(), center, scale, missing, indicator: self.plan.indicator })
    }
}

/// The median. There must be at least one number.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() % 2 {
        1 => numbers[half],
        _ => f64::midpoint(numbers[half - 1], numbers[half]),
    }
}
