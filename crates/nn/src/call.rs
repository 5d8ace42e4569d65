//! What observes the calls of layers in the running task: a [summary](crate::summary) records them, a
//! [search](crate::first_non_finite) checks their outputs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use autograd::Variable;
use tensor::{Error, Result, Shape, TaskLocal, Tensor};

static OBSERVERS: TaskLocal<Observers> = TaskLocal::new(Observers::default);

/// The observers of the running task.
#[derive(Default)]
pub(crate) struct Observers {
    /// Whether an output with NaN or infinite elements is an error.
    checks_finite: Cell<bool>,
    /// The calls so far, while they are recorded.
    record: RefCell<Option<CallRecord>>,
}

/// The calls of a forward pass.
#[derive(Default)]
struct CallRecord {
    /// In the order in which the calls began. A call that failed stays `None`.
    calls: Vec<Option<RecordedCall>>,
    /// The names of the calls that are running, outermost first.
    path: Vec<String>,
}

/// A call of a layer that succeeded.
pub(crate) struct RecordedCall {
    /// The names of the calls around it and its own.
    pub(crate) path: Vec<String>,
    /// What [`Layer::describe`](crate::Layer::describe) returns.
    pub(crate) layer: String,
    /// All weights of the layer.
    pub(crate) weights: Vec<Variable>,
    /// The shape of the output.
    pub(crate) output: Shape,
}

impl Observers {
    /// The observers of the running task, if it has ever had any.
    #[inline]
    pub(crate) fn current() -> Option<Rc<Observers>> {
        OBSERVERS.get_if_set()
    }

    /// Runs a call of a layer and notifies the observers. `layer` returns the layer's description and weights.
    pub(crate) fn observe<R>(
        &self,
        name: &str,
        run: impl FnOnce() -> Result<R>,
        output: impl Fn(&R) -> &Tensor,
        layer: impl FnOnce() -> (String, Vec<Variable>),
    ) -> Result<R> {
        let running = RunningCall::begin(self, name);
        let result = run()?;
        let tensor = output(&result);
        if self.checks_finite.get() && !tensor.all_finite() {
            return Err(non_finite("output", tensor.shape()));
        }
        if let Some(running) = running {
            let (layer, weights) = layer();
            running.succeed(layer, weights, tensor.shape().clone());
        }
        Ok(result)
    }
}

/// The error that names a tensor with NaN or infinite elements.
pub(crate) fn non_finite(name: &str, shape: &Shape) -> Error {
    Error::shape(name, shape, "has NaN or infinite elements")
}

/// A recorded call until it returns or panics.
struct RunningCall<'o> {
    observers: &'o Observers,
    index: usize,
}

impl<'o> RunningCall<'o> {
    fn begin(observers: &'o Observers, name: &str) -> Option<RunningCall<'o>> {
        let mut record = observers.record.borrow_mut();
        let record = record.as_mut()?;
        record.path.push(name.into());
        record.calls.push(None);
        Some(RunningCall { observers, index: record.calls.len() - 1 })
    }

    fn succeed(&self, layer: String, weights: Vec<Variable>, output: Shape) {
        if let Some(record) = self.observers.record.borrow_mut().as_mut() {
            let path = record.path.clone();
            if let Some(call) = record.calls.get_mut(self.index) {
                *call = Some(RecordedCall { path, layer, weights, output });
            }
        }
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.observers.record.borrow_mut().as_mut() {
            record.path.pop();
        }
    }
}

/// Turns the check of outputs on until it is dropped.
pub(crate) struct FiniteCheck {
    before: bool,
}

impl FiniteCheck {
    pub(crate) fn start() -> FiniteCheck {
        FiniteCheck { before: OBSERVERS.get().checks_finite.replace(true) }
    }
}

impl Drop for FiniteCheck {
    fn drop(&mut self) {
        OBSERVERS.get().checks_finite.set(self.before);
    }
}

/// Records calls until it is finished or dropped. An outer recorder pauses meanwhile.
pub(crate) struct CallRecorder {
    outer: Option<CallRecord>,
}

impl CallRecorder {
    pub(crate) fn start() -> CallRecorder {
        CallRecorder { outer: OBSERVERS.get().record.replace(Some(CallRecord::default())) }
    }

    /// The calls that succeeded, in the order in which they began.
    pub(crate) fn finish(self) -> Vec<RecordedCall> {
        let record = OBSERVERS.get().record.take().unwrap_or_default();
        record.calls.into_iter().flatten().collect()
    }
}

impl Drop for CallRecorder {
    fn drop(&mut self) {
        OBSERVERS.get().record.replace(self.outer.take());
    }
}
