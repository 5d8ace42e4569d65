//! A column as targets.

use serde::{Deserialize, Serialize};
use tensor::{Tensor, escaped};

use super::categorical::{self, slots, sorted};
use super::numeric::numbers;
use super::scale::{self, Scale, Scaling};
use crate::csv::ColumnType;
use crate::error::{DataError, Result};
use crate::table::Table;

/// What is to be predicted.
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

/// The same, with the scale or the classes of the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, expecting = "a target, `number` or `class`")]
pub(super) enum FittedTarget {
    Number {
        column: String,
        /// Files of before there was one have none.
        #[serde(default)]
        scaling: Scaling,
    },
    Class {
        column: String,
        /// Sorted.
        classes: Vec<String>,
    },
}

/// What was seen of the column.
pub(super) enum Seen {
    Number(Option<Scale>, Box<scale::Seen>),
    Class(categorical::Seen),
}

impl Seen {
    pub(super) fn new(target: Target) -> Seen {
        match target {
            Target::Number(scale) => Seen::Number(scale, Box::new(scale::Seen::new())),
            Target::Class => Seen::Class(Default::default()),
        }
    }

    pub(super) fn see(&mut self, table: &Table, column: &str) -> Result<()> {
        match self {
            Seen::Number(_, seen) => seen.see(&present(table, column)?, table, column),
            Seen::Class(seen) => {
                seen.see(table, column, Some("the class is missing; `Table::drop_missing` leaves such rows out"))
            }
        }
    }

    pub(super) fn finish(self, column: &str) -> Result<FittedTarget> {
        Ok(match self {
            Seen::Number(scale, seen) => {
                FittedTarget::Number { column: column.into(), scaling: seen.finish(scale, column)?.0 }
            }
            Seen::Class(seen) => FittedTarget::Class { column: column.into(), classes: seen.finish(column)? },
        })
    }
}

/// The numbers of a column, of which none may be missing.
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

    /// What [`of`](FittedTarget::of) was made of.
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
