//! What a function depends on besides its inputs: variables that it reads, and values that it captures.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use tensor::recorder::{self, Recorder};
use tensor::{Op, Result, TaskLocal, Tensor, value_id};

/// The dependencies of a function that are not inputs. Only floating values count.
#[derive(Default)]
pub(crate) struct Captures {
    /// The first read of each variable inside the function.
    pub(crate) reads: Vec<Tensor>,
    /// Values that were created outside.
    pub(crate) values: Vec<Tensor>,
    seen_variables: HashSet<u32>,
    seen_values: HashSet<u64>,
}

/// The number of listeners of the running task.
static LISTENERS: TaskLocal<Cell<usize>> = TaskLocal::new(Cell::default);

/// Runs `f` on copies of `inputs` that have identities of their own, and finds what else it depends on.
///
/// The caller puts tapes aside. Operations inside a `no_record` scope, and on other threads, are not seen.
pub(crate) fn find_captures(
    f: impl FnOnce(&[Tensor]) -> Result<Tensor>,
    inputs: &[&Tensor],
) -> Result<(Tensor, Captures)> {
    let listener = Rc::new(Listener { first_id: value_id::upcoming_number(), captures: RefCell::default() });
    let inside: Vec<Tensor> = inputs.iter().map(|input| input.stop_gradient()).collect();
    let output = {
        let _listening = Listening::start(listener.clone());
        f(&inside)?
    };
    // A function that returns what it has read or captured applies no operation to it.
    listener.note(&output);
    Ok((output, listener.captures.take()))
}

/// Whether the caller is inside a function whose captures are being found.
pub(crate) fn is_listening() -> bool {
    LISTENERS.get_if_set().is_some_and(|count| count.get() > 0)
}

/// Notes the inputs of each operation.
struct Listener {
    /// The first identity of a value created inside the function.
    first_id: u64,
    captures: RefCell<Captures>,
}

impl Listener {
    fn note(&self, value: &Tensor) {
        if !value.dtype().is_float() {
            return;
        }
        let id = value.value_id();
        let captures = &mut *self.captures.borrow_mut();
        if id.number() < self.first_id || id.task() != value_id::task_of(self.first_id) {
            if captures.seen_values.insert(id.number()) {
                captures.values.push(value.clone());
            }
        } else if let Some((variable, _)) = id.leaf()
            && captures.seen_variables.insert(variable)
        {
            captures.reads.push(value.clone());
        }
    }
}

impl Recorder for Listener {
    fn record(&self, _: &Op, inputs: &[&Tensor], _: &[Tensor]) {
        inputs.iter().for_each(|input| self.note(input));
    }

    fn is_watching(&self, _: &Tensor) -> bool {
        false
    }

    fn is_stopped(&self) -> bool {
        false
    }
}

/// Keeps a listener in the list of recorders until it is dropped, also by a panic.
struct Listening(Rc<dyn Recorder>);

impl Listening {
    fn start(listener: Rc<dyn Recorder>) -> Listening {
        recorder::start(listener.clone());
        let count = LISTENERS.get();
        count.set(count.get() + 1);
        Listening(listener)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        recorder::stop(&self.0);
        let count = LISTENERS.get();
        count.set(count.get() - 1);
    }
}
