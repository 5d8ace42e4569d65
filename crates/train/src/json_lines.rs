//! Epochs as JSON in a file.

use std::path::Path;

use crate::error::Result;
use crate::lines::{Lines, epoch_of};

/// What each line begins with, before the number.
const START: &str = "{\"epoch\":";

/// A file with a JSON object a line for each epoch: `{"epoch":0,"loss":0.5}`. Each is handed to the
/// system before [`write`](JsonLines::write) returns; names may change from epoch to epoch.
///
/// JSON has no NaN and no infinities: they are written as the strings `"NaN"`, `"inf"` and `"-inf"`.
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
        Ok(JsonLines { lines: Lines::create(path.as_ref())? })
    }

    /// Goes on with a file, for training that is resumed; a new one if there is none. Half a line at
    /// its end is cut off.
    ///
    /// # Errors
    /// If the file cannot be read and written, or is no such log.
    pub fn append(path: impl AsRef<Path>) -> Result<JsonLines> {
        Ok(JsonLines { lines: Lines::append(path.as_ref(), START)?.0 })
    }

    /// Forgets the lines from an epoch on, which is to come again.
    ///
    /// # Errors
    /// If the file cannot be read and written.
    pub fn rewind(&mut self, epoch: usize) -> Result<()> {
        self.lines.cut(|line| epoch_of(line, START).is_some_and(|written| written >= epoch)).map(drop)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, epoch: usize, values: &[(&str, f64)]) -> Result<()> {
        // By hand, so that the names stay in their order.
        let mut line = format!("{START}{epoch}");
        for (name, value) in values {
            let name = serde_json::Value::from(*name);
            let value = if value.is_finite() { (*value).into() } else { serde_json::Value::from(value.to_string()) };
            line += &format!(",{name}:{value}");
        }
        self.lines.write((line + "}\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_are_json() {
        let path = std::env::temp_dir().join(format!("json-lines-{}.jsonl", std::process::id()));
        JsonLines::create(&path).unwrap().write(0, &[("loss", 0.1), ("a\"b", f64::NAN)]).unwrap();
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "{\"epo").unwrap();
        JsonLines::append(&path).unwrap().write(1, &[("loss", f64::NEG_INFINITY)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"epoch\":0,\"loss\":0.1,\"a\\\"b\":\"NaN\"}\n{\"epoch\":1,\"loss\":\"-inf\"}\n");
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        std::fs::remove_file(&path).unwrap();
    }
}
