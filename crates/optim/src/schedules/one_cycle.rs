//! The one-cycle schedule.

use crate::schedules::cosine::wave;
use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// Rises from `η / div_factor` to the largest rate `η`, then falls to `η / (div_factor · final_div_factor)`, in
/// `total_steps` steps in total, each part like half a cosine wave. From Smith and Topin, "Super-Convergence" (2018).
///
/// PyTorch's `OneCycleLR`: 30% of the steps rise, `div_factor` 25, `final_div_factor` 10000. PyTorch also cycles the
/// momentum, which is constant here. Keras does not have this schedule.
pub struct OneCycle {
    largest: f64,
    total_steps: u64,
    rising_share: f64,
    div_factor: f64,
    final_div_factor: f64,
    is_linear: bool,
    has_three_phases: bool,
}

impl OneCycle {
    /// With this largest rate, 0 or more, in `total_steps` steps, 1 or more.
    pub fn new(largest: f64, total_steps: u64) -> OneCycle {
        OneCycle {
            largest,
            total_steps,
            rising_share: 0.3,
            div_factor: 25.0,
            final_div_factor: 1e4,
            is_linear: false,
            has_three_phases: false,
        }
    }

    /// Sets the fraction of the steps in which the rate rises, from 0 to 1; PyTorch's `pct_start`.
    #[must_use]
    pub fn rising_share(self, rising_share: f64) -> OneCycle {
        OneCycle { rising_share, ..self }
    }

    /// Sets the ratio of the largest rate to the first, above 0.
    #[must_use]
    pub fn div_factor(self, div_factor: f64) -> OneCycle {
        OneCycle { div_factor, ..self }
    }

    /// Sets the ratio of the first rate to the last, above 0.
    #[must_use]
    pub fn final_div_factor(self, final_div_factor: f64) -> OneCycle {
        OneCycle { final_div_factor, ..self }
    }

    /// Changes linearly instead of like a cosine wave.
    #[must_use]
    pub fn linear(self) -> OneCycle {
        OneCycle { is_linear: true, ..self }
    }

    /// Falls to the first rate in as many steps as it rose, and then to the last rate.
    #[must_use]
    pub fn three_phases(self) -> OneCycle {
        OneCycle { has_three_phases: true, ..self }
    }

    /// Interpolates from `start` at `share` 0 to `end` at 1. The result is `end` above 1, and for NaN, the share of a part
    /// without steps.
    fn between(&self, start: f64, end: f64, share: f64) -> f64 {
        let share = if share < 1.0 { share } else { 1.0 };
        end + (start - end) * if self.is_linear { 1.0 - share } else { wave(share, 0.0) }
    }
}

impl Schedule for OneCycle {
    fn name(&self) -> &'static str {
        "one_cycle"
    }

    fn rate(&self, step: u64) -> f64 {
        let (largest, total) = (self.largest, self.total_steps as f64);
        let first = largest / self.div_factor;
        let last = first / self.final_div_factor;
        let top = self.rising_share * total - 1.0;
        let (turn, low) = if self.has_three_phases { (2.0 * top, first) } else { (total - 1.0, last) };
        let step = step as f64;
        if step <= top {
            self.between(first, largest, step / top)
        } else if step <= turn {
            self.between(largest, low, (step - top.max(0.0)) / (turn - top.max(0.0)))
        } else {
            self.between(low, last, (step - turn) / (total - 1.0 - turn))
        }
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("largest", self.largest, Range::NonNegative),
            Hyperparameter::new("total_steps", self.total_steps as f64, Range::AtLeastOne),
            Hyperparameter::new("rising_share", self.rising_share, Range::Unit),
            Hyperparameter::new("div_factor", self.div_factor, Range::Positive),
            Hyperparameter::new("final_div_factor", self.final_div_factor, Range::Positive),
        ]
    }
}
