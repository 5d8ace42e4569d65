//! A table of epochs in a file.

use std::path::Path;

use crate::error::Result;
use crate::lines::{Lines, shown};

/// A CSV file with a row for each epoch, under a header of `epoch` and the names: what pandas and
/// spreadsheets read. Each row is handed to the system before [`write`](CsvLog::write) returns.
///
/// As Keras' `CSVLogger`. NaN and infinities are written as `NaN`, `inf` and `-inf`, control characters in names by
/// their [escapes](data::escaped).
///
/// ```no_run
/// let mut log = train::CsvLog::create("training.csv")?;
/// log.write(0, &[("loss", 0.5), ("accuracy", 0.8)])?;
/// log.write(1, &[("loss", 0.25), ("accuracy", 0.9)])?;
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Debug)]
pub struct CsvLog {
    lines: Lines,
    header: Option<Vec<u8>>,
}

impl CsvLog {
    /// A new file, in place of one that may be there.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<CsvLog> {
        Ok(CsvLog { lines: Lines::create(path.as_ref(), "")?, header: None })
    }

    /// Adds to an existing file, for a training that is resumed; creates it if there is none. An unfinished row at its
    /// end is cut off.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read and written, or is not such a log. Then it is not changed.
    pub fn append(path: impl AsRef<Path>) -> Result<CsvLog> {
        let mut lines = Lines::append(path.as_ref(), "epoch", "")?;
        let header = lines.first()?;
        Ok(CsvLog { lines, header })
    }

    /// Forgets the rows from an epoch on, which is to come again. If trainings have added their rows to those of others,
    /// only the rows of the last one count.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read and written.
    pub fn rewind(&mut self, epoch: usize) -> Result<()> {
        self.lines.rewind(epoch)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If the names are not those of the rows before, or the file cannot be written.
    pub fn write(&mut self, epoch: usize, values: &[(&str, f64)]) -> Result<()> {
        let names = std::iter::once("epoch".to_owned()).chain(values.iter().map(|(name, _)| shown(name)));
        let header = row(names).map_err(|error| self.lines.error(error))?;
        match &self.header {
            None => self.lines.write(&header)?,
            Some(old) if *old == header => {}
            Some(old) => {
                let [old, new] = [old, &header].map(|line| shown(String::from_utf8_lossy(line).trim_end()));
                return Err(self.lines.error(std::io::Error::other(format!("has the columns {old}, not {new}"))));
            }
        }
        self.header = Some(header);
        let numbers = values.iter().map(|(_, value)| value.to_string());
        let row = row(std::iter::once(epoch.to_string()).chain(numbers)).map_err(|error| self.lines.error(error))?;
        self.lines.write(&row)
    }
}

/// A line of these fields, quoted where that is necessary.
fn row(fields: impl IntoIterator<Item = impl AsRef<[u8]>>) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields)?;
    writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_fake_rows() {
        let path = std::env::temp_dir().join(format!("csv-log-names-{}.csv", std::process::id()));
        let name = "loss\n0,1.5\u{1b}[2J";
        CsvLog::create(&path).unwrap().write(0, &[(name, 0.5)]).unwrap();
        CsvLog::append(&path).unwrap().write(1, &[(name, 0.25)]).unwrap();
        let expected = "epoch,\"loss\\n0,1.5\\u{1b}[2J\"\n0,0.5\n1,0.25\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);

        // Nor can those in a file, in a message.
        std::fs::write(&path, "epoch,\u{1b}[2Jx\n").unwrap();
        let error = CsvLog::append(&path).unwrap().write(0, &[("loss", 0.5)]).unwrap_err().to_string();
        assert!(error.ends_with(r"has the columns epoch,\u{1b}[2Jx, not epoch,loss"), "{error}");
        std::fs::write(&path, "epoch,".to_owned() + &"x".repeat(2 << 20) + "\n").unwrap();
        let error = CsvLog::append(&path).unwrap_err().to_string();
        assert!(error.ends_with("has a header of more than 1048576 bytes"), "{error}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn rows_are_appended_under_one_header() {
        let path = std::env::temp_dir().join(format!("csv-log-{}.csv", std::process::id()));
        let mut log = CsvLog::create(&path).unwrap();
        log.write(0, &[("loss", 0.5), ("a \"b\", c", f64::NAN)]).unwrap();
        drop(log);
        // Killed within the second row.
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "1,0.2").unwrap();
        let mut log = CsvLog::append(&path).unwrap();
        log.write(1, &[("loss", 1e-7), ("a \"b\", c", f64::INFINITY)]).unwrap();
        let text = "epoch,loss,\"a \"\"b\"\", c\"\n0,0.5,NaN\n1,0.0000001,inf\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        let error = log.write(2, &[("loss", 0.5)]).unwrap_err().to_string();
        assert!(error.ends_with(".csv: has the columns epoch,loss,\"a \"\"b\"\", c\", not epoch,loss"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::remove_file(&path).unwrap();
    }
}
