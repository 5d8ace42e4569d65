//! Rows as tables.

use std::sync::Arc;

use super::header::Header;
use super::missing::MissingTexts;
use super::rows::RowReader;
use super::types::Filling;
use crate::error::{DataError, Error, Result};
use crate::table::{ColumnType, NumberFormat, Provenance, Table};

/// A column of a file, its type, and whether the type was stated rather than inferred.
pub(super) struct Typed {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) stated: bool,
}

/// An iterator over the tables of a file: see [`Csv::chunks`](super::Csv::chunks).
pub struct Chunks {
    rows: RowReader,
    header: Header,
    types: Vec<Typed>,
    missing: MissingTexts,
    number_format: NumberFormat,
    /// The maximum number of rows and bytes of a table.
    most: (usize, usize),
    ended: bool,
}

impl Chunks {
    pub(super) fn new(
        rows: RowReader,
        header: Header,
        types: Vec<Typed>,
        missing: MissingTexts,
        number_format: NumberFormat,
        most: (usize, usize),
    ) -> Chunks {
        Chunks { rows, header, types, missing, number_format, most, ended: false }
    }

    /// A table without rows.
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
        Table::read_from(named, Provenance { file, lines, number_format: self.number_format })
    }

    fn read(&mut self) -> Result<Option<Table>> {
        let (mut columns, mut lines, mut bytes) = (self.columns(), Vec::new(), 0);
        while lines.len() < self.most.0 && bytes < self.most.1 && self.header.advance(&mut self.rows)? {
            let row = self.rows.row();
            for ((column, field), Typed { name, .. }) in columns.iter_mut().zip(row.fields()).zip(&self.types) {
                column.push(self.missing.present(field), self.number_format).map_err(|problem| {
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
