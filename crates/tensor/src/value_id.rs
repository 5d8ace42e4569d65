//! Identities of values, and the variables that they depend on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::context;

static TIME: AtomicU64 = AtomicU64::new(1);

/// The identity of a value, and the variable that it depends on, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueId {
    number: u64,
    time: u64,
    /// 0 if the value depends on no variable.
    variable: u32,
    /// [`TRAINABLE`] and [`READ`]. Not `bool`: its niche would be used as the discriminant of `Option<Tensor>`, which
    /// makes moves slower.
    flags: u32,
}

/// Flag: the variable is trainable.
const TRAINABLE: u32 = 1;
/// Flag: the value was read from the variable, not computed from it.
const READ: u32 = 2;

impl ValueId {
    /// The identity of a new value that depends on no variable.
    #[inline]
    pub(crate) fn fresh() -> ValueId {
        ValueId { number: context::next_number(), time: 0, variable: 0, flags: 0 }
    }

    /// The identity of a value read from the variable with this number.
    pub(crate) fn read(variable: u32, trainable: bool) -> ValueId {
        let flags = READ | if trainable { TRAINABLE } else { 0 };
        ValueId { number: context::next_number(), time: now(), variable, flags }
    }

    /// This identity for a value computed now from another one.
    #[inline]
    pub(crate) fn computed_from(self, source: ValueId) -> ValueId {
        ValueId { number: self.number, time: now(), variable: source.variable, flags: source.flags & TRAINABLE }
    }

    /// Which of several inputs marks the result: first those that depend on a trainable variable, then those that depend
    /// on any.
    #[inline]
    pub(crate) fn precedence(self) -> u32 {
        if self.variable == 0 { 0 } else { 1 + (self.flags & TRAINABLE) }
    }

    /// A number that is unique in the process and increases within each task.
    #[inline]
    pub fn number(self) -> u64 {
        self.number
    }

    /// The number of the task that computed the value; see [`TaskLocal`](crate::TaskLocal).
    #[inline]
    pub fn task(self) -> u64 {
        task_of(self.number)
    }

    /// The number of the variable that the value was read from, and whether that variable is trainable. `None` if the
    /// value was not read from a variable.
    #[inline]
    pub fn leaf(self) -> Option<(u32, bool)> {
        self.origin().filter(|_| self.flags & READ != 0)
    }

    /// The number of the variable that the value was read or computed from, and whether that variable is trainable.
    /// `None` if the value depends on no variable.
    #[inline]
    pub fn origin(self) -> Option<(u32, bool)> {
        (self.variable != 0).then_some((self.variable, self.flags & TRAINABLE != 0))
    }

    /// The time, on the clock of [`tick`], when a value with an [`origin`](ValueId::origin) was read or computed.
    #[inline]
    pub fn time(self) -> u64 {
        self.time
    }
}

/// The number of the task that computed the value with this [number](ValueId::number).
#[inline]
pub fn task_of(number: u64) -> u64 {
    context::task_of(number)
}

/// The [number](ValueId::number) of the next new value of the running task.
pub fn upcoming_number() -> u64 {
    context::upcoming_number()
}

/// Advances the process-wide clock and returns the new time. A tape compares its start time with the times of values
/// that other tasks computed, to find out whether they are older than the tape.
pub fn tick() -> u64 {
    TIME.fetch_add(1, Relaxed) + 1
}

fn now() -> u64 {
    TIME.load(Relaxed)
}
