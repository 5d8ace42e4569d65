//! Thresholds for binary decisions.

/// The threshold that was set, or else the default for the kind of predictions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Threshold {
    stated: Option<f64>,
    logits: bool,
}

impl Threshold {
    pub(super) fn state(&mut self, threshold: f64) {
        self.stated = Some(threshold);
    }

    pub(super) fn stated(self) -> Option<f64> {
        self.stated
    }

    pub(super) fn set_logits(&mut self, logits: bool) {
        self.logits = logits;
    }

    /// A probability of 0.5 is a logit of 0.
    pub(super) fn value(self) -> f64 {
        self.stated.unwrap_or(if self.logits { 0.0 } else { 0.5 })
    }
}
