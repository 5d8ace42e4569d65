//! Comma-separated values, read as one table or in chunks.

mod chunks;
mod header;
mod missing;
mod rows;
mod types;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use chunks::Chunks;
pub use missing::MISSING;
pub use rows::{LONGEST_ROW, MOST_COLUMNS};

pub use crate::table::ColumnType;

use crate::error::{DataError, Result};
use crate::open::open;
use crate::table::{NumberFormat, Table};
use chunks::Typed;
use header::{Header, HeaderRow};
use missing::MissingTexts;
use rows::RowReader;
use types::Inferred;

/// A file of comma-separated values (RFC 4180) in UTF-8, with options for reading it.
///
/// The first row holds the names of the columns; a column without a name gets its index as a name. Fields may be quoted
/// with `"`. White space around fields is removed; a quote after white space is an ordinary character. Lines end with
/// `\n` or `\r\n`. Empty lines and a byte order mark are ignored.
///
/// The type of a column is either stated or inferred; to infer types the file is read twice. As in pandas, a column is
/// int64 if it holds whole numbers and none is missing, float64 if it holds numbers, and a category otherwise. Unlike
/// in pandas, whole numbers that float64 would round make a column a category unless all of them fit into int64,
/// because such numbers are usually identifiers.
///
/// Memory is bounded: reading in [`chunks`](Csv::chunks) takes at most 32 times the bytes of a chunk, plus 1 KiB for
/// each column and 1 MiB. Reading the whole file takes at most 32 times its bytes, plus the same.
///
/// ```
/// use data::csv::{ColumnType, Csv};
///
/// let text = "name,age,height\nAda,36,1.65\nAlan,41,NA\n";
/// let table = Csv::from_bytes(text, "people.csv").column("name", ColumnType::Ignored).read()?;
/// assert_eq!(table.names(), ["age", "height"]);
/// assert_eq!(table.column("age")?.numbers()?.to_vec::<i64>()?, [36, 41]);
/// assert!(table.column("height")?.numbers()?.to_vec::<f64>()?[1].is_nan());
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Csv {
    source: Origin,
    delimiter: u8,
    comment: Option<u8>,
    header: HeaderRow,
    missing: MissingTexts,
    number_format: NumberFormat,
    stated: BTreeMap<String, ColumnType>,
    others: bool,
    inferred_from: Option<usize>,
}

#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Bytes(Arc<[u8]>, String),
}

impl Csv {
    /// The file at this path. It is opened when it is read.
    pub fn new(path: impl AsRef<Path>) -> Csv {
        Csv::of(Origin::File(path.as_ref().to_path_buf()))
    }

    /// The content of a file. `name` replaces the file name in messages.
    pub fn from_bytes(bytes: impl AsRef<[u8]>, name: impl Into<String>) -> Csv {
        Csv::of(Origin::Bytes(bytes.as_ref().into(), name.into()))
    }

    fn of(source: Origin) -> Csv {
        Csv {
            source,
            delimiter: b',',
            comment: None,
            header: HeaderRow::First,
            missing: MissingTexts::new(MISSING),
            number_format: NumberFormat::default(),
            stated: BTreeMap::new(),
            others: true,
            inferred_from: None,
        }
    }

    /// Sets the separator of fields, an ASCII character such as `b';'` or `b'\t'`; a comma by default.
    #[must_use]
    pub fn delimiter(self, delimiter: u8) -> Csv {
        Csv { delimiter, ..self }
    }

    /// Skips lines that begin with this character. By default no lines are skipped.
    #[must_use]
    pub fn comment(self, comment: u8) -> Csv {
        Csv { comment: Some(comment), ..self }
    }

    /// Treats the first row as data. The columns are named `0`, `1`, ….
    #[must_use]
    pub fn no_header(self) -> Csv {
        Csv { header: HeaderRow::Numbers, ..self }
    }

    /// Treats the first row as data and sets the names of the columns.
    #[must_use]
    pub fn names(self, names: impl IntoIterator<Item = impl Into<String>>) -> Csv {
        Csv { header: HeaderRow::Names(names.into_iter().map(Into::into).collect()), ..self }
    }

