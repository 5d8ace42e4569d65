//! Rows as tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tensor::escaped;

use super::missing::MissingTexts;
use super::notation::Notation;
use super::rows::Rows;
use super::types::Filling;
use super::{ColumnType, HeaderRow};
use crate::error::{DataError, Error, Result, listed};
use crate::table::{Lines, Table};

/// The names of the columns of a file.
pub(super) struct Header {
    pub(super) names: Vec<String>,
    line: u64,
}

impl Header {
    pub(super) fn read(rows: &mut Rows, header: &HeaderRow) -> Result<Header> {
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

    fn distinct(self, rows: &Rows) -> Result<Header> {
        let mut seen = BTreeMap::new();
        for (k, name) in self.names.iter().enumerate() {
            if let Some(before) = seen.insert(name, k) {
                let message = format!("columns {before} and {k}, counted from 0, are both named {}", escaped(name));
                return Err(rows.error(self.line, message));
            }
        }
        Ok(self)
    }

    /// Whether columns of these names are there.
    pub(super) fn contains<'a>(&self, rows: &Rows, names: impl Iterator<Item = &'a String>) -> Result<()> {
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

    /// Goes to the next row, which must have a field for each column; false if there is none.
    pub(super) fn advance(&self, rows: &mut Rows) -> Result<bool> {
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

/// A column of a file, what it holds, and whether that was stated, not inferred.
pub(super) struct Typed {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) stated: bool,
}

/// Tables read one after the other: see [`Csv::chunks`](super::Csv::chunks).
pub struct Chunks {
    rows: Rows,
    header: Header,
    types: Vec<Typed>,
    missing: MissingTexts,
    notation: Notation,
    /// The most rows and bytes of a table.
    most: (usize, usize),
    ended: bool,
}

impl Chunks {
    pub(super) fn new(
        rows: Rows,
        header: Header,
        types: Vec<Typed>,
        missing: MissingTexts,
        notation: Notation,
        most: (usize, usize),
    ) -> Chunks {
        Chunks { rows, header, types, missing, notation, most, ended: false }
    }

    /// The table without rows.
    pub(super) fn empty(&self) -> Result<Table> {
        self.table(self.columns(), Vec::new())
    }

    fn columns(&self) -> Vec<Filling> {
        self.types.iter().map(|typed| Filling::new(typed.column_type, typed.stated)).collect()
    }

    fn table(&self, columns: Vec<Filling>, lines: Vec<u64>) -> Result<Table> {
        let mut named = Vec::with_capacity(columns.len());
        for (Typed { name, .. }, column) in self.types.iter().zip(columns) {
            if let Some(column) = column.finish()? {
                named.push((name.clone(), column));
            }
        }
        let (file, lines) = (self.rows.name.as_str().into(), Arc::new(lines));
        Table::read_from(named, Lines { file, lines, notation: self.notation })
    }

    fn read(&mut self) -> Result<Option<Table>> {
        let (mut columns, mut lines, mut bytes) = (self.columns(), Vec::new(), 0);
        while lines.len() < self.most.0 && bytes < self.most.1 && self.header.advance(&mut self.rows)? {
            let row = self.rows.row();
            for ((column, field), Typed { name, .. }) in columns.iter_mut().zip(row.fields()).zip(&self.types) {
                column.push(self.missing.present(field), self.notation).map_err(|problem| {
                    Error::from(DataError::Row {
                        file: self.rows.name.clone(),
                        line: row.line,
                        column: Some(name.clone()),
                        problem,
                    })
                })?;
            }
            lines.push(row.line);
            bytes += row.bytes();
        }
        if lines.is_empty() { Ok(None) } else { self.table(columns, lines).map(Some) }
    }
}

impl Iterator for Chunks {
    type Item = Result<Table>;

    fn next(&mut self) -> Option<Result<Table>> {
        if self.ended {
            return None;
        }
        let table = self.read().transpose();
        self.ended = !matches!(table, Some(Ok(_)));
        table
    }
}
