//! A value that callbacks watch.

use data::escaped;

use crate::error::{Result, TrainError};
use crate::history::{History, listed};

/// A value of the history, such as `val_loss`, and whether it becomes better by growing or by falling.
///
/// From a name alone the direction is taken as Keras takes it: what ends in `accuracy`, `auc`, `precision`,
/// `recall`, `score`, `average_precision` or `kappa` is to grow, what ends in `loss`, `error` or `perplexity` to
/// fall. Of other names a [direction](Monitor::falling) must be said.
#[derive(Clone, Debug)]
pub struct Monitor {
    name: String,
    grows: Option<bool>,
}

const GROWING: [&str; 8] = ["accuracy", "auc", "precision", "recall", "score", "kappa", "similarity", "correlation"];
const FALLING: [&str; 3] = ["loss", "error", "perplexity"];

impl Monitor {
    /// A value that is better the smaller it is.
    pub fn falling(name: impl Into<String>) -> Monitor {
        Monitor { name: name.into(), grows: Some(false) }
    }

    /// A value that is better the larger it is.
    pub fn growing(name: impl Into<String>) -> Monitor {
        Monitor { name: name.into(), grows: Some(true) }
    }

    /// Checks, before a training, that it is known which is better.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn check(&self) -> Result<()> {
        if self.grows.is_some() {
            return Ok(());
        }
        Err(TrainError::trainer(format!(
            "whether {} is to grow or to fall does not follow from its name; say Monitor::growing or Monitor::falling",
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
    /// If there is none of this name; the message has those there are.
    pub(crate) fn value(&self, values: &[(String, f64)]) -> Result<f64> {
        match values.iter().find(|(name, _)| *name == self.name) {
            Some((_, value)) => Ok(*value),
            None => {
                let names = listed(values.iter().map(|(name, _)| name.as_str()));
                let message = format!("there is no {}; an epoch has {names}", escaped(&self.name));
                Err(TrainError::trainer(message))
            }
        }
    }

    /// Its value in the last epoch.
    ///
    /// # Errors
    /// As [`value`](Monitor::value).
    pub(crate) fn last(&self, history: &History) -> Result<f64> {
        self.value(
            &history.names().map(|name| (name.to_owned(), history.last(name).unwrap_or(f64::NAN))).collect::<Vec<_>>(),
        )
    }

    /// Whether `value` is better than `best` by more than `delta`. NaN is better than nothing.
    pub(crate) fn is_better(&self, value: f64, best: f64, delta: f64) -> bool {
        if self.grows == Some(true) { value - delta > best } else { value + delta < best }
    }

    /// What every number is better than.
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
