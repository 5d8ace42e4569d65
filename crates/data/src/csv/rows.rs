//! A reader for the rows of a CSV file.

use std::io::{BufRead, BufReader, Cursor, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::error::{DataError, Error, Result};

/// The maximum number of bytes of the fields of a row: 1 MiB.
pub const LONGEST_ROW: usize = 1 << 20;

/// The maximum number of columns.
pub const MOST_COLUMNS: usize = 1 << 16;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The input.
type Bytes = Box<dyn Read + Send>;

/// Reads rows with the parser of the `csv` crate. It counts lines and bounds the lengths of rows itself.
pub(super) struct RowReader {
    pub(super) name: String,
    input: BufReader<std::io::Chain<Cursor<Vec<u8>>, Bytes>>,
    parser: Reader,
    comment: Option<u8>,
    /// The line of the next byte.
    line: u64,
    /// The fields of the row, one after the other, and the end of each. Longer than their content.
    text: Vec<u8>,
    ends: Vec<usize>,
    place: Option<Place>,
    /// Whether the row will be read again.
    held: bool,
}

/// The position and size of the last row.
#[derive(Clone, Copy)]
struct Place {
    line: u64,
    fields: usize,
}

/// One row. Its fields have no quotes and no surrounding white space.
#[derive(Clone, Copy)]
pub(super) struct CsvRow<'a> {
    /// The line on which the row begins, from 1.
    pub(super) line: u64,
    text: &'a [u8],
    ends: &'a [usize],
}

impl<'a> CsvRow<'a> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of bytes in all fields, plus one for each, because empty fields take memory too.
    pub(super) fn bytes(&self) -> usize {
        self.ends.last().copied().unwrap_or(0) + self.ends.len()
    }

    pub(super) fn fields(self) -> impl Iterator<Item = &'a [u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends).map(move |(start, &end)| self.text[start..end].trim_ascii())
    }
}

