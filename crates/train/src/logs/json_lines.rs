//! A log as a file of JSON lines.

use std::path::Path;

use tensor::Tensor;

use super::log_file::LogFile;
use super::{check_names, printable, with_learning_rate};
use crate::callbacks::Callback;
use crate::error::Result;
use crate::training_state::TrainingState;

/// The text before the number of the epoch in each line.
const START: &str = "{\"epoch\":";

/// A file with one line for each epoch, a JSON object such as `{"epoch":0,"loss":0.5}`. Each line is handed to the
/// operating system before [`write`](JsonLines::write) returns. Names may change from epoch to epoch.
///
/// JSON has no NaN and no infinities: they are written as the strings `"NaN"`, `"inf"` and `"-inf"`. Control characters
/// in names are [escaped](data::escaped).
///
/// ```no_run
/// let mut log = train::JsonLines::create("training.jsonl")?;
/// log.write(0, &[("loss", 0.5), ("accuracy", 0.8)])?;
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLines {
    file: LogFile,
}

impl JsonLines {
    /// Creates the file, or replaces it if it exists.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<JsonLines> {
        Ok(JsonLines { file: LogFile::create(path.as_ref(), START)? })
    }

    /// Appends to the file, as resumed trainings need it, or creates it. An incomplete last line is cut off.
    ///
    /// # Errors
    /// Returns an error, and does not change the file, if it cannot be read and written or is not such a log.
    pub fn append(path: impl AsRef<Path>) -> Result<JsonLines> {
        Ok(JsonLines { file: LogFile::append(path.as_ref(), START, START)? })
    }

    /// Removes the lines from an epoch on, because the epoch will be repeated. If several trainings have appended to
    /// the file, this concerns only the lines of the last one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read and written.
    pub fn rewind(&mut self, epoch: usize) -> Result<()> {
        self.file.rewind(epoch)
    }

    /// Appends a line.
    ///
    /// # Errors
    /// Returns an error if two values have the same name or one is named `epoch`, or the file cannot be written.
    pub fn write(&mut self, epoch: usize, values: &[(&str, f64)]) -> Result<()> {
        check_names(values).map_err(|error| self.file.error(error))?;
        // Not through serde_json::Map, which would sort the names.
        let mut line = format!("{START}{epoch}");
        for (name, value) in values {
            let name = serde_json::Value::from(printable(name));
            let value = if value.is_finite() { (*value).into() } else { serde_json::Value::from(value.to_string()) };
            line += &format!(",{name}:{value}");
        }
        self.file.write((line + "}\n").as_bytes())
    }
}

impl Callback for JsonLines {
    fn name(&self) -> &str {
        "json_lines"
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

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("json-lines-{name}-{}.jsonl", std::process::id()))
    }

    #[test]
    fn a_file_of_long_lines_is_not_cut() {
        let path = temporary("long");
        let long = |epoch: usize| format!("{{\"epoch\":{epoch},\"{}\":0.5}}\n", "x".repeat(3 << 20));
        let whole = long(0) + &long(1);
        std::fs::write(&path, whole.clone() + "{\"epoch\":2,").unwrap();
        let mut log = JsonLines::append(&path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap() == whole);
        log.write(2, &[("loss", 0.5)]).unwrap();
        log.rewind(1).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap() == long(0));

        // Too long for an incomplete line.
        let strange = long(0).trim_end().to_owned();
        std::fs::write(&path, &strange).unwrap();
        let error = JsonLines::append(&path).unwrap_err().to_string();
        assert!(
            error.contains(" bytes without a line break, too many for the incomplete line of a killed process"),
            "{error}"
        );
        assert!(std::fs::read_to_string(&path).unwrap() == strange);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn lines_of_an_earlier_training_stay() {
        let path = temporary("earlier");
        let mut log = JsonLines::create(&path).unwrap();
        for epoch in [0, 1, 2, 3, 0, 1, 2] {
            log.write(epoch, &[]).unwrap();
        }
        let epochs = || {
            let text = std::fs::read_to_string(&path).unwrap();
            let digits = text.lines().map(|line| line[START.len()..].trim_end_matches('}').to_owned());
            digits.collect::<Vec<_>>().join(" ")
        };
        log.rewind(1).unwrap();
        assert_eq!(epochs(), "0 1 2 3 0");
        log.rewind(1).unwrap();
        assert_eq!(epochs(), "0 1 2 3 0");
        log.rewind(0).unwrap();
        assert_eq!(epochs(), "0 1 2 3");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn names_cannot_fake_lines() {
        let path = temporary("names");
        JsonLines::create(&path).unwrap().write(0, &[("a\n{\"epoch\":9}\u{9b}", 0.5)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"epoch\":0,\"a\\\\n{\\\"epoch\\\":9}\\\\u{9b}\":0.5}\n");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn lines_are_appended_and_are_json() {
        let path = temporary("json");
        JsonLines::create(&path).unwrap().write(0, &[("loss", 0.1), ("a\"b", f64::NAN)]).unwrap();
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "{\"epo").unwrap();
        JsonLines::append(&path).unwrap().write(1, &[("loss", f64::NEG_INFINITY)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"epoch\":0,\"loss\":0.1,\"a\\\"b\":\"NaN\"}\n{\"epoch\":1,\"loss\":\"-inf\"}\n");
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        std::fs::remove_file(&path).unwrap();
    }
}
