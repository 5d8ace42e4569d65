//! Ending a training when it no longer improves.

use autograd::Variable;
use data::escaped;
use nn::Loading;
use tensor::Tensor;

use super::{Callback, Monitor};
use crate::error::{Result, TrainError};
use crate::state_dict::StateDict;
use crate::training_state::TrainingState;

/// Ends the training when a value has not improved for `patience` consecutive epochs, and optionally restores the best
/// weights. Like `EarlyStopping` of Keras.
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
    /// All weights of the model, if they will be restored. Nothing is copied: training replaces the tensors of weights
    /// and does not change these.
    weights: Vec<(String, Tensor)>,
}

impl EarlyStopping {
    /// Watches a value of the history such as `val_loss`. With the default patience, the first epoch without an
    /// improvement ends the training.
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

    /// Sets after how many consecutive epochs without improvement the training ends. The default, 0, means the same as
    /// 1.
    #[must_use]
    pub fn patience(self, patience: usize) -> EarlyStopping {
        EarlyStopping { patience, ..self }
    }

    /// Sets by how much a value must exceed the best one to count as an improvement; 0 by default.
    #[must_use]
    pub fn min_delta(self, min_delta: f64) -> EarlyStopping {
        EarlyStopping { min_delta, ..self }
    }

    /// Sets a value that must be exceeded, besides the best one, for an epoch to reset the patience.
    #[must_use]
    pub fn baseline(self, baseline: f64) -> EarlyStopping {
        EarlyStopping { baseline: Some(baseline), ..self }
    }

    /// Ignores the epochs before this one.
    #[must_use]
    pub fn start_from_epoch(self, start_from_epoch: usize) -> EarlyStopping {
        EarlyStopping { start_from_epoch, ..self }
    }

    /// Restores the weights of the best epoch when the training ends, for whatever reason.
    #[must_use]
    pub fn restore_best_weights(self) -> EarlyStopping {
        EarlyStopping { restores: true, ..self }
    }

    /// The best epoch so far and its value.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.best.as_ref().map(|best| (best.epoch, best.value))
    }
}

impl Callback for EarlyStopping {
    fn name(&self) -> &str {
        "early_stopping"
    }

    fn on_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        self.monitor.check()?;
        if self.min_delta.is_nan() || self.min_delta < 0.0 {
            return Err(TrainError::trainer(format!("min_delta is {}; it must be at least 0", self.min_delta)));
        }
        if training.history.epochs() == 0 {
            (self.best, self.wait) = (None, 0);
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
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

    fn on_end(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        let Some(best) = self.best.as_ref().filter(|_| self.restores) else { return Ok(()) };
        Loading::new().allow_missing().load(training.model, best.weights.clone())?;
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = StateDict::default();
        state.put_count("wait", self.wait);
        if let Some(best) = &self.best {
            state.put_number("best", best.value);
            state.put_count("epoch", best.epoch);
            state.put_tensors("weights", &best.weights);
        }
        state.into_inner()
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let state = StateDict::from(state);
        let wait = state.get_count("wait")?;
        let best = match state.contains("best") {
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

fn named_values(training: &TrainingState<'_>) -> Vec<(String, Tensor)> {
    let value = |(path, weight): (String, Variable)| (path, weight.value().stop_gradient());
    training.model.named_weights().into_iter().map(value).collect()
}