    /// Sets the texts for missing values, instead of [`MISSING`].
    #[must_use]
    pub fn missing(self, texts: impl IntoIterator<Item = impl Into<String>>) -> Csv {
        Csv { missing: MissingTexts::new(texts), ..self }
    }

    /// Sets the decimal mark, an ASCII character; a point by default, `b','` in much of Europe. If it is also the
    /// delimiter, such numbers must be quoted, as in `"2,5"`.
    ///
    /// ```
    /// use data::Csv;
    ///
    /// let prices = Csv::from_bytes("item;price\ntea;2,5\ncar;19.999,95\n", "prices.csv");
    /// let table = prices.delimiter(b';').decimal(b',').thousands(b'.').read()?;
    /// assert_eq!(table.column("price")?.numbers()?.to_vec::<f64>()?, [2.5, 19_999.95]);
    /// # Ok::<(), data::Error>(())
    /// ```
    #[must_use]
    pub fn decimal(self, mark: u8) -> Csv {
        Csv { number_format: NumberFormat { decimal: mark, ..self.number_format }, ..self }
    }

    /// Sets an optional separator of groups of three digits, an ASCII character; none by default. If it is also the
    /// delimiter, such numbers must be quoted, as in `"1,234.5"`.
    ///
    /// Groups must have three digits: `12.05.2024` is not a number, although pandas reads it as 12052024.
    #[must_use]
    pub fn thousands(self, mark: u8) -> Csv {
        Csv { number_format: NumberFormat { thousands: Some(mark), ..self.number_format }, ..self }
    }

    /// States the type of a column.
    #[must_use]
    pub fn column(self, name: impl Into<String>, column_type: ColumnType) -> Csv {
        self.columns([(name.into(), column_type)])
    }

    /// States the types of several columns. [`Preprocessing::columns`](crate::Preprocessing::columns) returns those
    /// that a model needs.
    #[must_use]
    pub fn columns(mut self, columns: impl IntoIterator<Item = (String, ColumnType)>) -> Csv {
        self.stated.extend(columns);
        self
    }

    /// Ignores columns whose type is not stated.
    #[must_use]
    pub fn ignore_others(self) -> Csv {
        Csv { others: false, ..self }
    }

    /// Infers types from the first `rows` rows instead of the whole file. Columns of whole numbers become float64,
    /// because later values may be fractions or missing. A later whole number that float64 would round is an error.
    #[must_use]
    pub fn infer_from(self, rows: usize) -> Csv {
        Csv { inferred_from: Some(rows), ..self }
    }

    /// The names and types of all columns, in the order of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, options contradict each other, two columns have the same name, a
    /// column with a stated type does not exist, or a row that types are inferred from is invalid for
    /// [`read`](Csv::read).
    pub fn types(&self) -> Result<Vec<(String, ColumnType)>> {
        let (mut rows, header) = self.open()?;
        let mut types: Vec<Option<ColumnType>> = header
            .names
            .iter()
            .map(|name| self.stated.get(name).copied().or((!self.others).then_some(ColumnType::Ignored)))
            .collect();
        if types.iter().any(Option::is_none) {
            let mut inferred = vec![Inferred::new(); types.len()];
            let (mut left, mut all) = (self.inferred_from.unwrap_or(usize::MAX), true);
            while header.advance(&mut rows)? {
                if left == 0 {
                    all = false;
                    break;
                }
                left -= 1;
                for (inferred, field) in inferred.iter_mut().zip(rows.row().fields()) {
                    inferred.see(self.missing.present(field), self.number_format);
                }
            }
            for (column_type, inferred) in types.iter_mut().zip(inferred) {
                column_type.get_or_insert(inferred.column_type(all));
            }
        }
        Ok(header.names.into_iter().zip(types.into_iter().flatten()).collect())
    }

