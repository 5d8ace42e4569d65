//! Display of tables.

use std::fmt;

use tensor::{DType, escaped};

use super::{Column, Table};

/// The number of rows and columns that are shown, and of characters of each field.
const ROWS: usize = 10;
const COLUMNS: usize = 20;
const WIDTH: usize = 30;

/// Shows the first rows and columns, and the size. Texts are shortened and [`escaped`].
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.min(ROWS);
        let columns = &self.columns[..self.columns.len().min(COLUMNS)];
        let fields: Vec<Vec<String>> =
            columns.iter().map(|column| shown(column, rows)).collect::<Result<_, _>>().map_err(|_| fmt::Error)?;
        let mut lines = vec![self.names.iter().take(COLUMNS).map(|name| cut(name)).collect::<Vec<_>>()];
        lines.extend((0..rows).map(|row| fields.iter().map(|column| cut(&column[row])).collect()));
        let left: Vec<bool> = columns.iter().map(|column| matches!(column, Column::Categories(_))).collect();
        let lines: Vec<&[String]> = lines.iter().map(|line| &line[..]).collect();
        write!(f, "{}", aligned(&lines, &left))?;
        if (rows, columns.len()) != (self.rows, self.columns.len()) {
            writeln!(f, "…")?;
        }
        write!(f, "{} rows, {} columns", self.rows, self.columns.len())
    }
}

/// The first values of a column.
fn shown(column: &Column, rows: usize) -> crate::Result<Vec<String>> {
    Ok(match column {
        Column::Numbers(numbers) => match numbers.slice(0..rows)? {
            numbers if numbers.dtype() == DType::F32 => numbers.to_vec::<f32>()?.iter().map(f32::to_string).collect(),
            numbers if numbers.dtype() == DType::F64 => numbers.to_vec::<f64>()?.iter().map(f64::to_string).collect(),
            numbers => numbers.to_vec::<i64>()?.iter().map(i64::to_string).collect(),
        },
        Column::Categories(categories) => {
            categories.iter().take(rows).map(|text| text.unwrap_or("NaN").to_string()).collect()
        }
    })
}

/// The beginning of a text from a file.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
        None => escaped(text).to_string(),
    }
}

/// Lines of fields, aligned left or right in columns.
pub(super) fn aligned(lines: &[&[String]], left: &[bool]) -> String {
    let width = |k: usize| lines.iter().map(|line| line[k].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..left.len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let fields = line.iter().zip(&widths).zip(left).map(|((field, &width), left)| match left {
            true => format!("{field:<width$}"),
            false => format!("{field:>width$}"),
        });
        text.push_str(fields.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
