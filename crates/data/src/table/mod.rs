//! Tables in memory: named columns of numbers and categories.

mod categories;
mod column_type;
mod display;
mod number_format;
mod summary;

use std::collections::HashMap;
use std::sync::Arc;

use tensor::{DType, Tensor, escaped};

pub use categories::Categories;
pub(crate) use categories::CategoriesBuilder;
pub use column_type::ColumnType;
pub(crate) use number_format::NumberFormat;
pub use summary::{ColumnSummary, Summary, Values};

use crate::dataset::Split;
use crate::error::{DataError, Error, Result, listed, shown};

/// Columns of equal length, each with a name.
///
/// Clones share the content. [`Csv`](crate::Csv) reads tables; [`Preprocessing`](crate::Preprocessing) converts them to
/// tensors.
///
/// ```
/// use data::table::{Categories, Column, Table};
/// use tensor::tensor;
///
/// let sexes = Categories::from_iter([Some("female"), None, Some("male")]);
/// let table = Table::new([
///     ("height", Column::Numbers(tensor![1.65, 1.80, f32::NAN])),
///     ("sex", Column::Categories(sexes)),
/// ])?;
/// assert_eq!((table.rows(), table.summary()?.columns[0].missing), (3, 1));
/// println!("{table}\n{}", table.summary()?);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    names: Vec<String>,
    /// The index of each name.
    places: Arc<HashMap<String, usize>>,
    columns: Vec<Column>,
    rows: usize,
    /// The origin of the table, for messages.
    provenance: Option<Provenance>,
}

/// The origin of a table: the file, the line of each row, and the number format.
#[derive(Clone, Debug)]
pub(crate) struct Provenance {
    pub(crate) file: Arc<str>,
    pub(crate) lines: Arc<Vec<u64>>,
    pub(crate) number_format: NumberFormat,
}

/// A column of a [`Table`].
#[derive(Clone, Debug)]
pub enum Column {
    /// Float32, float64 or int64, `[rows]`; NaN for a missing number.
    Numbers(Tensor),
    /// Texts with few distinct values, which may be missing.
    Categories(Categories),
}

impl Column {
    fn rows(&self) -> usize {
        match self {
            Column::Numbers(numbers) => numbers.size(),
            Column::Categories(categories) => categories.len(),
        }
    }

    fn column_type(&self) -> ColumnType {
        match self {
            Column::Numbers(numbers) if numbers.dtype() == DType::F32 => ColumnType::F32,
            Column::Numbers(numbers) if numbers.dtype() == DType::I64 => ColumnType::I64,
            Column::Numbers(_) => ColumnType::F64,
            Column::Categories(_) => ColumnType::Category,
        }
    }

    /// The rows with these indices.
    fn gather(&self, rows: &[usize], index: &Tensor) -> Result<Column> {
        Ok(match self {
            Column::Numbers(numbers) => Column::Numbers(numbers.take(index, 0)?),
            Column::Categories(categories) => Column::Categories(categories.gather(rows)),
        })
    }

    fn is_missing(&self) -> Result<Vec<bool>> {
        Ok(match self {
            Column::Numbers(numbers) => numbers.cast(DType::F64).view::<f64>()?.iter().map(|x| x.is_nan()).collect(),
            Column::Categories(categories) => categories.iter().map(|category| category.is_none()).collect(),
        })
    }
}

/// A column with its name.
#[derive(Clone, Copy)]
pub struct ColumnRef<'a> {
    table: &'a Table,
    name: &'a str,
    column: &'a Column,
}

impl<'a> ColumnRef<'a> {
    /// The numbers of a column: float32, float64 or int64, `[rows]`.
    ///
    /// # Errors
    /// Returns an error if it is a column of categories. The message names the first text that is not a number, or that
    /// float64 would round.
    pub fn numbers(self) -> Result<&'a Tensor> {
        let categories = match self.column {
            Column::Numbers(numbers) => return Ok(numbers),
            Column::Categories(categories) => categories,
        };
        let (table, name) = (self.table, self.name);
        let number_format =
            table.provenance.as_ref().map_or(NumberFormat::default(), |provenance| provenance.number_format);
        let first = |wrong: &dyn Fn(&str) -> bool| {
            categories.iter().enumerate().find_map(|(row, text)| Some((row, text.filter(|text| wrong(text))?)))
        };
        Err(if let Some((row, text)) = first(&|text| number_format.number::<f64>(text).is_none()) {
            let message = format!(
                "{} is not a number, so the column holds categories; `Csv::missing` states what stands for a missing number, `Csv::decimal` and `Csv::thousands` how numbers are written",
                shown(text)
            );
            table.error_at(row, name, message)
        } else if let Some((row, text)) = first(&|text| number_format.is_rounded(text)) {
            let message = format!(
                "float64 would round {}, so the column holds categories; `Csv::column({}, ColumnType::F64)` does that",
                shown(text),
                shown(name)
            );
            table.error_at(row, name, message)
        } else {
            DataError::dataset(format!("column {} holds categories, not numbers", escaped(name)))
        })
    }

    /// The texts of a column of categories.
    ///
    /// # Errors
    /// Returns an error if it is a column of numbers.
    pub fn categories(self) -> Result<&'a Categories> {
        match self.column {
            Column::Categories(categories) => Ok(categories),
            Column::Numbers(numbers) => Err(DataError::dataset(format!(
                "column {} holds numbers ({}), not categories; what it is read as is stated by `Csv::column({}, ColumnType::Category)`, or for a fitted preprocessing by `Csv::columns(preprocessing.columns())`",
                escaped(self.name),
                numbers.dtype(),
                shown(self.name)
            ))),
        }
    }
}

