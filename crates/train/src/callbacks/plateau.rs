//! A learning rate that falls when a value no longer improves.

use optim::schedules::{PlateauState, ReduceOnPlateau};
use tensor::Tensor;

use super::{Callback, Monitor};
use crate::error::Result;
use crate::state_dict::StateDict;
use crate::training_state::TrainingState;

/// Reports a value of each epoch to a [`ReduceOnPlateau`] and sets the optimizer's learning rate to the result. Like
/// `ReduceLROnPlateau` of Keras.
///
/// ```
/// use optim::schedules::ReduceOnPlateau;
/// use train::{Fit, Plateau};
///
/// let rate = ReduceOnPlateau::new(1e-3).factor(0.5).patience(3).min_rate(1e-5);
/// let fit = Fit::epochs(50).callback(Plateau::new("val_loss", rate));
/// ```
pub struct Plateau {
    monitor: Monitor,
    rate: ReduceOnPlateau,
}

impl Plateau {
    /// Reports the value of this name, such as `val_loss`. Smaller values are better unless `rate`
    /// [maximizes](ReduceOnPlateau::maximize).
    pub fn new(name: impl Into<String>, rate: ReduceOnPlateau) -> Plateau {
        Plateau { monitor: Monitor::falling(name), rate }
    }
}

impl Callback for Plateau {
    fn name(&self) -> &str {
        "plateau"
    }

    fn on_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        training.optimizer.set_learning_rate(self.rate.rate())
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
        let rate = self.rate.report(self.monitor.value(values)?)?;
        training.optimizer.set_learning_rate(rate)
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let PlateauState { learning_rate, best, wait, cooldown } = self.rate.state();
        let mut state = StateDict::default();
        state.put_number("learning_rate", learning_rate);
        if let Some(best) = best {
            state.put_number("best", best);
        }
        state.put_count("wait", wait as usize);
        state.put_count("cooldown", cooldown as usize);
        state.into_inner()
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let state = StateDict::from(state);
        let best = if state.contains("best") { Some(state.get_number("best")?) } else { None };
        self.rate.restore(PlateauState {
            learning_rate: state.get_number("learning_rate")?,
            best,
            wait: state.get_count("wait")? as u64,
            cooldown: state.get_count("cooldown")? as u64,
        })
    }
}
