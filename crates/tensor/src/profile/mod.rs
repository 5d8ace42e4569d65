//! A profiler of operations: where the time goes.
//!
//! A [`Profiler`] records operations on all threads from its start until it is stopped, and returns a [`Profile`]: a
//! table of operations, and a trace for the viewers of Chrome and Perfetto.
//!
//! ```
//! use tensor::profile::{Phase, Profiler};
//! use tensor::{Tensor, profile};
//!
//! let (a, b) = (Tensor::ones([20, 30]), Tensor::ones([30, 40]));
//! let profiler = Profiler::start();
//! {
//!     let _scope = profile::scope("hidden");
//!     a.matmul(&b)?.relu();
//! }
//! let profile = profiler.stop();
//! let product = profile.row("matmul", Phase::Forward).expect("it was called");
//! assert_eq!((product.calls, product.flops, product.bytes), (1, 2 * 20 * 30 * 40, 4 * (600 + 1200 + 800)));
//! assert_eq!(profile.scopes()[0].path, "hidden");
//! println!("{profile}");
//! # Ok::<(), tensor::Error>(())
//! ```
//!
//! While no profiler runs, the overhead of an operation is one load of a flag.
//!
//! What is counted:
//!
//! - **Calls** are those that succeeded and that began and ended while the profiler ran.
//! - **Time** is the time of the calling thread, excluding nested operations, such as those of a custom operation.
//! - **Bytes** are those of operands and results; an element that broadcasting repeats counts once. An operation that
//!   selects rows or elements counts the selected ones and the index. A result that is a view counts none.
//! - **FLOPs** count arithmetic, not instructions: 2 for a multiply-add of a matrix product; 1 for each element of an
//!   elementwise operation, whatever its formula, and for each element that is reduced or accumulated; several if a
//!   reduction or a fused operation passes over its elements several times (softmax 5: compare, subtract, exp, add,
//!   multiply); 2 for each element of a parameter and of each of its states in an update; none for moves.
//! - A custom operation counts bytes only if it calls no other operations, and it never counts FLOPs.

mod cost;
mod machine;
mod report;
mod session;
mod trace;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

pub use machine::Machine;
pub use report::{OpRow, Profile, ScopeRow};
pub use session::Profiler;

use crate::context::TaskLocal;
use crate::dtype::DType;
use crate::error::Result;
use crate::op::Op;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The phase of training that a thread is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// The default: everything outside of the other phases.
    #[default]
    Forward,
    /// The backward pass of a tape, including everything that is recomputed for it.
    Backward,
    /// The update of parameters.
    Update,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::Forward => "forward",
            Phase::Backward => "backward",
            Phase::Update => "update",
        })
    }
}

/// The profiler's state of the running task.
#[derive(Default)]
struct Task {
    phase: Cell<Phase>,
    /// The names of the open scopes, outermost first, joined by dots.
    path: RefCell<String>,
    /// Whether the task is inside [`unobserved`].
    unobserved: Cell<bool>,
    /// The number of calls that have ended.
    calls: Cell<u64>,
}

static TASK: TaskLocal<Task> = TaskLocal::new(Task::default);

thread_local! {
    /// The time of all calls that ended on this thread, including tasks that it ran for others; nested calls count as
    /// part of the outer ones. With it, the time of an operation that waits excludes other tasks.
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Sets the phase of a thread until it is dropped; returned by [`phase`].
#[must_use = "the phase ends when the guard is dropped"]
pub struct PhaseGuard {
    before: Option<Phase>,
    /// Not `Send`: it belongs to its thread.
    _thread: PhantomData<*const ()>,
}

/// Counts the operations of this thread under `phase` until the guard is dropped. Does nothing while no profiler runs.
#[inline]
pub fn phase(phase: Phase) -> PhaseGuard {
    let before = session::is_running().then(|| TASK.get().phase.replace(phase));
    PhaseGuard { before, _thread: PhantomData }
}

impl Drop for PhaseGuard {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.before {
            TASK.get().phase.set(before);
        }
    }
}

/// A named part of a program; returned by [`scope`].
#[must_use = "the scope ends when it is dropped"]
pub struct Scope {
    /// The length of the path outside, and when the scope began.
    opened: Option<(usize, Instant)>,
    /// Not `Send`: it belongs to its thread.
    _thread: PhantomData<*const ()>,
}

/// Opens a scope: until it is dropped, everything that this thread does appears under `name` in traces and in
/// [`Profile::scopes`]. Scopes can be nested; layers open one when a model calls them. Does nothing while no profiler
/// runs.
#[inline]
pub fn scope(name: &str) -> Scope {
    Scope { opened: is_observed().then(|| open(name)), _thread: PhantomData }
}