impl Table {
    /// A table of these columns.
    ///
    /// # Errors
    /// Returns an error if two columns have the same name, their lengths differ, or numbers are not float32, float64 or
    /// int64 of shape `[rows]`.
    pub fn new(columns: impl IntoIterator<Item = (impl Into<String>, Column)>) -> Result<Table> {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        let mut places = HashMap::new();
        for (name, column) in columns {
            let name = name.into();
            if let Column::Numbers(numbers) = &column
                && (numbers.rank() != 1 || !matches!(numbers.dtype(), DType::F32 | DType::F64 | DType::I64))
            {
                let (name, dtype, shape) = (escaped(&name), numbers.dtype(), numbers.shape());
                let message = format!(
                    "table: column {name} is {dtype} of shape {shape}; numbers are float32, float64 or int64 with one axis"
                );
                return Err(DataError::dataset(message));
            }
            if places.insert(name.clone(), names.len()).is_some() {
                return Err(DataError::dataset(format!("table: two columns are named {}", escaped(&name))));
            }
            names.push(name);
            values.push(column);
        }
        let rows = values.first().map_or(0, Column::rows);
        if let Some((name, column)) = names.iter().zip(&values).find(|(_, column)| column.rows() != rows) {
            let (first, name, count) = (escaped(&names[0]), escaped(name), column.rows());
            return Err(DataError::dataset(format!("table: column {first} has {rows} rows and column {name} {count}")));
        }
        Ok(Table { names, places: Arc::new(places), columns: values, rows, provenance: None })
    }

    /// A table that was read from a file.
    pub(crate) fn read_from(columns: Vec<(String, Column)>, provenance: Provenance) -> Result<Table> {
        let rows = provenance.lines.len();
        Ok(Table { provenance: Some(provenance), rows, ..Table::new(columns)? })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns with their names.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.names.iter().map(String::as_str).zip(&self.columns)
    }

