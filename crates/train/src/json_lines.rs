//! Epochs as JSON in a file.

use std::path::Path;

use crate::error::Result;
use crate::lines::{Lines, shown};

/// What each line begins with, before the number.
const START: &str = "{\"epoch\":";

/// A file with a JSON object a line for each epoch: `{"epoch":0,"loss":0.5}`. Each is handed to the
/// system before [`write`](JsonLines::write) returns; names may change from epoch to epoch.
///
/// JSON has no NaN and no infinities: they are written as the strings `"NaN"`, `"inf"` and `"-inf"`. Control characters
/// in names are written by their [escapes](data::escaped).
///
/// ```no_run
/// let mut log = train::JsonLines::create("training.jsonl")?;
/// log.write(0, &[("loss", 0.5), ("accuracy", 0.8)])?;
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLines {
    lines: Lines,
}

impl JsonLines {
    /// A new file, in place of one that may be there.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<JsonLines> {
        Ok(JsonLines { lines: Lines::create(path.as_ref(), START)? })
    }

    /// Adds to an existing file, for a training that is resumed; creates it if there is none. An unfinished line at its
    /// end is cut off.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read and written, or is not such a log. Then it is not changed.
    pub fn append(path: impl AsRef<Path>) -> Result<JsonLines> {
        Ok(JsonLines { lines: Lines::append(path.as_ref(), START, START)? })
    }

    /// Forgets the lines from an epoch on, which is to come again. If trainings have added their lines to those of
    /// others, only the lines of the last one count.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read and written.
    pub fn rewind(&mut self, epoch: usize) -> Result<()> {
        self.lines.rewind(epoch)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, epoch: usize, values: &[(&str, f64)]) -> Result<()> {
        // By hand, so that the names stay in their order.
        let mut line = format!("{START}{epoch}");
        for (name, value) in values {
            let name = serde_json::Value::from(shown(name));
            let value = if value.is_finite() { (*value).into() } else { serde_json::Value::from(value.to_string()) };
            line += &format!(",{name}:{value}");
        }
        self.lines.write((line + "}\n").as_bytes())
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

        // Without a line break it is more than a line that was being written.
        let strange = long(0).trim_end().to_owned();
        std::fs::write(&path, &strange).unwrap();
        let error = JsonLines::append(&path).unwrap_err().to_string();
        assert!(error.contains(" bytes without a line break, too many for a line that was being written"), "{error}");
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