impl RowReader {
    pub(super) fn new(name: &str, mut bytes: Bytes, delimiter: u8, comment: Option<u8>) -> Result<RowReader> {
        let mut start = Vec::new();
        let read = (&mut bytes).take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start);
        read.map_err(|source| DataError::file(name, "cannot read", source))?;
        if start == BYTE_ORDER_MARK {
            start.clear();
        }
        Ok(RowReader {
            name: name.into(),
            input: BufReader::with_capacity(1 << 16, Cursor::new(start).chain(bytes)),
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            comment,
            line: 1,
            text: vec![0; 1 << 10],
            ends: vec![0; 1 << 4],
            place: None,
            held: false,
        })
    }

    /// Advances to the next row, skipping empty lines and comments. Returns false at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool> {
        if !std::mem::take(&mut self.held) {
            self.place = self.read()?;
        }
        Ok(self.place.is_some())
    }

    /// The current row; before the first and after the last one, a row without fields.
    pub(super) fn row(&self) -> CsvRow<'_> {
        let Place { line, fields } = self.place.unwrap_or(Place { line: self.line, fields: 0 });
        CsvRow { line, text: &self.text, ends: &self.ends[..fields] }
    }

    /// Makes the next `advance` return this row again.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// An error about a row.
    pub(super) fn error(&self, line: u64, problem: impl Into<String>) -> Error {
        Error::from(DataError::Row { file: self.name.clone(), line, column: None, problem: problem.into() })
    }

    fn read(&mut self) -> Result<Option<Place>> {
        if !self.begin_row()? {
            return Ok(None);
        }
        let line = self.line;
        let (mut filled, mut fields) = (0, 0);
        loop {
            let input = self.input.fill_buf().map_err(|source| DataError::file(&self.name, "cannot read", source))?;
            // A file may end without a line break. Within quotes, the end of the file does not end the row.
            let at_end = input.is_empty();
            let input = if at_end { b"\n" } else { input };
            let (result, read, more_text, more_fields) =
                self.parser.read_record(input, &mut self.text[filled..], &mut self.ends[fields..]);
            if !at_end {
                self.line += input[..read].iter().filter(|&&byte| byte == b'\n').count() as u64;
                self.input.consume(read);
            }
            filled += more_text;
            fields += more_fields;
            match result {
                ReadRecordResult::Record => return Ok(Some(Place { line, fields })),
                ReadRecordResult::InputEmpty if !at_end => {}
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {
                    return Err(self.error(line, "the file ends within quotes that were opened in this row"));
                }
                ReadRecordResult::OutputFull => {
                    if filled > LONGEST_ROW {
                        let message =
                            format!("the row is longer than {LONGEST_ROW} bytes; is a quote opened and not closed?");
                        return Err(self.error(line, message));
                    }
                    // Room for one more byte, to see whether the row continues.
                    self.text.resize((2 * filled).min(LONGEST_ROW + 1), 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    if fields >= MOST_COLUMNS {
                        return Err(self.error(line, format!("the row has more than {MOST_COLUMNS} fields")));
                    }
                    self.ends.resize(2 * fields, 0);
                }
            }
        }
    }

    /// Advances to the first byte of a row. Returns false at the end of the file.
    fn begin_row(&mut self) -> Result<bool> {
        let mut in_comment = false;
        loop {
            let input = self.input.fill_buf().map_err(|source| DataError::file(&self.name, "cannot read", source))?;
            let Some(&first) = input.first() else { return Ok(false) };
            in_comment |= Some(first) == self.comment;
            let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let passed = match in_comment {
                true => input.iter().position(ends_line).unwrap_or(input.len()),
                false => input.iter().position(|byte| !ends_line(byte)).unwrap_or(input.len()),
            };
            if passed == 0 && !in_comment {
                return Ok(true);
            }
            in_comment &= passed == input.len();
            self.line += input[..passed].iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.input.consume(passed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::csv::{ByteRecord, ReaderBuilder};
    use proptest::prelude::*;

    /// Returns at most this many bytes at a time.
    struct Slow(Cursor<Vec<u8>>, usize);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = out.len().min(self.1);
            self.0.read(&mut out[..count])
        }
    }

    /// The fields of all rows with their lines, or what is wrong.
    fn rows(text: &str, at_once: usize) -> Result<Vec<(u64, Vec<Vec<u8>>)>> {
        let bytes = Box::new(Slow(Cursor::new(text.as_bytes().to_vec()), at_once));
        let mut rows = RowReader::new("f", bytes, b',', Some(b'#'))?;
        let mut all = Vec::new();
        while rows.advance()? {
            all.push((rows.row().line, rows.row().fields().map(<[u8]>::to_vec).collect()));
        }
        Ok(all)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        /// The fields do not depend on how the bytes arrive, and are those of the `csv` crate.
        #[test]
        fn rows_are_those_of_the_csv_crate(
            parts in prop::collection::vec(prop::sample::select(vec!["a", "é", ",", ",", "\"", "\"", " ", "\n", "\r\n", "#"]), 0..40),
            at_once in 1usize..9,
        ) {
            let text = parts.concat();
            let mut builder = ReaderBuilder::new();
            builder.has_headers(false).flexible(true).comment(Some(b'#'));
            // It takes a comment that ends with the file for a row.
            let records: Vec<ByteRecord> =
                builder.from_reader(format!("{text}\n").as_bytes()).into_byte_records().map(|row| row.unwrap()).collect();
            match rows(&text, at_once) {
                Ok(found) => {
                    let trimmed = |record: &ByteRecord| record.iter().map(|field| field.trim_ascii().to_vec()).collect();
                    let expected: Vec<Vec<Vec<u8>>> = records.iter().map(trimmed).collect();
                    let found: Vec<Vec<Vec<u8>>> = found.into_iter().map(|(_, fields)| fields).collect();
                    prop_assert_eq!(found, expected, "{:?}", text);
                }
                // Within quotes that are not closed, the end of the line is a part of the field.
                Err(error) => prop_assert!(records.last().is_some_and(|row| row[row.len() - 1].ends_with(b"\n")), "{}", error),
            }
        }
    }

    #[test]
    fn lines_are_those_on_which_rows_begin() {
        let lines = |text: &str| rows(text, 3).unwrap().into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        for end in ["\n", "\r\n"] {
            let text = "\u{feff}# x\na,b\n\n\n\"c\nd\",e\n# f\n#\ng,h".replace('\n', end);
            assert_eq!(lines(&text), [2, 5, 9]);
        }
    }
}
