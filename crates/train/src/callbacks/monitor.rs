//! A value that callbacks watch.

use data::escaped;

use crate::error::{Result, TrainError};
use crate::history::{History, listed};

/// A value of the history, such as `val_loss`, and whether larger or smaller values are better.
///
/// If only a name is given, its ending decides, as in Keras: larger is better for `accuracy`, `auc`, `precision`,
/// `recall`, `score`, `kappa`, `similarity` and `correlation`, smaller for `loss`, `error` and `perplexity`. For other
/// names use [`growing`](Monitor::growing) or [`falling`](Monitor::falling).
#[derive(Clone, Debug)]
pub struct Monitor {
    name: String,
    grows: Option<bool>,
}

const GROWING: [&str; 8] = ["accuracy", "auc", "precision", "recall", "score", "kappa", "similarity", "correlation"];
const FALLING: [&str; 3] = ["loss", "error", "perplexity"];

impl Monitor {
    /// A value that should fall: smaller is better.
    pub fn falling(name: impl Into<String>) -> Monitor {
        Monitor { name: name.into(), grows: Some(false) }
    }

    /// A value that should grow: larger is better.
    pub fn growing(name: impl Into<String>) -> Monitor {
        Monitor { name: name.into(), grows: Some(true) }
    }

    /// Returns an error if the direction is unknown.
    pub(crate) fn check(&self) -> Result<()> {
        if self.grows.is_some() {
            return Ok(());
        }
        Err(TrainError::trainer(format!(
            "the name {} does not tell whether larger or smaller is better; use Monitor::growing or Monitor::falling",
            escaped(&self.name)
        )))
    }

    /// Its name in the history.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its value in an epoch.
    ///
    /// # Errors
    /// Returns an error that lists the names if there is no such value.
    pub(crate) fn value(&self, values: &[(String, f64)]) -> Result<f64> {
        match values.iter().find(|(name, _)| *name == self.name) {
            Some((_, value)) => Ok(*value),
            None => {
                let names = listed(values.iter().map(|(name, _)| name.as_str()));
                let message = format!("there is no value {}; an epoch has {names}", escaped(&self.name));
                Err(TrainError::trainer(message))
            }
        }
    }

    /// Its value in the last epoch.
    ///
    /// # Errors
    /// The same errors as [`value`](Monitor::value).
    pub(crate) fn last(&self, history: &History) -> Result<f64> {
        self.value(
            &history.names().map(|name| (name.to_owned(), history.last(name).unwrap_or(f64::NAN))).collect::<Vec<_>>(),
        )
    }

    /// Whether `value` is better than `best` by more than `delta`. NaN never is.
    pub(crate) fn is_better(&self, value: f64, best: f64, delta: f64) -> bool {
        if self.grows == Some(true) { value - delta > best } else { value + delta < best }
    }

    /// The infinity that every finite value is better than.
    pub(crate) fn worst(&self) -> f64 {
        if self.grows == Some(true) { f64::NEG_INFINITY } else { f64::INFINITY }
    }
}

impl From<&str> for Monitor {
    fn from(name: &str) -> Monitor {
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        let grows = match (ends(&GROWING), ends(&FALLING)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        Monitor { name: name.into(), grows }
    }
}
