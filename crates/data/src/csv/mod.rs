//! Comma-separated values: tables in text, read whole or in chunks.

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

/// A file of comma-separated values (RFC 4180), UTF-8, and how to read it.
///
/// The first row names the columns; a column without a name there has its number, from 0. Fields may be quoted with
/// `"`; blanks around fields are left out, and one before a quote makes that a part of the text. Lines end with `\n` or
/// `\r\n`; empty ones and a byte order mark are passed over.
///
/// The type of a column is what is stated, or else inferred from the file, which is then read twice: as in pandas,
/// int64 if it holds whole numbers of which none is missing, float64 if it holds numbers, and otherwise a category.
/// Whole numbers that float64 would round are a category as well, unless all are int64: they are identifiers, as a rule.
///
/// However large the file, reading in [`chunks`](Csv::chunks) takes at most 32 times the bytes of a chunk, 1 KiB a
/// column and 1 MiB; reading it whole 32 times the bytes of the file, 1 KiB a column and 1 MiB.
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
    /// The file of this path. It is opened when it is read.
    pub fn new(path: impl AsRef<Path>) -> Csv {
        Csv::of(Origin::File(path.as_ref().to_path_buf()))
    }

    /// The content of a file; `name` stands for it in messages.
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

    /// What stands between fields, an ASCII character: `b';'`, `b'\t'`. A comma by default.
    #[must_use]
    pub fn delimiter(self, delimiter: u8) -> Csv {
        Csv { delimiter, ..self }
    }

    /// Lines that begin with this character are passed over. None are by default.
    #[must_use]
    pub fn comment(self, comment: u8) -> Csv {
        Csv { comment: Some(comment), ..self }
    }

    /// The first row is data. The columns are named `0`, `1`, ….
    #[must_use]
    pub fn no_header(self) -> Csv {
        Csv { header: HeaderRow::Numbers, ..self }
    }

    /// The first row is data, and these are the names of the columns.
    #[must_use]
    pub fn names(self, names: impl IntoIterator<Item = impl Into<String>>) -> Csv {
        Csv { header: HeaderRow::Names(names.into_iter().map(Into::into).collect()), ..self }
    }

    /// The texts that stand for a missing value, instead of [`MISSING`].
    #[must_use]
    pub fn missing(self, texts: impl IntoIterator<Item = impl Into<String>>) -> Csv {
        Csv { missing: MissingTexts::new(texts), ..self }
    }

    /// What stands before the fraction of a number, an ASCII character: `b','` in much of Europe. A point by default.
    /// Where it is the delimiter too, such numbers stand in quotes, as `"2,5"`.
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

    /// What may stand between groups of three digits before the fraction, an ASCII character. Nothing by default. Where
    /// it is the delimiter too, such numbers stand in quotes, as `"1,234.5"`.
    ///
    /// Groups must have three digits: `12.05.2024`, which pandas takes for 12052024, is no number.
    #[must_use]
    pub fn thousands(self, mark: u8) -> Csv {
        Csv { number_format: NumberFormat { thousands: Some(mark), ..self.number_format }, ..self }
    }

    /// States what a column holds.
    #[must_use]
    pub fn column(self, name: impl Into<String>, column_type: ColumnType) -> Csv {
        self.columns([(name.into(), column_type)])
    }

    /// States what several columns hold: [`Preprocessing::columns`](crate::Preprocessing::columns) gives those that a model needs.
    #[must_use]
    pub fn columns(mut self, columns: impl IntoIterator<Item = (String, ColumnType)>) -> Csv {
        self.stated.extend(columns);
        self
    }

    /// Ignores columns of which nothing is stated.
    #[must_use]
    pub fn ignore_others(self) -> Csv {
        Csv { others: false, ..self }
    }

    /// Infers types from so many rows, not from the whole file. Whole numbers then are float64 too: a later one may be
    /// a fraction or missing. One that float64 would round is an error.
    #[must_use]
    pub fn infer_from(self, rows: usize) -> Csv {
        Csv { inferred_from: Some(rows), ..self }
    }

    /// The names and types of all columns, in the order of the file.
    ///
    /// # Errors
    /// If the file cannot be read; what was stated of it contradicts itself; two columns have one name; a column of which
    /// a type is stated is not there; or, in the rows that types are inferred from, as [`read`](Csv::read).
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

    /// Reads the file whole.
    ///
    /// # Errors
    /// If the file cannot be read; two columns have one name; a column of which a type is stated is not there; a row
    /// has more or fewer fields than there are columns, or is longer than [`LONGEST_ROW`]; a text is not UTF-8 or not
    /// of the type of its column; quotes are not closed. The message names file, line and column, which text was found
    /// and what would be right.
    pub fn read(&self) -> Result<Table> {
        let mut chunks = self.open_chunks(usize::MAX, usize::MAX)?;
        match chunks.next() {
            Some(table) => table,
            None => chunks.empty(),
        }
    }

    /// Reads tables of so many rows each, one after the other: a file larger than memory. Where rows are long a
    /// table ends after 16 MiB.
    ///
    /// # Errors
    /// If `rows` is 0, or as [`types`](Csv::types); then, with the chunks, as [`read`](Csv::read). After an error there
    /// is nothing more.
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
            return Err(DataError::dataset("chunks: of 0 rows; one has 1 at least".into()));
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
