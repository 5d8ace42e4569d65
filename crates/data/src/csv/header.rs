//! The names of columns.

use std::collections::{BTreeMap, BTreeSet};

use tensor::escaped;

use super::rows::RowReader;
use crate::error::{Result, listed};

/// The source of the column names.
#[derive(Clone, Debug)]
pub(super) enum HeaderRow {
    First,
    Numbers,
    Names(Vec<String>),
}

/// The names of the columns of a file.
pub(super) struct Header {
    pub(super) names: Vec<String>,
    line: u64,
}

impl Header {
    pub(super) fn read(rows: &mut RowReader, header: &HeaderRow) -> Result<Header> {
        if !rows.advance()? {
            return match header {
                HeaderRow::Names(names) => Header { names: names.clone(), line: 1 }.distinct(rows),
                HeaderRow::First => Err(rows.error(1, "there is no row of names; the file is empty")),
                HeaderRow::Numbers => Err(rows.error(1, "there is no row; the file is empty")),
            };
        }
        let first = rows.row();
        let line = first.line;
        let numbers = (0..first.len()).map(|k| k.to_string());
        let names = match header {
            HeaderRow::Names(names) => Ok(names.clone()),
            HeaderRow::Numbers => Ok(numbers.collect()),
            HeaderRow::First => first
                .fields()
                .zip(numbers)
                .map(|(name, number)| {
                    let name = String::from_utf8(name.to_vec())
                        .map_err(|_| format!("the name of column {number}, counted from 0, is not UTF-8"))?;
                    Ok(if name.is_empty() { number } else { name })
                })
                .collect(),
        };
        let names = names.map_err(|problem: String| rows.error(line, problem))?;
        if !matches!(header, HeaderRow::First) {
            rows.hold();
        }
        Header { names, line }.distinct(rows)
    }

    fn distinct(self, rows: &RowReader) -> Result<Header> {
        let mut seen = BTreeMap::new();
        for (k, name) in self.names.iter().enumerate() {
            if let Some(before) = seen.insert(name, k) {
                let message = format!("columns {before} and {k}, counted from 0, are both named {}", escaped(name));
                return Err(rows.error(self.line, message));
            }
        }
        Ok(self)
    }

    /// Returns an error if a column is missing.
    pub(super) fn contains<'a>(&self, rows: &RowReader, names: impl Iterator<Item = &'a String>) -> Result<()> {
        let known: BTreeSet<&String> = self.names.iter().collect();
        for name in names {
            if !known.contains(name) {
                let message =
                    format!("there is no column {}; the columns are {}", escaped(name), listed(self.names.iter()));
                return Err(rows.error(self.line, message));
            }
        }
        Ok(())
    }

    /// Advances to the next row, which must have one field for each column. Returns false at the end of the file.
    pub(super) fn advance(&self, rows: &mut RowReader) -> Result<bool> {
        if !rows.advance()? {
            return Ok(false);
        }
        let (row, columns) = (rows.row(), self.names.len());
        if row.len() != columns {
            let (fields, names) = (row.len(), listed(self.names.iter()));
            let message = format!("the row has {fields} fields; there are {columns} columns: {names}");
            return Err(rows.error(row.line, message));
        }
        Ok(true)
    }
}
