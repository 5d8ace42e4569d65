//! Ending a training in time.

use autograd::Variable;
use data::escaped;
use nn::Loading;
use tensor::Tensor;

use super::{Callback, Monitor};
use crate::error::{Result, TrainError};
use crate::state::Entries;
use crate::training::Training;

/// Ends the training when a value has not become better for `patience` epochs in a row; the best weights can be
/// restored then. As Keras' `EarlyStopping`.
///
/// ```
/// use train::{EarlyStopping, Fit};
///
/// let fit = Fit::epochs(100).callback(EarlyStopping::new("val_loss").patience(5).restore_best_weights());
/// ```
#[derive(Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    min_delta: f64,
    patience: usize,
    baseline: Option<f64>,
    start_from_epoch: usize,
    restores: bool,
    best: Option<Best>,
    wait: usize,
}

/// The best epoch so far.
#[derive(Clone, Debug)]
struct Best {
    value: f64,
    epoch: usize,
    /// All weights of the model, if they are to be restored. Training replaces the tensors of weights, so that these
    /// stay as they were, and nothing is copied.
    weights: Vec<(String, Tensor)>,
}

impl EarlyStopping {
    /// Watches this value of the history, `val_loss` for example; the first epoch in which it is not better ends the
    /// training.
    pub fn new(monitor: impl Into<Monitor>) -> EarlyStopping {
        EarlyStopping {
            monitor: monitor.into(),
            min_delta: 0.0,
            patience: 0,
            baseline: None,
            start_from_epoch: 0,
            restores: false,
            best: None,
            wait: 0,
        }
    }

    /// Sets after how many epochs in a row that are not better the training ends; 0, by default, is as 1.
    #[must_use]
    pub fn patience(self, patience: usize) -> EarlyStopping {
        EarlyStopping { patience, ..self }
    }

    /// Sets by how much more than nothing a value must be better than the best; 0 by default.
    #[must_use]
    pub fn min_delta(self, min_delta: f64) -> EarlyStopping {
        EarlyStopping { min_delta, ..self }
    }

    /// Sets what the value must be better than for an epoch to count as progress, besides the best so far.
    #[must_use]
    pub fn baseline(self, baseline: f64) -> EarlyStopping {
        EarlyStopping { baseline: Some(baseline), ..self }
    }

    /// Looks away during the first epochs.
    #[must_use]
    pub fn start_from_epoch(self, start_from_epoch: usize) -> EarlyStopping {
        EarlyStopping { start_from_epoch, ..self }
    }

    /// Gives the model the weights of the best epoch when the training ends, for whatever reason.
    #[must_use]
    pub fn restore_best_weights(self) -> EarlyStopping {
        EarlyStopping { restores: true, ..self }
    }

    /// The epoch that was best so far and its value.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.best.as_ref().map(|best| (best.epoch, best.value))
    }
}

impl Callback for EarlyStopping {
    fn name(&self) -> &str {
        "early_stopping"
    }

    fn on_begin(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.monitor.check()?;
        if self.min_delta.is_nan() || self.min_delta < 0.0 {
            return Err(TrainError::trainer(format!("min_delta is {}; it must be at least 0", self.min_delta)));
        }
        if training.history.epochs() == 0 {
            (self.best, self.wait) = (None, 0);
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, training: &mut Training<'_>, values: &[(String, f64)]) -> Result<()> {
        let value = self.monitor.value(values)?;
        if training.epoch < self.start_from_epoch {
            return Ok(());
        }
        self.wait += 1;
        let best = self.best.as_ref().map_or(self.monitor.worst(), |best| best.value);
        if self.monitor.is_better(value, best, self.min_delta) {
            let weights = if self.restores { named_values(training) } else { Vec::new() };
            self.best = Some(Best { value, epoch: training.epoch, weights });
            if self.baseline.is_none_or(|baseline| self.monitor.is_better(value, baseline, self.min_delta)) {
                self.wait = 0;
                return Ok(());
            }
        }
        if self.wait >= self.patience && training.epoch > 0 {
            let name = escaped(self.monitor.name());
            training.stop(match &self.best {
                Some(best) => format!("early_stopping: {name} was best in epoch {}, {}", best.epoch, best.value),
                None => format!("early_stopping: {name} was never a number"),
            });
        }
        Ok(())
    }

    fn on_end(&mut self, training: &mut Training<'_>) -> Result<()> {
        let Some(best) = self.best.as_ref().filter(|_| self.restores) else { return Ok(()) };
        Loading::new().allow_missing().load(training.model, best.weights.clone())?;
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = Entries::default();
        state.count("wait", self.wait);
        if let Some(best) = &self.best {
            state.number("best", best.value);
            state.count("epoch", best.epoch);
            state.tensors("weights", &best.weights);
        }
        state.into_inner()
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let state = Entries::from(state);
        let wait = state.get_count("wait")?;
        let best = match state.has("best") {
            true => Some(Best {
                value: state.get_number("best")?,
                epoch: state.get_count("epoch")?,
                weights: state.get_tensors("weights"),
            }),
            false => None,
        };
        (self.wait, self.best) = (wait, best);
        Ok(())
    }
}

fn named_values(training: &Training<'_>) -> Vec<(String, Tensor)> {
    let value = |(path, weight): (String, Variable)| (path, weight.value().stop_gradient());
    training.model.named_weights().into_iter().map(value).collect()
}