    /// The column with this name.
    ///
    /// # Errors
    /// Returns an error that lists the names if there is no such column.
    pub fn column(&self, name: &str) -> Result<ColumnRef<'_>> {
        match self.places.get(name) {
            Some(&place) => Ok(ColumnRef { table: self, name: &self.names[place], column: &self.columns[place] }),
            None => {
                let file =
                    self.provenance.as_ref().map_or(String::new(), |provenance| format!("{}: ", provenance.file));
                let (name, names) = (escaped(name), listed(self.names.iter()));
                Err(DataError::dataset(format!("{file}there is no column {name}; the columns are {names}")))
            }
        }
    }

    /// Returns a table with this column added at the end, or replacing the column with this name, like `assign` of
    /// pandas. Use it to add computed columns.
    ///
    /// ```
    /// use data::Csv;
    /// use data::table::Column;
    ///
    /// let table = Csv::from_bytes("day\n2024-05-01\nNA\n2023-12-24\n", "days.csv").read()?;
    /// let days = table.column("day")?.categories()?;
    /// let month = |day: &str| day.get(5..7)?.parse::<f64>().ok();
    /// let months = days.iter().map(|day| day.and_then(month).unwrap_or(f64::NAN)).collect();
    /// let table = table.with_column("month", Column::Numbers(months))?;
    /// assert_eq!(table.names(), ["day", "month"]);
    /// assert_eq!(table.column("month")?.numbers()?.to_vec::<f64>()?[2], 12.0);
    /// # Ok::<(), data::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the number of rows differs, or numbers are not float32, float64 or int64 with one axis.
    pub fn with_column(&self, name: impl Into<String>, column: Column) -> Result<Table> {
        let (name, rows) = (name.into(), column.rows());
        if rows != self.rows {
            let (name, own) = (escaped(&name), self.rows);
            return Err(DataError::dataset(format!(
                "table: the table has {own} rows, but the column {name} has {rows}"
            )));
        }
        let mut columns: Vec<(String, Column)> =
            self.columns().map(|(name, column)| (name.into(), column.clone())).collect();
        match self.places.get(&name) {
            Some(&place) => columns[place].1 = column,
            None => columns.push((name, column)),
        }
        Ok(Table { provenance: self.provenance.clone(), ..Table::new(columns)? })
    }

    /// Returns the rows with these indices, in this order.
    ///
    /// # Errors
    /// Returns an error if an index is not below [`rows`](Table::rows).
    pub fn gather(&self, rows: &[usize]) -> Result<Table> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.rows) {
            return Err(DataError::dataset(format!("table: there is no row {row} among {}", self.rows)));
        }
        let index: Tensor = rows.iter().map(|&row| row as i64).collect();
        let columns = self.columns.iter().map(|column| column.gather(rows, &index)).collect::<Result<_>>()?;
        let provenance = self
            .provenance
            .as_ref()
            .map(|of| Provenance { lines: Arc::new(rows.iter().map(|&row| of.lines[row]).collect()), ..of.clone() });
        Ok(Table { names: self.names.clone(), places: Arc::clone(&self.places), columns, rows: rows.len(), provenance })
    }

    /// Returns the rows in which none of these columns is missing, like `dropna(subset=…)` of pandas. Training needs
    /// rows with targets.
    ///
    /// # Errors
    /// Returns an error if there is no such column.
    pub fn drop_missing(&self, columns: &[&str]) -> Result<Table> {
        let mut keep = vec![true; self.rows];
        for name in columns {
            let missing = self.column(name)?.column.is_missing()?;
            keep.iter_mut().zip(missing).for_each(|(keep, missing)| *keep &= !missing);
        }
        self.gather(&(0..self.rows).filter(|&row| keep[row]).collect::<Vec<_>>())
    }

    /// Splits the rows in two tables at a fraction or a number, in order or shuffled.
    ///
    /// # Errors
    /// Returns an error if the fraction is not between 0 and 1, there are not enough rows, or the split is stratified:
    /// see [`split_by`](Table::split_by).
    pub fn split(&self, at: impl Into<Split>) -> Result<(Table, Table)> {
        let at = at.into();
        if at.is_stratified() {
            return Err(DataError::dataset("split: a table is stratified by a column: `split_by(column, …)`".into()));
        }
        self.parts(at, None)
    }

    /// Splits the rows of each category of a column in the same proportion, like `train_test_split(…, stratify=…)` of
    /// scikit-learn.
    ///
    /// # Errors
    /// Returns an error as [`split`](Table::split) does, or if there is no such column or its numbers are not int64.
    pub fn split_by(&self, column: &str, at: impl Into<Split>) -> Result<(Table, Table)> {
        let classes: Vec<i64> = match self.column(column)?.column {
            // Rows with a missing category form a class too.
            Column::Categories(categories) => categories.codes().map(|code| code.map_or(-1, i64::from)).collect(),
            Column::Numbers(numbers) if numbers.dtype() == DType::I64 => numbers.to_vec()?,
            Column::Numbers(numbers) => {
                let (column, dtype) = (escaped(column), numbers.dtype());
                let message = format!("split: column {column} is {dtype}; rows are divided by a category or an int64");
                return Err(DataError::dataset(message));
            }
        };
        self.parts(at.into(), Some(&classes))
    }

    fn parts(&self, at: Split, classes: Option<&[i64]>) -> Result<(Table, Table)> {
        let (first, second) = at.parts_of(self.rows, classes)?;
        Ok((self.gather(&first)?, self.gather(&second)?))
    }

    /// Summarizes each column, like `describe` of pandas: the number of values and of missing values, the range and
    /// mean of numbers, and the counts of categories.
    ///
    /// # Errors
    /// Returns an error if the columns cannot be read, which does not happen in practice.
    pub fn summary(&self) -> Result<Summary> {
        Summary::of(self)
    }

    /// An error about a row of a column, with file and line if the table was read from a file.
    pub(crate) fn error_at(&self, row: usize, column: &str, problem: String) -> Error {
        match &self.provenance {
            Some(Provenance { file, lines, .. }) => Error::from(DataError::Row {
                file: file.to_string(),
                line: lines[row],
                column: Some(column.into()),
                problem,
            }),
            None => DataError::dataset(format!("row {row}, column {}: {problem}", escaped(column))),
        }
    }
}
