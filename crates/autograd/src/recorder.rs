//! The hook through which a tape sees the operations of its thread.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use tensor::recorder::{self, Recorder};
use tensor::{Op, Tensor};

use crate::recording::Recording;
use crate::rules;
use crate::saved::CONSTANT;

thread_local! {
    /// The cleared hook of a tape that has ended. The next tape uses it, so a training step allocates nothing for it.
    static SPARE: Cell<Option<Rc<Hook>>> = const { Cell::new(None) };
    /// The number of tapes of this thread that record.
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// The most entries for which a cleared recording is kept: a larger one would hold too much memory.
const SPARE_CAPACITY: usize = 1 << 14;

/// Whether a tape of this thread records, possibly outside a `no_record` scope.
pub(crate) fn is_any_running() -> bool {
    RUNNING.get() > 0
}

/// The part of a tape that `tensor` notifies of each operation.
#[derive(Default)]
struct Hook {
    stopped: Cell<bool>,
    recording: RefCell<Recording>,
}

impl Recorder for Hook {
    fn record(&self, op: &Op, inputs: &[&Tensor], outputs: &[Tensor]) {
        self.recording.borrow_mut().add_op(op, inputs, outputs, rules::saved);
    }

    fn is_watching(&self, value: &Tensor) -> bool {
        self.recording.borrow_mut().node(value.value_id()) != CONSTANT
    }

    fn is_stopped(&self) -> bool {
        self.stopped.get()
    }
}

/// Records from its creation until it is stopped or dropped.
pub(crate) struct TapeRecorder(Rc<Hook>);

impl TapeRecorder {
    pub(crate) fn start() -> TapeRecorder {
        let mut hook = SPARE.take().unwrap_or_default();
        let fields = Rc::get_mut(&mut hook).expect("a spare hook has one owner");
        fields.stopped.set(false);
        fields.recording.get_mut().begin();
        recorder::start(hook.clone());
        RUNNING.set(RUNNING.get() + 1);
        TapeRecorder(hook)
    }

    pub(crate) fn stop(&self) {
        if self.0.stopped.replace(true) {
            return;
        }
        RUNNING.set(RUNNING.get() - 1);
        // Inside a `no_record` scope or a parallel section the hook is not in the list. Their end removes stopped hooks.
        recorder::stop(&self.hook());
    }

    /// Runs `f` without recording it.
    pub(crate) fn paused<R>(&self, f: impl FnOnce() -> R) -> R {
        recorder::without(&self.hook(), f)
    }

    pub(crate) fn recording(&self) -> Ref<'_, Recording> {
        self.0.recording.borrow()
    }

    pub(crate) fn recording_mut(&self) -> RefMut<'_, Recording> {
        self.0.recording.borrow_mut()
    }

    fn hook(&self) -> Rc<dyn Recorder> {
        self.0.clone()
    }
}

impl Drop for TapeRecorder {
    fn drop(&mut self) {
        self.stop();
        // A hook that is still listed outside a `no_record` scope cannot be reused.
        if let Some(hook) = Rc::get_mut(&mut self.0)
            && hook.recording.get_mut().capacity() <= SPARE_CAPACITY
        {
            hook.recording.get_mut().clear();
            // Fails if the thread is ending.
            let _ = SPARE.try_with(|spare| spare.set(Some(self.0.clone())));
        }
    }
}
