//! Summaries of tables.

use std::fmt;

use tensor::DType;

use super::display::{aligned, cut};
use super::{Column, ColumnType, Table};
use crate::error::Result;

/// A summary of each column of a table. It prints as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The number of rows.
    pub rows: usize,
    /// The columns, in the order of the table.
    pub columns: Vec<ColumnSummary>,
}

/// A summary of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSummary {
    /// The name of the column.
    pub name: String,
    /// The type of the column.
    pub column_type: ColumnType,
    /// The number of values that are not missing.
    pub count: usize,
    /// The number of missing values.
    pub missing: usize,
    /// A summary of the values.
    pub values: Values,
}

/// A summary of the values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers, in float64; NaN if there are none.
    Numbers {
        /// The minimum.
        min: f64,
        /// The mean.
        mean: f64,
        /// The maximum.
        max: f64,
    },
    /// The categories with their numbers of rows, the most frequent first.
    Categories(Vec<(String, usize)>),
}

impl Summary {
    pub(super) fn of(table: &Table) -> Result<Summary> {
        let columns = table.columns().map(|(name, column)| ColumnSummary::of(name, column)).collect::<Result<_>>()?;
        Ok(Summary { rows: table.rows(), columns })
    }
}

impl ColumnSummary {
    fn of(name: &str, column: &Column) -> Result<ColumnSummary> {
        let (count, values) = match column {
            Column::Numbers(numbers) => {
                let numbers = numbers.cast(DType::F64).to_vec::<f64>()?;
                let present = || numbers.iter().copied().filter(|number| !number.is_nan());
                let count = present().count();
                let values = Values::Numbers {
                    min: present().fold(f64::NAN, f64::min),
                    mean: present().sum::<f64>() / count as f64,
                    max: present().fold(f64::NAN, f64::max),
                };
                (count, values)
            }
            Column::Categories(categories) => {
                let counts = categories.counts();
                let count = counts.iter().map(|(_, count)| count).sum();
                (count, Values::Categories(counts.into_iter().map(|(text, count)| (text.into(), count)).collect()))
            }
        };
        let missing = column.rows() - count;
        Ok(ColumnSummary { name: name.into(), column_type: column.column_type(), count, missing, values })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines =
            vec![["column", "type", "count", "missing", "min", "mean", "max", "categories"].map(String::from)];
        for column in &self.columns {
            let (min, mean, max, categories) = match &column.values {
                Values::Numbers { min, mean, max } => (number(*min), number(*mean), number(*max), String::new()),
                Values::Categories(counts) => (String::new(), String::new(), String::new(), most_frequent(counts)),
            };
            let (name, column_type) = (cut(&column.name), column.column_type.to_string());
            lines.push([
                name,
                column_type,
                column.count.to_string(),
                column.missing.to_string(),
                min,
                mean,
                max,
                categories,
            ]);
        }
        let lines: Vec<&[String]> = lines.iter().map(|line| &line[..]).collect();
        write!(f, "{}{} rows", aligned(&lines, &[true, true, false, false, false, false, false, true]), self.rows)
    }
}

/// The most frequent categories, as many as fit into a line.
fn most_frequent(counts: &[(String, usize)]) -> String {
    const MOST: usize = 5;
    let shown =
        counts.iter().take(MOST).map(|(text, count)| format!("{} {count}", cut(text))).collect::<Vec<_>>().join(", ");
    if counts.len() > MOST { format!("{shown} and {} more", counts.len() - MOST) } else { shown }
}

/// A number with about five digits; empty for NaN.
fn number(x: f64) -> String {
    match x.abs() {
        size if size.is_nan() => String::new(),
        size if size == 0.0 || (1e-3..1e9).contains(&size) => {
            format!("{x:.4}").trim_end_matches('0').trim_end_matches('.').into()
        }
        _ => format!("{x:.4e}"),
    }
}
