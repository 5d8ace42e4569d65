//! Cosine decay with restarts.

use crate::schedules::cosine::wave;
use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// A step this close to a restart, as a fraction of a cycle, counts as the restart.
const RESTART_ROUNDING: f64 = 1e-9;

/// Repeated cosine decay: the first cycle takes `first_decay_steps` steps, and each further one is `t_mul` times as long
/// and starts at `m_mul` times the rate. The lowest rate is `alpha · η`. From Loshchilov and Hutter, "SGDR" (2017).
///
/// Keras' `CosineDecayRestarts`: `t_mul` 2, `m_mul` 1, `alpha` 0. PyTorch's `CosineAnnealingWarmRestarts`: `alpha`
/// is `eta_min` divided by the rate.
pub struct CosineRestarts {
    learning_rate: f64,
    first_decay_steps: u64,
    t_mul: f64,
    m_mul: f64,
    alpha: f64,
}

impl CosineRestarts {
    /// With this initial rate, 0 or more, and `first_decay_steps` of at least 1.
    pub fn new(learning_rate: f64, first_decay_steps: u64) -> CosineRestarts {
        CosineRestarts { learning_rate, first_decay_steps, t_mul: 2.0, m_mul: 1.0, alpha: 0.0 }
    }

    /// Sets the ratio of the lengths of successive cycles, 1 or more.
    #[must_use]
    pub fn t_mul(self, t_mul: f64) -> CosineRestarts {
        CosineRestarts { t_mul, ..self }
    }

    /// Sets the ratio of the initial rates of successive cycles, 0 or more.
    #[must_use]
    pub fn m_mul(self, m_mul: f64) -> CosineRestarts {
        CosineRestarts { m_mul, ..self }
    }

    /// Sets the lowest rate as a fraction of the first, from 0 to 1.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> CosineRestarts {
        CosineRestarts { alpha, ..self }
    }
}

impl Schedule for CosineRestarts {
    fn name(&self) -> &'static str {
        "cosine_restarts"
    }

    fn rate(&self, step: u64) -> f64 {
        // Times are in lengths of the first cycle. Cycle `n` begins at the geometric sum `(t_mulⁿ - 1) / (t_mul - 1)`,
        // here in a form that is accurate for `t_mul` close to 1.
        let time = step as f64 / self.first_decay_steps as f64;
        let growth = self.t_mul - 1.0;
        let begin = |n: f64| if growth == 0.0 { n } else { (n * growth.ln_1p()).exp_m1() / growth };
        let cycles = if growth == 0.0 { time } else { (time * growth).ln_1p() / growth.ln_1p() };
        // A restart, where the rate is highest, must not come one step late because of rounding.
        let cycle = (cycles + RESTART_ROUNDING).floor();
        let share = (time - begin(cycle)).max(0.0) / self.t_mul.powf(cycle);
        let height = self.m_mul.powf(cycle);
        // `alpha` is a fraction of the first cycle's initial rate.
        self.learning_rate * ((1.0 - self.alpha) * height * wave(share, 0.0) + self.alpha)
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("learning_rate", self.learning_rate, Range::NonNegative),
            Hyperparameter::new("first_decay_steps", self.first_decay_steps as f64, Range::AtLeastOne),
            Hyperparameter::new("t_mul", self.t_mul, Range::AtLeastOne),
            Hyperparameter::new("m_mul", self.m_mul, Range::NonNegative),
            Hyperparameter::new("alpha", self.alpha, Range::Unit),
        ]
    }
}
