//! Where the time goes: a profiler of operations.
//!
//! A [`Profiler`] collects from its start until it is stopped, on all threads, and gives a
//! [`Profile`]: a table of operations, and a trace for Chrome's and Perfetto's viewers.
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
//! While no profiler runs, an operation pays for one load of a flag.
//!
//! What is counted:
//!
//! - **Calls** are those that succeeded and that began and ended while the profiler ran.
//! - **Time** is that of the thread that called, without that of operations inside, such as those
//!   of a custom operation.
//! - **Bytes** are those of the operands, an element that broadcasting repeats counted once, and of
//!   the results; of an operation that selects rows or elements, what it selects and the index; none
//!   for a result that is a view.
//! - **FLOPs** are a count of the arithmetic, not of instructions: 2 for a multiply-add of a matrix
//!   product, 1 for each element of an elementwise operation, whatever its formula, and for each
//!   element that is reduced or accumulated; several where a reduction or a fused operation goes over
//!   its elements several times (softmax 5: compare, subtract, exp, add, multiply); 2 for each element
//!   of a parameter and of each of its states in an update; none for moves.
//! - A custom operation counts bytes only if it computes without other operations, and never FLOPs.

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
use crate::error::Result;
use crate::op::Op;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What a thread is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Whatever is none of the others.
    #[default]
    Forward,
    /// The walk of a tape, with all that is computed anew for it.
    Backward,
    /// Parameters being changed.
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

/// What a profiler needs to know of the running task.
#[derive(Default)]
struct Task {
    phase: Cell<Phase>,
    /// The names of the scopes that are open, outermost first, joined by dots.
    path: RefCell<String>,
    /// Whether the task is inside [`unobserved`].
    unobserved: Cell<bool>,
    /// The number of calls that have ended.
    calls: Cell<u64>,
}

static TASK: TaskLocal<Task> = TaskLocal::new(Task::default);

thread_local! {
    /// The time of all calls that ended on this thread, also of tasks that it ran for others; calls inside calls count
    /// with the outer ones. So the time of an operation that waits does not contain that of other tasks.
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// What a thread is about until this is dropped; made by [`phase`].
#[must_use = "the phase ends where this is dropped"]
pub struct PhaseGuard {
    before: Option<Phase>,
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

/// Operations of this thread count under `phase` until the result is dropped. Does nothing while no
/// profiler runs.
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

/// A part of a program with a name; made by [`scope`].
#[must_use = "the scope ends where this is dropped"]
pub struct Scope {
    /// The length of the path outside, and when the scope began.
    opened: Option<(usize, Instant)>,
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

/// What this thread does until the result is dropped appears under `name` in traces and in
/// [`Profile::scopes`]. Scopes may lie inside each other; layers open one when a model calls them.
/// Does nothing while no profiler runs.
#[inline]
pub fn scope(name: &str) -> Scope {
    Scope { opened: is_observed().then(|| open(name)), _thread: PhantomData }
}

/// Whether what this thread does is told to a profiler.
#[inline]
fn is_observed() -> bool {
    session::is_running() && !TASK.get().unobserved.get()
}

/// Runs `f` so that no profiler hears of the operations and scopes in it: for what is computed on trial.
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
    // Guards that are dropped out of order leave a path of other scopes.
    if whole.is_char_boundary(outside) {
        task.path.borrow_mut().truncate(outside);
    }
    session::add(start, time, || What::Scope { path: whole.clone() });
}

/// What `forward` gives, observed if a profiler runs: an operation on `inputs`, whose `outputs` are
/// found in the result. A failure is not counted.
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

/// Something that a thread did.
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
    /// The time without that of other calls inside.
    own: Duration,
    bytes: u64,
    flops: u64,
    /// Those of the operands.
    shapes: Vec<Shape>,
}
