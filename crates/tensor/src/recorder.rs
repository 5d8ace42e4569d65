//! The hook for gradient tapes.
//!
//! This crate has no differentiation rules. It notifies the recorders of the running task about each operation, and
//! marks every value that depends on a variable. The mark lets a tape distinguish such a value from a constant, even if
//! another thread computed it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::context::TaskLocal;
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

/// The recorders of a task.
#[derive(Default)]
struct Recorders {
    list: RefCell<Vec<Rc<dyn Recorder>>>,
    /// Whether results are constants even if they depend on variables.
    detached: Cell<bool>,
}

static RECORDERS: TaskLocal<Recorders> = TaskLocal::new(Recorders::default);

impl Recorders {
    fn position(&self, recorder: &Rc<dyn Recorder>) -> Option<usize> {
        self.list.borrow().iter().rposition(|other| std::ptr::addr_eq(Rc::as_ptr(other), Rc::as_ptr(recorder)))
    }
}

/// Adds a recorder to the running task.
pub fn start(recorder: Rc<dyn Recorder>) {
    RECORDERS.get().list.borrow_mut().push(recorder);
}

/// Removes a recorder from the running task. Returns whether it was there.
pub fn stop(recorder: &Rc<dyn Recorder>) -> bool {
    let Some(recorders) = RECORDERS.get_if_set() else { return false };
    let position = recorders.position(recorder);
    position.map(|position| recorders.list.borrow_mut().remove(position)).is_some()
}

/// Whether a recorder of the running task tracks values computed from `value`.
pub fn is_watched(value: &Tensor) -> bool {
    let recorders = RECORDERS.get_if_set();
    recorders.is_some_and(|recorders| recorders.list.borrow().iter().any(|recorder| recorder.is_watching(value)))
}

/// Runs `f` without `recorder`. The other recorders of the running task are still notified.
pub fn without<R>(recorder: &Rc<dyn Recorder>, f: impl FnOnce() -> R) -> R {
    struct Restore(Rc<Recorders>, Option<(usize, Rc<dyn Recorder>)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some((position, recorder)) = self.1.take() {
                let mut list = self.0.list.borrow_mut();
                let position = position.min(list.len());
                list.insert(position, recorder);
            }
        }
    }
    let recorders = RECORDERS.get();
    let position = recorders.position(recorder);
    let removed = position.map(|position| (position, recorders.list.borrow_mut().remove(position)));
    let _restore = Restore(recorders, removed);
    f()
}

/// Runs `f` without the recorders of the running task. Values that `f` computes from a variable are still marked.
pub fn unrecorded<R>(f: impl FnOnce() -> R) -> R {
    set_aside(false, f)
}

/// Runs `f` without recording: its results are constants, even if they depend on variables.
///
/// A tape created inside `f` records as usual.
pub fn no_record<R>(f: impl FnOnce() -> R) -> R {
    set_aside(true, f)
}

/// Runs `f` without the current recorders. Recorders that `f` starts and does not stop remain.
fn set_aside<R>(detached: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(Rc<Recorders>, Vec<Rc<dyn Recorder>>, bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            let mut list = self.0.list.borrow_mut();
            let started_inside = std::mem::replace(&mut *list, std::mem::take(&mut self.1));
            list.extend(started_inside);
            list.retain(|recorder| !recorder.is_stopped());
            self.0.detached.set(self.2);
        }
    }
    let recorders = RECORDERS.get();
    let (list, detached) = (recorders.list.take(), recorders.detached.replace(detached));
    let _restore = Restore(recorders, list, detached);
    f()
}

/// The identity of a value that is read from the variable with this number. Inside [`no_record`], unless a recorder was
/// started there, it is the identity of a constant.
pub fn read_variable(variable: u32, trainable: bool) -> ValueId {
    let recorders = RECORDERS.get_if_set();
    match recorders.is_some_and(|recorders| recorders.detached.get() && recorders.list.borrow().is_empty()) {
        true => ValueId::fresh(),
        false => ValueId::read(variable, trainable),
    }
}

/// Notifies the recorders about an operation, and marks its outputs if an input depends on a variable.
#[inline]
pub(crate) fn notify(op: &Op, inputs: &[&Tensor], outputs: &mut [Tensor]) {
    let recorders = RECORDERS.get_if_set();
    // Trainable variables take precedence.
    if let Some((variable, trainable)) =
        inputs.iter().filter_map(|input| input.id.origin()).max_by_key(|(_, trainable)| *trainable)
        && !recorders.as_ref().is_some_and(|recorders| recorders.detached.get())
    {
        for output in outputs.iter_mut().filter(|output| output.dtype().is_float()) {
            output.id = output.id.computed_from(variable, trainable);
        }
    }
    if let Some(recorders) = recorders {
        for recorder in recorders.list.borrow().iter() {
            recorder.record(op, inputs, outputs);
        }
    }
}
