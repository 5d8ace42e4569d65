//! The hook for gradient tapes.
//!
//! This crate has no differentiation rules. It notifies the recorders of the running task about each operation, and
//! marks every value that depends on a variable. The mark lets a tape distinguish such a value from a constant, even if
//! another thread computed it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::context::{self, Hook};
use crate::op::Op;
use crate::tensor::Tensor;
use crate::value_id::ValueId;

/// An observer of every operation that its task applies.
pub trait Recorder {
    /// Called after `op` was applied to `inputs` and gave `outputs`. Must not run kernels.
    fn record(&self, op: &Op, inputs: &[&Tensor], outputs: &[Tensor]);

    /// Whether the recorder tracks values computed from `value`.
    fn is_watching(&self, value: &Tensor) -> bool;

    /// Whether the recorder has stopped observing, even if it is still listed.
    fn is_stopped(&self) -> bool;
}

/// The recorders of a task, and whether it is detached.
#[derive(Default)]
struct State {
    recorders: Vec<Rc<dyn Recorder>>,
    /// Whether results are constants even if they depend on variables.
    detached: bool,
}

thread_local! {
    /// The recorders of the running task. Not a `TaskLocal`: every operation reads it.
    static RECORDERS: RefCell<Vec<Rc<dyn Recorder>>> = const { RefCell::new(Vec::new()) };
    static DETACHED: Cell<bool> = const { Cell::new(false) };
}

impl State {
    /// Takes the state of the running task, which begins again without recorders.
    fn take() -> State {
        State { recorders: RECORDERS.take(), detached: DETACHED.replace(false) }
    }

    /// Makes this the state of the running task, without the recorders that have stopped meanwhile.
    fn restore(mut self) {
        self.recorders.retain(|recorder| !recorder.is_stopped());
        DETACHED.set(self.detached);
        let replaced = RECORDERS.replace(self.recorders);
        drop(replaced);
    }
}

/// Lets parallel sections put the state aside.
fn register() {
    context::set_hook(Hook {
        take: || {
            let state = State::take();
            let is_set = state.detached || !state.recorders.is_empty();
            is_set.then(|| Box::new(state) as Box<dyn Any>)
        },
        restore: |state| {
            let state = state.and_then(|state| state.downcast::<State>().ok());
            state.map_or_else(State::default, |state| *state).restore();
        },
    });
}

fn position(recorders: &[Rc<dyn Recorder>], recorder: &Rc<dyn Recorder>) -> Option<usize> {
    recorders.iter().rposition(|other| std::ptr::addr_eq(Rc::as_ptr(other), Rc::as_ptr(recorder)))
}

/// Adds a recorder to the running task.
pub fn start(recorder: Rc<dyn Recorder>) {
    register();
    RECORDERS.with_borrow_mut(|recorders| recorders.push(recorder));
}

/// Removes a recorder from the running task. Returns whether it was there.
pub fn stop(recorder: &Rc<dyn Recorder>) -> bool {
    // A tape in a `thread_local!` may be dropped after this one.
    let stopped = RECORDERS.try_with(|recorders| {
        let mut recorders = recorders.borrow_mut();
        position(&recorders, recorder).map(|position| recorders.remove(position))
    });
    stopped.is_ok_and(|stopped| stopped.is_some())
}

/// Whether a recorder of the running task tracks values computed from `value`.
pub fn is_watched(value: &Tensor) -> bool {
    RECORDERS.with_borrow(|recorders| recorders.iter().any(|recorder| recorder.is_watching(value)))
}

/// Runs `f` without `recorder`. The other recorders of the running task are still notified.
pub fn without<R>(recorder: &Rc<dyn Recorder>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<(usize, Rc<dyn Recorder>)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some((position, recorder)) = self.0.take()
                && !recorder.is_stopped()
            {
                RECORDERS.with_borrow_mut(|recorders| recorders.insert(position.min(recorders.len()), recorder));
            }
        }
    }
    let removed = RECORDERS.with_borrow_mut(|recorders| {
        position(recorders, recorder).map(|position| (position, recorders.remove(position)))
    });
    let _restore = Restore(removed);
    f()
}

/// Runs `f` without the recorders of the running task. Values that `f` computes from a variable are still marked.
pub fn unrecorded<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(State);
    impl Drop for Restore {
        fn drop(&mut self) {
            let started_inside = RECORDERS.take();
            let mut state = std::mem::take(&mut self.0);
            // Recorders that `f` started and did not stop remain.
            state.recorders.extend(started_inside);
            state.restore();
        }
    }
    register();
    let _restore = Restore(State::take());
    f()
}

/// Runs `f` without recording: its results are constants, even if they depend on variables.
///
/// A tape created inside `f` records as usual.
pub fn no_record<R>(f: impl FnOnce() -> R) -> R {
    unrecorded(|| {
        DETACHED.set(true);
        f()
    })
}

/// The identity of a value that is read from the variable with this number. Inside [`no_record`], unless a recorder was
/// started there, it is the identity of a constant.
pub fn read_variable(variable: u32, trainable: bool) -> ValueId {
    if DETACHED.get() && RECORDERS.with_borrow(Vec::is_empty) {
        return ValueId::fresh();
    }
    ValueId::read(variable, trainable)
}

/// Notifies the recorders about an operation, and marks its outputs if an input depends on a variable.
#[inline]
pub(crate) fn notify(op: &Op, inputs: &[&Tensor], outputs: &mut [Tensor]) {
    let source = inputs.iter().max_by_key(|input| input.value_id().precedence());
    if let Some(source) = source
        && source.value_id().origin().is_some()
        && !DETACHED.get()
    {
        for output in outputs.iter_mut().filter(|output| output.dtype().is_float()) {
            output.mark_as_computed_from(source);
        }
    }
    RECORDERS.with_borrow(|recorders| {
        for recorder in recorders {
            recorder.record(op, inputs, outputs);
        }
    });
}
