//! Schedules that combine other schedules.

use tensor::Result;

use crate::schedules::schedule::Schedule;
use crate::{Hyperparameter, Range};

/// A linear warm-up from 0 to the first rate of a schedule, followed by that schedule. [`Schedule::warm_up`] makes it.
pub struct WarmUp<S> {
    steps: u64,
    next: S,
}

impl<S> WarmUp<S> {
    pub(super) fn new(steps: u64, next: S) -> WarmUp<S> {
        WarmUp { steps, next }
    }
}

impl<S: Schedule> Schedule for WarmUp<S> {
    fn name(&self) -> &'static str {
        "warm_up"
    }

    fn rate(&self, step: u64) -> f64 {
        match step.checked_sub(self.steps) {
            Some(step) => self.next.rate(step),
            None => self.next.rate(0) * (step as f64 / self.steps as f64),
        }
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        self.next.hyperparameters()
    }

    fn validate(&self) -> Result<()> {
        self.next.validate()
    }
}

/// A schedule, and another one from some step on. [`Schedule::then`] makes it.
pub struct Then<A, B> {
    first: A,
    at: u64,
    next: B,
}

impl<A, B> Then<A, B> {
    pub(super) fn new(first: A, at: u64, next: B) -> Then<A, B> {
        Then { first, at, next }
    }
}

impl<A: Schedule, B: Schedule> Schedule for Then<A, B> {
    fn name(&self) -> &'static str {
        "then"
    }

    fn rate(&self, step: u64) -> f64 {
        match step.checked_sub(self.at) {
            Some(step) => self.next.rate(step),
            None => self.first.rate(step),
        }
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        self.first.hyperparameters().into_iter().chain(self.next.hyperparameters()).collect()
    }

    fn validate(&self) -> Result<()> {
        self.first.validate()?;
        self.next.validate()
    }
}

/// A schedule multiplied by a factor. [`Schedule::scaled`] makes it.
pub struct Scaled<S> {
    schedule: S,
    factor: f64,
}

impl<S> Scaled<S> {
    pub(super) fn new(schedule: S, factor: f64) -> Scaled<S> {
        Scaled { schedule, factor }
    }

    fn own(&self) -> Hyperparameter {
        Hyperparameter::new("factor", self.factor, Range::NonNegative)
    }
}

impl<S: Schedule> Schedule for Scaled<S> {
    fn name(&self) -> &'static str {
        "scaled"
    }

    fn rate(&self, step: u64) -> f64 {
        self.factor * self.schedule.rate(step)
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        std::iter::once(self.own()).chain(self.schedule.hyperparameters()).collect()
    }

    fn validate(&self) -> Result<()> {
        self.own().check(self.name())?;
        self.schedule.validate()
    }
}
