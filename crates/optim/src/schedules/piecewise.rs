//! Piecewise constant rates.

use tensor::{Error, Result};

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// A piecewise constant rate: `values[k]` up to and including step `boundaries[k]`, and the last value after all
/// boundaries.
///
/// Keras' `PiecewiseConstantDecay`. PyTorch's `MultiStepLR` changes the rate at a milestone, so the boundary is
/// one less than the milestone.
pub struct Piecewise {
    boundaries: Vec<u64>,
    values: Vec<f64>,
}

impl Piecewise {
    /// With these boundaries and values.
    ///
    /// # Errors
    /// Returns an error if the number of values is not that of the boundaries plus 1, or the boundaries do not increase.
    pub fn new(boundaries: impl Into<Vec<u64>>, values: impl Into<Vec<f64>>) -> Result<Piecewise> {
        let (boundaries, values) = (boundaries.into(), values.into());
        if values.len() != boundaries.len() + 1 {
            let (values, boundaries) = (values.len(), boundaries.len());
            let message = format!("{boundaries} boundaries need {} values, not {values}", boundaries + 1);
            return Err(Error::argument("piecewise", message));
        }
        if !boundaries.is_sorted_by(|a, b| a < b) {
            return Err(Error::argument("piecewise", format!("the boundaries {boundaries:?} must increase")));
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