/// Whether a profiler records this thread.
#[inline]
fn is_observed() -> bool {
    session::is_running() && !TASK.get().unobserved.get()
}

/// Runs `f` without recording its operations and scopes in any profile, for example for trial computations.
pub fn unobserved<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            TASK.get().unobserved.set(self.0);
        }
    }
    let _restore = Restore(TASK.get().unobserved.replace(true));
    f()
}

#[cold]
fn open(name: &str) -> (usize, Instant) {
    let task = TASK.get();
    let mut path = task.path.borrow_mut();
    let outside = path.len();
    if outside > 0 {
        path.push('.');
    }
    path.push_str(name);
    (outside, Instant::now())
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        if let Some((outside, start)) = self.opened {
            close(outside, start);
        }
    }
}

#[cold]
fn close(outside: usize, start: Instant) {
    let time = start.elapsed();
    let task = TASK.get();
    let whole = task.path.borrow().clone();
    // If guards are dropped out of order, the path is that of other scopes.
    if whole.is_char_boundary(outside) {
        task.path.borrow_mut().truncate(outside);
    }
    session::add(start, time, || What::Scope { path: whole.clone() });
}

/// Runs `forward`, an operation on `inputs`, and records it if a profiler runs. `outputs` finds the operation's outputs
/// in the result. A failure is not counted.
#[inline]
pub(crate) fn observed<R>(
    op: &Op,
    inputs: &[&Tensor],
    forward: impl FnOnce() -> Result<R>,
    outputs: impl FnOnce(&R) -> &[Tensor],
) -> Result<R> {
    match watch() {
        None => forward(),
        Some(watch) => {
            let result = forward()?;
            watch.end(op, inputs, outputs(&result));
            Ok(result)
        }
    }
}

/// A call that has begun while a profiler runs.
pub(crate) struct Watch {
    start: Instant,
    spent: Duration,
    calls: u64,
}

/// Begins to watch a call, if a profiler runs.
#[inline]
pub(crate) fn watch() -> Option<Watch> {
    is_observed().then(Watch::begin)
}

impl Watch {
    #[cold]
    fn begin() -> Watch {
        Watch { start: Instant::now(), spent: SPENT.get(), calls: TASK.get().calls.get() }
    }

    /// Ends an operation.
    #[cold]
    fn end(self, op: &Op, inputs: &[&Tensor], outputs: &[Tensor]) {
        let composed = matches!(op, Op::Custom(_)) && TASK.get().calls.get() != self.calls;
        self.add(|own| Call {
            name: op.name().into(),
            family: op.family(),
            phase: TASK.get().phase.get(),
            own,
            bytes: if composed { 0 } else { cost::bytes(op, inputs, outputs) },
            flops: op.flops(inputs, outputs),
            dtype: cost::dtype(inputs, outputs),
            shapes: inputs.iter().map(|input| input.shape().clone()).collect(),
        });
    }

    /// Ends the update of a parameter with a number of states.
    #[cold]
    pub(crate) fn end_update(self, parameter: &Tensor, states: usize) {
        let size = parameter.size() as u64;
        let passes = states as u64 + 1;
        self.add(|own| Call {
            name: "update".into(),
            family: "Update",
            phase: Phase::Update,
            own,
            // Parameter and states are read and written, the gradient is read.
            bytes: (2 * passes + 1) * size * parameter.dtype().size_of() as u64,
            flops: 2 * passes * size,
            dtype: parameter.dtype(),
            shapes: vec![parameter.shape().clone()],
        });
    }

    fn add(self, call: impl Fn(Duration) -> Call) {
        let time = self.start.elapsed();
        let own = time.saturating_sub(SPENT.get() - self.spent);
        SPENT.set(self.spent + time);
        let calls = &TASK.get().calls;
        calls.set(calls.get() + 1);
        session::add(self.start, time, || What::Call(call(own)));
    }
}

/// A call or a scope of a thread.
struct Event {
    what: What,
    /// Since the start of the profiler.
    start: Duration,
    time: Duration,
    /// The number of its thread.
    thread: usize,
}

impl Event {
    fn call(&self) -> Option<&Call> {
        match &self.what {
            What::Call(call) => Some(call),
            What::Scope { .. } => None,
        }
    }
}

enum What {
    Call(Call),
    Scope { path: String },
}

struct Call {
    name: String,
    family: &'static str,
    phase: Phase,
    /// The time excluding nested calls.
    own: Duration,
    bytes: u64,
    flops: u64,
    /// The type of the arithmetic.
    dtype: DType,
    /// The shapes of the operands.
    shapes: Vec<Shape>,
}
