//! The hyperparameters of optimizers and schedules, and their ranges.

use std::fmt;

use tensor::{Error, Result};

/// The valid values of a hyperparameter. NaN and infinity are never valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 0 or more.
    NonNegative,
    /// Above 0.
    Positive,
    /// At least the smallest normal number of float32: prevents a division by zero. Without it a weight whose gradient has
    /// always been 0 would become NaN.
    Epsilon,
    /// 0 or less.
    NonPositive,
    /// 1 or more: a number of steps.
    AtLeastOne,
    /// Every finite number.
    Finite,
    /// From 0 to 1, both included: a momentum.
    Unit,
    /// From 0 to below 1: the decay of a running mean.
    Decay,
}

impl Range {
    fn contains(self, value: f64) -> bool {
        match self {
            Range::NonNegative => value.is_finite() && value >= 0.0,
            Range::Positive => value.is_finite() && value > 0.0,
            Range::Epsilon => value.is_finite() && value >= f64::from(f32::MIN_POSITIVE),
            Range::NonPositive => value.is_finite() && value <= 0.0,
            Range::AtLeastOne => value.is_finite() && value >= 1.0,
            Range::Finite => value.is_finite(),
            Range::Unit => (0.0..=1.0).contains(&value),
            Range::Decay => (0.0..1.0).contains(&value),
        }
    }
}

/// Completes the sentence "it must be …".
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Range::NonNegative => "a finite number of at least 0",
            Range::Positive => "a finite number above 0",
            Range::Epsilon => "a finite number of at least 1.2e-38, to prevent a division by zero",
            Range::NonPositive => "a finite number of at most 0",
            Range::AtLeastOne => "a finite number of at least 1",
            Range::Finite => "a finite number",
            Range::Unit => "a number from 0 to 1",
            Range::Decay => "a number from 0 up to but not including 1",
        })
    }
}

/// A hyperparameter of an optimizer or a schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyperparameter {
    /// The name of the method or argument that sets it.
    pub name: &'static str,
    /// The value.
    pub value: f64,
    /// The valid values.
    pub range: Range,
}

impl Hyperparameter {
    /// The hyperparameter `name` with this value and range.
    pub const fn new(name: &'static str, value: f64, range: Range) -> Hyperparameter {
        Hyperparameter { name, value, range }
    }

    /// # Errors
    /// Returns an error if the value is out of range; it names the owner, the hyperparameter, the value and the range.
    pub(crate) fn check(self, owner: &str) -> Result<()> {
        let Hyperparameter { name, value, range } = self;
        if range.contains(value) {
            return Ok(());
        }
        Err(Error::argument(owner, format!("{name} is {value:?}; it must be {range}")))
    }
}
