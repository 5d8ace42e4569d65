//! Up and down.

use crate::schedules::cosine::wave;
use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// Up from `η / div_factor` to the largest rate `η`, and down to `η / (div_factor · final_div_factor)`, in
/// `total_steps` steps in all, each part along half a wave. From Smith and Topin, "Super-Convergence" (2018).
///
/// PyTorch's `OneCycleLR`: a share of 0.3 rises, `div_factor` 25, `final_div_factor` 10000. The momentum, which
/// it moves against the rate, stays here. Keras has none.
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
    /// This largest rate, 0 or more; `total_steps` is 1 or more.
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

    /// Sets the share of the steps in which the rate rises, from 0 to 1; PyTorch's `pct_start`.
    #[must_use]
    pub fn rising_share(self, rising_share: f64) -> OneCycle {
        OneCycle { rising_share, ..self }
    }

    /// Sets what the first rate is smaller by than the largest, above 0.
    #[must_use]
    pub fn div_factor(self, div_factor: f64) -> OneCycle {
        OneCycle { div_factor, ..self }
    }

    /// Sets what the last rate is smaller by than the first, above 0.
    #[must_use]
    pub fn final_div_factor(self, final_div_factor: f64) -> OneCycle {
        OneCycle { final_div_factor, ..self }
    }

    /// Goes along lines.
    #[must_use]
    pub fn linear(self) -> OneCycle {
        OneCycle { is_linear: true, ..self }
    }

    /// Falls as long as it rose, to the first rate, and from there to the last.
    #[must_use]
    pub fn three_phases(self) -> OneCycle {
        OneCycle { has_three_phases: true, ..self }
    }

    /// From `start` at `share` 0 to `end` at 1 and after; at the end if the part has no length.
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
