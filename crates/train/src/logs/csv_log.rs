//! A log as a CSV file.

use std::path::Path;

use tensor::Tensor;

use super::log_file::LogFile;
use super::{check_names, printable, with_learning_rate};
use crate::callbacks::Callback;
use crate::error::Result;
use crate::history::EPOCH_COLUMN;
use crate::training_state::TrainingState;

/// A CSV file with a header of `epoch` and the names of the values, and a row for each epoch. pandas and spreadsheets
/// can read it. Each row is handed to the operating system before [`write`](CsvLog::write) returns.
///
/// Like `CSVLogger` of Keras. NaN and infinities are written as `NaN`, `inf` and `-inf`. Control characters in names
/// are [escaped](data::escaped).
///
/// ```no_run
/// let mut log = train::CsvLog::create("training.csv")?;
/// log.write(0, &[("loss", 0.5), ("accuracy", 0.8)])?;
/// log.write(1, &[("loss", 0.25), ("accuracy", 0.9)])?;
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Debug)]
pub struct CsvLog {
    file: LogFile,
    header: Option<Vec<u8>>,
}

impl CsvLog {
    /// Creates the file, or replaces it if it exists.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<CsvLog> {
        Ok(CsvLog { file: LogFile::create(path.as_ref(), "")?, header: None })
    }

    /// Appends to the file, as resumed trainings need it, or creates it. An incomplete last row is cut off.
    ///
    /// # Errors
    /// Returns an error, and does not change the file, if it cannot be read and written or is not such a log.
    pub fn append(path: impl AsRef<Path>) -> Result<CsvLog> {
        let mut file = LogFile::append(path.as_ref(), EPOCH_COLUMN, "")?;
        let header = file.first()?;
        Ok(CsvLog { file, header })
    }

    /// Removes the rows from an epoch on, because the epoch will be repeated. If several trainings have appended to the
    /// file, this concerns only the rows of the last one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read and written.
    pub fn rewind(&mut self, epoch: usize) -> Result<()> {
        self.file.rewind(epoch)
    }

    /// Appends a row.
    ///
    /// # Errors
    /// Returns an error if two values have the same name or one is named `epoch`, the names differ from those of the
    /// rows before, or the file cannot be written.
    pub fn write(&mut self, epoch: usize, values: &[(&str, f64)]) -> Result<()> {
        check_names(values).map_err(|error| self.file.error(error))?;
        let names = std::iter::once(EPOCH_COLUMN.to_owned()).chain(values.iter().map(|(name, _)| printable(name)));
        let header = row(names).map_err(|error| self.file.error(error))?;
        match &self.header {
            None => self.file.write(&header)?,
            Some(old) if *old == header => {}
            Some(old) => {
                let [old, new] = [old, &header].map(|line| printable(String::from_utf8_lossy(line).trim_end()));
                return Err(self.file.error(std::io::Error::other(format!("has the columns {old}, not {new}"))));
            }
        }
        self.header = Some(header);
        let numbers = values.iter().map(|(_, value)| value.to_string());
        let row = row(std::iter::once(epoch.to_string()).chain(numbers)).map_err(|error| self.file.error(error))?;
        self.file.write(&row)
    }
}

impl Callback for CsvLog {
    fn name(&self) -> &str {
        "csv_log"
    }

    fn on_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        if training.resumed { self.rewind(training.epoch()) } else { self.file.begin() }
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
        self.write(training.epoch(), &with_learning_rate(training, values))
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        self.file.state()
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.file.restore(state)
    }

    fn is_optional(&self) -> bool {
        true
    }
}

/// A line of these fields, quoted where necessary.
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

        // The same holds for names from a file in a message.
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
        // The process was killed while it wrote the second row.
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
