//! Cosine decay.

use std::f64::consts::PI;

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// Cosine decay: `η · ((1 - alpha) · (1 + cos(π · step / decay_steps)) / 2 + alpha)`; after
/// `decay_steps` steps the rate is `alpha · η`. From Loshchilov and Hutter, "SGDR" (2017), without the restarts.
///
/// Keras' `CosineDecay`: `alpha` 0; its `warmup_steps` are [`Schedule::warm_up`]. PyTorch's
/// `CosineAnnealingLR`: `alpha` is `eta_min` divided by the rate, and it is [`periodic`](Cosine::periodic).
pub struct Cosine {
    learning_rate: f64,
    decay_steps: u64,
    alpha: f64,
    periodic: bool,
}

impl Cosine {
    /// With this initial rate, 0 or more, and `decay_steps` of at least 1.
    pub fn new(learning_rate: f64, decay_steps: u64) -> Cosine {
        Cosine { learning_rate, decay_steps, alpha: 0.0, periodic: false }
    }

    /// Sets the last rate as a fraction of the first, from 0 to 1.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Cosine {
        Cosine { alpha, ..self }
    }

    /// Continues the cosine wave after `decay_steps`: the rate rises again, and so on.
    #[must_use]
    pub fn periodic(self) -> Cosine {
        Cosine { periodic: true, ..self }
    }
}

impl Schedule for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn rate(&self, step: u64) -> f64 {
        let share = step as f64 / self.decay_steps as f64;
        self.learning_rate * wave(if self.periodic { share } else { share.min(1.0) }, self.alpha)
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("learning_rate", self.learning_rate, Range::NonNegative),
            Hyperparameter::new("decay_steps", self.decay_steps as f64, Range::AtLeastOne),
            Hyperparameter::new("alpha", self.alpha, Range::Unit),
        ]
    }
}

/// Half a cosine wave, from 1 at `share` 0 to `alpha` at 1.
pub(super) fn wave(share: f64, alpha: f64) -> f64 {
    (1.0 - alpha) * 0.5 * (1.0 + (PI * share).cos()) + alpha
}
