//! A rate that depends on a metric.

use tensor::Result;

use crate::{Hyperparameter, Range};

const NAME: &str = "reduce_on_plateau";

/// A learning rate that is multiplied by a factor when a metric, usually the validation loss, has not improved in
/// `patience` consecutive reports.
///
/// ```
/// use optim::schedules::ReduceOnPlateau;
/// use optim::{Optimizer, Sgd};
///
/// let mut optimizer = Sgd::new(0.1);
/// let mut plateau = ReduceOnPlateau::new(0.1).factor(0.5).patience(2);
/// for loss in [1.0, 0.9, 0.9, 0.9] {
///     optimizer.set_learning_rate(plateau.report(loss)?)?;
/// }
/// assert_eq!(optimizer.learning_rate(), 0.05);
/// # Ok::<(), tensor::Error>(())
/// ```
///
/// To combine it with a schedule, start it at 1 and multiply the rate of the schedule by it.
///
/// Keras' `ReduceLROnPlateau`: factor 0.1, patience 10, `min_delta` 1e-4, no cooldown, no minimum. In
/// PyTorch's, the patience lasts one report longer and the cooldown one report less, so add 1 to both for the same
/// behaviour, and the threshold is [`relative`](ReduceOnPlateau::relative).
pub struct ReduceOnPlateau {
    factor: f64,
    patience: u64,
    min_delta: f64,
    is_relative: bool,
    is_maximized: bool,
    cooldown: u64,
    min_rate: f64,
    state: PlateauState,
}

/// A snapshot of a [`ReduceOnPlateau`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateauState {
    /// The current rate.
    pub learning_rate: f64,
    /// The best metric so far; `None` before the first report.
    pub best: Option<f64>,
    /// The number of consecutive reports without an improvement.
    pub wait: u64,
    /// The number of reports left in the cooldown.
    pub cooldown: u64,
}

impl ReduceOnPlateau {
    /// Keras' defaults, with this initial rate, 0 or more.
    pub fn new(learning_rate: f64) -> ReduceOnPlateau {
        ReduceOnPlateau {
            factor: 0.1,
            patience: 10,
            min_delta: 1e-4,
            is_relative: false,
            is_maximized: false,
            cooldown: 0,
            min_rate: 0.0,
            state: PlateauState { learning_rate, best: None, wait: 0, cooldown: 0 },
        }
    }

    /// Sets the factor of the rate, from 0 to below 1.
    #[must_use]
    pub fn factor(self, factor: f64) -> ReduceOnPlateau {
        ReduceOnPlateau { factor, ..self }
    }

    /// Sets the number of consecutive reports without an improvement after which the rate is reduced.
    #[must_use]
    pub fn patience(self, patience: u64) -> ReduceOnPlateau {
        ReduceOnPlateau { patience, ..self }
    }

    /// Sets the smallest change of the best metric that counts as an improvement, 0 or more.
    #[must_use]
    pub fn min_delta(self, min_delta: f64) -> ReduceOnPlateau {
        ReduceOnPlateau { min_delta, ..self }
    }

    /// Interprets `min_delta` as a fraction of the best metric.
    #[must_use]
    pub fn relative(self) -> ReduceOnPlateau {
        ReduceOnPlateau { is_relative: true, ..self }
    }

    /// Treats larger values as better, for metrics such as an accuracy.
    #[must_use]
    pub fn maximize(self) -> ReduceOnPlateau {
        ReduceOnPlateau { is_maximized: true, ..self }
    }

    /// Sets the number of reports after a reduction that do not count towards the patience, except the last.
    #[must_use]
    pub fn cooldown(self, cooldown: u64) -> ReduceOnPlateau {
        ReduceOnPlateau { cooldown, ..self }
    }

    /// Sets the minimum rate, 0 or more.
    #[must_use]
    pub fn min_rate(self, min_rate: f64) -> ReduceOnPlateau {
        ReduceOnPlateau { min_rate, ..self }
    }

    /// The current rate.
    pub fn rate(&self) -> f64 {
        self.state.learning_rate
    }

    /// Reports a metric, and returns the new rate. NaN is never an improvement.
    ///
    /// # Errors
    /// Returns an error if a hyperparameter is out of range; it names the hyperparameter, the value and the range.
    pub fn report(&mut self, metric: f64) -> Result<f64> {
        self.validate()?;
        self.state.cooldown = self.state.cooldown.saturating_sub(1);
        if self.is_better(metric) {
            (self.state.best, self.state.wait) = (Some(metric), 0);
        } else if self.state.cooldown == 0 {
            self.state.wait += 1;
            if self.state.wait >= self.patience && self.rate() > self.min_rate {
                let learning_rate = (self.rate() * self.factor).max(self.min_rate);
                self.state = PlateauState { learning_rate, wait: 0, cooldown: self.cooldown, ..self.state };
            }
        }
        Ok(self.rate())
    }

    /// A snapshot.
    pub fn state(&self) -> PlateauState {
        self.state
    }

    /// Restores a snapshot.
    ///
    /// # Errors
    /// Returns an error if its learning rate is out of range. Nothing is changed then.
    pub fn restore(&mut self, state: PlateauState) -> Result<()> {
        checked_rate(state.learning_rate).check(NAME)?;
        self.state = state;
        Ok(())
    }

    fn is_better(&self, metric: f64) -> bool {
        let Some(best) = self.state.best else { return !metric.is_nan() };
        let delta = if self.is_relative { self.min_delta * best } else { self.min_delta };
        if self.is_maximized { metric > best + delta } else { metric < best - delta }
    }

    fn validate(&self) -> Result<()> {
        let own = [
            Hyperparameter::new("factor", self.factor, Range::Decay),
            Hyperparameter::new("min_delta", self.min_delta, Range::NonNegative),
            Hyperparameter::new("min_rate", self.min_rate, Range::NonNegative),
            checked_rate(self.rate()),
        ];
        own.into_iter().try_for_each(|hyperparameter| hyperparameter.check(NAME))
    }
}

fn checked_rate(learning_rate: f64) -> Hyperparameter {
    Hyperparameter::new("learning_rate", learning_rate, Range::NonNegative)
}
