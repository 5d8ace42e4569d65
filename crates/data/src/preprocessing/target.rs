//! Targets from a column.

use serde::{Deserialize, Serialize};
use tensor::{Tensor, escaped};

use super::categorical::{CategoryFitter, slots, sorted};
use super::numeric::numbers;
use super::scale::{Scale, ScaleFitter, Scaling};
use crate::error::{DataError, Result};
use crate::table::{ColumnType, Table};

/// The kind of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    Number(Option<Scale>),
    Class,
}

impl Target {
    pub(super) fn column_type(self) -> ColumnType {
        match self {
            Target::Number(_) => ColumnType::F64,
            Target::Class => ColumnType::Category,
        }
    }
}

/// A target with the scale or the classes of the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, expecting = "a target, `number` or `class`")]
pub(super) enum FittedTarget {
    Number {
        column: String,
        /// Files of earlier versions have no scaling.
        #[serde(default)]
        scaling: Scaling,
    },
    Class {
        column: String,
        /// Sorted.
        classes: Vec<String>,
    },
}

/// Gathers the statistics of the column.
pub(super) enum TargetFitter {
    Number(Option<Scale>, Box<ScaleFitter>),
    Class(CategoryFitter),
}

impl TargetFitter {
    pub(super) fn new(target: Target) -> TargetFitter {
        match target {
            Target::Number(scale) => TargetFitter::Number(scale, Box::new(ScaleFitter::new())),
            Target::Class => TargetFitter::Class(Default::default()),
        }
    }

    pub(super) fn update(&mut self, table: &Table, column: &str) -> Result<()> {
        match self {
            TargetFitter::Number(_, fitter) => fitter.update(&present(table, column)?, table, column),
            TargetFitter::Class(fitter) => {
                fitter.update(table, column, Some("the class is missing; `Table::drop_missing` leaves such rows out"))
            }
        }
    }

    pub(super) fn finish(self, column: &str) -> Result<FittedTarget> {
        Ok(match self {
            TargetFitter::Number(scale, fitter) => {
                FittedTarget::Number { column: column.into(), scaling: fitter.finish(scale, column)?.0 }
            }
            TargetFitter::Class(fitter) => {
                FittedTarget::Class { column: column.into(), classes: fitter.finish(column)? }
            }
        })
    }
}

/// The numbers of a column. A missing one is an error.
fn present(table: &Table, column: &str) -> Result<Vec<f64>> {
    let numbers = numbers(table, column)?;
    match numbers.iter().position(|number| number.is_nan()) {
        Some(row) => {
            let problem = "the target is missing; `Table::drop_missing` leaves such rows out";
            Err(table.error_at(row, column, problem.into()))
        }
        None => Ok(numbers),
    }
}

impl FittedTarget {
    pub(super) fn column(&self) -> (String, ColumnType) {
        match self {
            FittedTarget::Number { column, .. } => (column.clone(), ColumnType::F64),
            FittedTarget::Class { column, .. } => (column.clone(), ColumnType::Category),
        }
    }

    pub(super) fn classes(&self) -> &[String] {
        match self {
            FittedTarget::Number { .. } => &[],
            FittedTarget::Class { classes, .. } => classes,
        }
    }

    pub(super) fn of(&self, table: &Table) -> Result<Tensor> {
        match self {
            FittedTarget::Class { column, classes } => {
                let classes = slots(table, column, classes, 0, None)?;
                Ok(classes.into_iter().map(|class| class as i64).collect())
            }
            FittedTarget::Number { column, scaling } => {
                let numbers = present(table, column)?.into_iter().enumerate();
                let scaled = numbers.map(|(row, number)| Ok(scaling.apply(number, table, row, column)? as f32));
                let scaled = scaled.collect::<Result<Vec<f32>>>()?;
                let rows = scaled.len();
                Tensor::from_vec(scaled, [rows, 1])
            }
        }
    }

    /// Inverts [`of`](FittedTarget::of).
    pub(super) fn invert(&self, targets: &Tensor) -> Result<Tensor> {
        match self {
            FittedTarget::Number { scaling, .. } => scaling.invert(targets),
            FittedTarget::Class { column, .. } => Err(DataError::dataset(format!(
                "preprocessing: the target {} is a class, not a number; `Preprocessing::classes` has their texts",
                escaped(column)
            ))),
        }
    }

    pub(super) fn check(&self) -> std::result::Result<(), String> {
        match self {
            FittedTarget::Number { column, scaling } => scaling.check(column),
            FittedTarget::Class { column, classes } => sorted(column, classes),
        }
    }
}
