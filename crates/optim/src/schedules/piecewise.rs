//! Rates by stretches of steps.

use tensor::{Error, Result};

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// A rate for each stretch of steps: `values[k]` up to and including the step `boundaries[k]`, and the
/// last value after all boundaries.
///
/// Keras' `PiecewiseConstantDecay`. PyTorch's `MultiStepLR` changes in the step of a milestone, so that
/// the boundary is one less.
pub struct Piecewise {
    boundaries: Vec<u64>,
    values: Vec<f64>,
}

impl Piecewise {
    /// These stretches.
    ///
    /// # Errors
    /// If there is not one value more than boundaries, or the boundaries do not rise.
    pub fn new(boundaries: impl Into<Vec<u64>>, values: impl Into<Vec<f64>>) -> Result<Piecewise> {
        let (boundaries, values) = (boundaries.into(), values.into());
        if values.len() != boundaries.len() + 1 {
            let (values, boundaries) = (values.len(), boundaries.len());
            let message = format!("{boundaries} boundaries take {} values, not {values}", boundaries + 1);
            return Err(Error::argument("piecewise", message));
        }
        if !boundaries.is_sorted_by(|a, b| a < b) {
            return Err(Error::argument("piecewise", format!("the boundaries {boundaries:?} do not rise")));
        }
        Ok(Piecewise { boundaries, values })
    }
}

impl Schedule for Piecewise {
    fn name(&self) -> &'static str {
        "piecewise"
    }

    fn rate(&self, step: u64) -> f64 {
        self.values[self.boundaries.partition_point(|&boundary| boundary < step)]
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        self.values.iter().map(|&value| Hyperparameter::new("value", value, Range::NonNegative)).collect()
    }
}