    /// Reads the whole file as one table.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, two columns have the same name, a column with a stated type does
    /// not exist, a row has more or fewer fields than there are columns or is longer than [`LONGEST_ROW`], a text is
    /// not UTF-8 or does not fit the type of its column, or quotes are not closed. The message names file, line and
    /// column, the text, and what would be right.
    pub fn read(&self) -> Result<Table> {
        let mut chunks = self.open_chunks(usize::MAX, usize::MAX)?;
        match chunks.next() {
            Some(table) => table,
            None => chunks.empty(),
        }
    }

    /// Reads the file as tables of `rows` rows each, so it may be larger than memory. A table of long rows ends after
    /// 16 MiB.
    ///
    /// # Errors
    /// Returns an error if `rows` is 0, or [`types`](Csv::types) fails. The iterator returns the errors of
    /// [`read`](Csv::read), and ends after an error.
    ///
    /// ```
    /// use data::Csv;
    ///
    /// let numbers = Csv::from_bytes("x\n1\n2\n3\n", "numbers.csv");
    /// let rows: Vec<usize> = numbers.chunks(2)?.map(|table| Ok(table?.rows())).collect::<data::Result<_>>()?;
    /// assert_eq!(rows, [2, 1]);
    /// # Ok::<(), data::Error>(())
    /// ```
    pub fn chunks(&self, rows: usize) -> Result<Chunks> {
        const MOST_BYTES: usize = 1 << 24;
        if rows == 0 {
            return Err(DataError::dataset("chunks: rows is 0; it must be at least 1".into()));
        }
        self.open_chunks(rows, MOST_BYTES)
    }

    fn open_chunks(&self, rows: usize, bytes: usize) -> Result<Chunks> {
        let typed = |(name, column_type)| Typed { stated: self.stated.contains_key(&name), name, column_type };
        let types = self.types()?.into_iter().map(typed).collect();
        let (reader, header) = self.open()?;
        Ok(Chunks::new(reader, header, types, self.missing.clone(), self.number_format, (rows, bytes)))
    }

    /// Opens the file and reads the names of its columns.
    fn open(&self) -> Result<(RowReader, Header)> {
        self.check()?;
        let (name, bytes): (String, Box<dyn std::io::Read + Send>) = match &self.source {
            Origin::Bytes(bytes, name) => (name.clone(), Box::new(Cursor::new(Arc::clone(bytes)))),
            Origin::File(path) => (path.display().to_string(), Box::new(open(path)?)),
        };
        let mut rows = RowReader::new(&name, bytes, self.delimiter, self.comment)?;
        let header = Header::read(&mut rows, &self.header)?;
        header.contains(&rows, self.stated.keys())?;
        Ok((rows, header))
    }

    fn check(&self) -> Result<()> {
        let NumberFormat { decimal, thousands } = self.number_format;
        let [delimiter, comment] = [("delimiter", Some(self.delimiter)), ("comment", self.comment)];
        let [decimal, thousands] = [("decimal mark", Some(decimal)), ("thousands mark", thousands)];
        let plain = |byte: u8| byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | b'\0');
        let mark = |byte: u8| plain(byte) && !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-');
        let shown = |byte: u8| std::ascii::escape_default(byte).to_string();
        let wrong = |what: String| Err(DataError::dataset(format!("csv: {what}")));
        for (what, byte) in [delimiter, comment] {
            if let Some(byte) = byte.filter(|&byte| !plain(byte)) {
                let right = "it must be an ASCII character, no quote or line end";
                return wrong(format!("the {what} is '{}'; {right}", shown(byte)));
            }
        }
        for (what, byte) in [decimal, thousands] {
            if let Some(byte) = byte.filter(|&byte| !mark(byte)) {
                let right = "it must be an ASCII character, no quote, line end, letter, digit or sign";
                return wrong(format!("the {what} is '{}'; {right}", shown(byte)));
            }
        }
        for ((what, byte), (other, others)) in [(comment, delimiter), (decimal, thousands)] {
            if let Some(byte) = byte.filter(|_| byte == others) {
                return wrong(format!("the {what} and the {other} are both '{}'; they must differ", shown(byte)));
            }
        }
        Ok(())
    }
}
