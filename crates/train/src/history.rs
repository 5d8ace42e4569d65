//! The results of fitting and evaluating.

use std::collections::HashSet;
use std::fmt;

use data::escaped;

use crate::error::{Result, TrainError};

/// The results of each epoch by name: `loss`, the metrics, and with validation the same names with the prefix `val_`.
///
/// It prints as a table with a row for each epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    epochs: usize,
    columns: Vec<(String, Vec<f64>)>,
    pub(crate) stopped: Option<String>,
}

/// The column of epoch numbers in tables and logs.
pub(crate) const EPOCH_COLUMN: &str = "epoch";

impl History {
    /// Appends an epoch.
    ///
    /// # Errors
    /// Returns an error if two values have the same name, one is named `epoch`, or the names differ from those of the
    /// epochs before.
    pub(crate) fn push(&mut self, values: &[(String, f64)]) -> Result<()> {
        let mut seen = HashSet::new();
        if let Some((name, _)) = values.iter().find(|(name, _)| !seen.insert(name)) {
            let message = format!("the epoch has two values named {}; names must be unique", escaped(name));
            return Err(TrainError::trainer(message));
        }
        if values.iter().any(|(name, _)| name == EPOCH_COLUMN) {
            let message =
                format!("a value is named {EPOCH_COLUMN}, like the column of epoch numbers; choose another name");
            return Err(TrainError::trainer(message));
        }
        if self.epochs == 0 {
            self.columns = values.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
        }
        if !self.names().eq(values.iter().map(|(name, _)| name.as_str())) {
            let given = listed(values.iter().map(|(name, _)| name.as_str()));
            let message = format!("the epoch has the values {given}; the epochs before have {}", listed(self.names()));
            return Err(TrainError::trainer(message));
        }
        self.epochs += 1;
        for ((_, column), (_, value)) in self.columns.iter_mut().zip(values) {
            column.push(*value);
        }
        Ok(())
    }

    /// A history with these columns; `None` if their lengths differ.
    pub(crate) fn of_columns(columns: Vec<(String, Vec<f64>)>) -> Option<History> {
        let epochs = columns.first().map_or(0, |(_, values)| values.len());
        columns.iter().all(|(_, values)| values.len() == epochs).then_some(History { epochs, columns, stopped: None })
    }

    /// Why the training was stopped: the reason that a callback gave, or `interrupted` if it was
    /// [a flag](crate::Fit::stop_when). `None` if it was not stopped.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// The number of epochs.
    pub fn epochs(&self) -> usize {
        self.epochs
    }

    /// The names, in the order of the table.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The values of this name, one for each epoch.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|(other, _)| other == name).map(|(_, values)| values.as_slice())
    }

    /// The value of this name in the last epoch.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.get(name)?.last().copied()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names().map(|name| escaped(name).to_string()).collect();
        let widths: Vec<usize> = names.iter().map(|name| name.chars().count().max(10)).collect();
        write!(f, "{EPOCH_COLUMN}")?;
        for (name, width) in names.iter().zip(&widths) {
            write!(f, "  {name:>width$}")?;
        }
        for epoch in 0..self.epochs {
            write!(f, "\n{epoch:>5}")?;
            for ((_, values), width) in self.columns.iter().zip(&widths) {
                write!(f, "  {:>width$}", number(values[epoch]))?;
            }
        }
        Ok(())
    }
}

/// The loss and the metrics over a data set.
///
/// It prints as one line: `loss 0.5512, accuracy 0.8194`.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The mean loss of a sample.
    pub loss: f64,
    /// The metrics by name, in the order in which they were added to the trainer.
    pub metrics: Vec<(String, f64)>,
}

impl Score {
    /// The metric of this name, or `loss`.
    pub fn get(&self, name: &str) -> Option<f64> {
        if name == "loss" {
            return Some(self.loss);
        }
        self.metrics.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
    }

    /// The loss, then the metrics, with their names.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, f64)> {
        std::iter::once(("loss", self.loss)).chain(self.metrics.iter().map(|(name, value)| (name.as_str(), *value)))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {}", number(self.loss))?;
        self.metrics.iter().try_for_each(|(name, value)| write!(f, ", {} {}", escaped(name), number(*value)))
    }
}

/// Lists names in a message. They may come from a file, so each is escaped and only the first ones are shown.
pub(crate) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const MOST: usize = 20;
    let mut names = names.map(|name| escaped(name).to_string());
    let mut shown: Vec<String> = names.by_ref().take(MOST).collect();
    match names.count() {
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown.join(", ")
}

/// Formats a number with four decimals, or with an exponent if it is very small or large.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) || !value.is_finite() {
        format!("{value:.4}")
    } else {
        format!("{value:.3e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_prints_as_a_table() {
        let row = |loss, accuracy| [("loss".to_string(), loss), ("val_accuracy".to_string(), accuracy)];
        let mut history = History::default();
        history.push(&row(2.5, 0.125)).unwrap();
        history.push(&row(1e-7, 1.0)).unwrap();
        let table = "epoch        loss  val_accuracy\n    0      2.5000        0.1250\n    1    1.000e-7        1.0000";
        assert_eq!(history.to_string(), table);
        assert_eq!(history.get("loss"), Some(&[2.5, 1e-7][..]));
        assert_eq!((history.last("val_accuracy"), history.get("accuracy")), (Some(1.0), None));
    }

    #[test]
    fn names_cannot_fake_lines() {
        let name = "f1\n    1      0.0001\u{1b}[2J";
        let mut history = History::default();
        history.push(&[(name.to_string(), 0.5)]).unwrap();
        let table = "epoch  f1\\n    1      0.0001\\u{1b}[2J\n    0                          0.5000";
        assert_eq!(history.to_string(), table);
        let score = Score { loss: 0.5, metrics: vec![(name.to_string(), 0.25)] };
        assert_eq!(score.to_string(), "loss 0.5000, f1\\n    1      0.0001\\u{1b}[2J 0.2500");
        let many: Vec<String> = (0..30).map(|k| format!("m{k}")).collect();
        let listed = listed(many.iter().map(String::as_str));
        assert!(listed.starts_with("m0, m1, ") && listed.ends_with(", m19, and 10 more"), "{listed}");
    }

    #[test]
    fn a_score_prints_as_a_line() {
        let score = Score { loss: 0.55119, metrics: vec![("accuracy".into(), 0.8194)] };
        assert_eq!(score.to_string(), "loss 0.5512, accuracy 0.8194");
        assert_eq!((score.get("loss"), score.get("accuracy"), score.get("mae")), (Some(0.55119), Some(0.8194), None));
    }
}
