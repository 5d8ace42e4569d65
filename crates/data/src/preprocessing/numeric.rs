//! Numbers as features: what stands for missing ones, and their scale.

use serde::{Deserialize, Serialize};
use tensor::{DType, Tensor};

use crate::error::{Error, Result};
use crate::moments::Moments;
use crate::table::Table;

/// What becomes of a column of numbers. All is computed in float64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numeric {
    scale: Scale,
    missing: Missing,
    indicator: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Plain,
    Standardize,
    MinMax,
}

/// What stands for a number that is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// Nothing: it is an error.
    Refused,
    /// The mean of those that are there in the training rows.
    Mean,
    /// Their median. To find it they are held in memory.
    Median,
    /// This number, which is then scaled as all are.
    Constant(f64),
}

impl Numeric {
    /// Numbers as they are.
    pub fn new() -> Numeric {
        Numeric { scale: Scale::Plain, missing: Missing::Refused, indicator: false }
    }

    /// `(x - mean) / std`, by mean and standard deviation (divided by the count) of the numbers that are there in the
    /// training rows; where all are equal, `x - mean`. As scikit-learn's `StandardScaler`.
    pub fn standardize() -> Numeric {
        Numeric { scale: Scale::Standardize, ..Numeric::new() }
    }

    /// `(x - min) / (max - min)`, by the least and greatest in the training rows; where all are equal, `x - min`.
    /// Others may be below 0 or above 1. As scikit-learn's `MinMaxScaler`.
    pub fn min_max() -> Numeric {
        Numeric { scale: Scale::MinMax, ..Numeric::new() }
    }

    /// What stands for missing numbers. They are refused by default.
    #[must_use]
    pub fn missing(self, missing: Missing) -> Numeric {
        Numeric { missing, ..self }
    }

    /// Adds a feature that is 1 where the number is missing, else 0.
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

/// The same, with what was found in the training rows: `(x - center) / scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FittedNumeric {
    pub(super) column: String,
    pub(super) center: f64,
    pub(super) scale: f64,
    /// What stands for a missing number, before it is scaled; none if it is refused.
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

    pub(super) fn write(&self, table: &Table, put: &mut dyn FnMut(usize, usize, f64)) -> Result<()> {
        for (row, number) in numbers(table, &self.column)?.into_iter().enumerate() {
            let missing = number.is_nan();
            let number = match (missing, self.missing) {
                (false, _) => number,
                (true, Some(constant)) => constant,
                (true, None) => return Err(refused(table, row, &self.column)),
            };
            let scaled = (number - self.center) / self.scale;
            if !(scaled as f32).is_finite() {
                let message = format!("{number:?} becomes infinite in float32");
                return Err(table.error_at(row, &self.column, message));
            }
            put(row, 0, scaled);
            if missing && self.indicator {
                put(row, 1, 1.0);
            }
        }
        Ok(())
    }

    /// What is wrong with numbers that come from a file.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        let finite = self.center.is_finite() && self.missing.is_none_or(f64::is_finite);
        match finite && self.scale.is_finite() && self.scale > 0.0 {
            true => Ok(()),
            false => Err(format!("column {}: numbers must be finite and the scale above 0", self.column)),
        }
    }
}

/// A column of numbers in float64.
pub(super) fn numbers(table: &Table, column: &str) -> Result<Vec<f64>> {
    Ok(table.column(column)?.numbers()?.cast(DType::F64).to_vec()?)
}

fn refused(table: &Table, row: usize, column: &str) -> Error {
    table.error_at(row, column, "the number is missing; `Numeric::missing` can say what stands for it".into())
}

/// What was seen of a column.
pub(super) struct Seen {
    plan: Numeric,
    moments: Option<Moments>,
    least: f64,
    greatest: f64,
    /// All, for the median.
    numbers: Vec<f64>,
}

impl Seen {
    pub(super) fn new(plan: Numeric) -> Seen {
        Seen { plan, moments: None, least: f64::INFINITY, greatest: f64::NEG_INFINITY, numbers: Vec::new() }
    }

    pub(super) fn see(&mut self, table: &Table, column: &str) -> Result<()> {
        let mut present = Vec::new();
        for (row, number) in numbers(table, column)?.into_iter().enumerate() {
            if number.is_infinite() {
                return Err(table.error_at(row, column, format!("{number:?} has no mean; numbers must be finite")));
            }
            if !number.is_nan() {
                present.push(number);
            } else if self.plan.missing == Missing::Refused {
                return Err(refused(table, row, column));
            }
        }
        self.least = present.iter().copied().fold(self.least, f64::min);
        self.greatest = present.iter().copied().fold(self.greatest, f64::max);
        if self.plan.missing == Missing::Median {
            self.numbers.extend(&present);
        }
        let count = present.len();
        let of_table = Moments::over(&Tensor::from_vec(present, [count])?, &[0])?;
        self.moments = match (self.moments.take(), of_table) {
            (Some(before), Some(more)) => Some(before.and(more)?),
            (before, more) => before.or(more),
        };
        Ok(())
    }

    pub(super) fn finish(self, column: &str) -> Result<FittedNumeric> {
        let wrong = |what: String| Error::Dataset(format!("preprocessing: column {column}: {what}"));
        let Some(moments) = &self.moments else {
            return Err(wrong("there is no number in the training rows".into()));
        };
        let mean = moments.mean.item()?;
        let deviation = (moments.squares.item()? / moments.count).sqrt();
        let (center, scale) = match self.plan.scale {
            Scale::Plain => (0.0, 1.0),
            Scale::Standardize => (mean, deviation),
            Scale::MinMax => (self.least, self.greatest - self.least),
        };
        // Rounding may leave a little of the deviation of equal numbers, and nothing of that of tiny ones.
        let scale = if self.least == self.greatest || scale == 0.0 { 1.0 } else { scale };
        let missing = match self.plan.missing {
            Missing::Refused => None,
            Missing::Mean => Some(mean),
            Missing::Median => Some(median(self.numbers)),
            Missing::Constant(constant) if constant.is_finite() => Some(constant),
            Missing::Constant(constant) => {
                return Err(wrong(format!("{constant:?} cannot stand for missing numbers; it must be finite")));
            }
        };
        let fitted = FittedNumeric { column: column.into(), center, scale, missing, indicator: self.plan.indicator };
        match fitted.check() {
            Ok(()) => Ok(fitted),
            Err(_) => Err(wrong("the numbers are too large for their mean or range to be computed".into())),
        }
    }
}

/// The one in the middle, or the mean of two. There is one at least.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() % 2 {
        1 => numbers[half],
        _ => f64::midpoint(numbers[half - 1], numbers[half]),
    }
}
