//! A column as targets.

use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::categorical::{Seen, slots, sorted};
use super::numeric::numbers;
use crate::csv::ColumnType;
use crate::error::Result;
use crate::table::Table;

/// What is to be predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    Number,
    Class,
}

/// The same, with the classes of the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FittedTarget {
    Number {
        column: String,
    },
    Class {
        column: String,
        /// Sorted.
        classes: Vec<String>,
    },
}

impl Target {
    pub(super) fn see(self, seen: &mut Seen, table: &Table, column: &str) -> Result<()> {
        match self {
            Target::Number => numbers(table, column).map(drop),
            Target::Class => {
                seen.see(table, column, Some("the class is missing; `Table::drop_missing` leaves such rows out"))
            }
        }
    }

    pub(super) fn fitted(self, column: &str, seen: Seen) -> Result<FittedTarget> {
        let column = column.to_string();
        Ok(match self {
            Target::Number => FittedTarget::Number { column },
            Target::Class => FittedTarget::Class { classes: seen.finish(&column)?, column },
        })
    }
}

impl FittedTarget {
    pub(super) fn column(&self) -> (String, ColumnType) {
        match self {
            FittedTarget::Number { column } => (column.clone(), ColumnType::F64),
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
            FittedTarget::Number { column } => {
                let numbers = numbers(table, column)?;
                if let Some(row) = numbers.iter().position(|&number| !(number as f32).is_finite()) {
                    let problem = match numbers[row] {
                        number if number.is_nan() => {
                            "the target is missing; `Table::drop_missing` leaves such rows out".into()
                        }
                        number => format!("{number:?} is infinite in float32"),
                    };
                    return Err(table.error_at(row, column, problem));
                }
                let rows = numbers.len();
                Ok(Tensor::from_vec(numbers.into_iter().map(|number| number as f32).collect(), [rows, 1])?)
            }
        }
    }

    pub(super) fn check(&self) -> std::result::Result<(), String> {
        match self {
            FittedTarget::Number { .. } => Ok(()),
            FittedTarget::Class { column, classes } => sorted(column, classes),
        }
    }
}
