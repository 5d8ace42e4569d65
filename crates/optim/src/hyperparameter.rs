//! The numbers that steer an optimizer or a schedule, and what they may be.

use std::fmt;

use tensor::{Error, Result};

/// What a hyperparameter may be; never NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 0 and everything above.
    NonNegative,
    /// Everything above 0.
    Positive,
    /// Everything from the smallest normal number of float32: what keeps a divisor from 0. A weight whose
    /// gradient has always been 0 would become NaN without it.
    Epsilon,
    /// 0 and everything below.
    NonPositive,
    /// 1 and everything above: a number of steps.
    AtLeastOne,
    /// Every number.
    Finite,
    /// From 0 to 1, both included: a momentum.
    Unit,
    /// From 0 up to but not including 1: the decay of a running mean.
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

/// The end of the sentence "it must be".
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Range::NonNegative => "a finite number of at least 0",
            Range::Positive => "a finite number above 0",
            Range::Epsilon => "a finite number of at least 1.2e-38, as it keeps a divisor from 0",
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
    /// Its name, that of the method or argument which sets it.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it may be.
    pub range: Range,
}

impl Hyperparameter {
    /// The hyperparameter `name`, at present `value`.
    pub const fn new(name: &'static str, value: f64, range: Range) -> Hyperparameter {
        Hyperparameter { name, value, range }
    }

    /// # Errors
    /// If the value is not in the range; names the owner, the hyperparameter and both.
    pub(crate) fn check(self, owner: &str) -> Result<()> {
        let Hyperparameter { name, value, range } = self;
        if range.contains(value) {
            return Ok(());
        }
        Err(Error::argument(owner, format!("{name} is {value:?}; it must be {range}")))
    }
}
