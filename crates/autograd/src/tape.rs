//! The public tapes.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use tensor::profile::{Phase, phase};
use tensor::{Argument, Error, Operand, Result, Tensor};

use crate::backward::BackwardPass;
use crate::gradients::{Differentiable, GradientOptions, Sources};
use crate::recorder::TapeRecorder;
use crate::request::Request;
use crate::variable::Variable;

/// Records the operations on this thread that involve watched tensors, from its creation until it is used or dropped,
/// and computes gradients of their results.
///
/// Trainable variables are watched automatically, other tensors after [`GradientTape::watch`]. Tapes may be nested: the
/// outer one records the operations by which the inner one computes its gradients.
///
/// ```
/// # use autograd::{GradientTape, Variable};
/// # use tensor::tensor;
/// let x = Variable::new(tensor![[1.0, 2.0], [3.0, 4.0]]);
/// let outer = GradientTape::new();
/// let inner = GradientTape::new();
/// let y = x.value().pow(3.0)?;
/// let first = inner.gradient(&y, &x)?;
/// let second = outer.gradient(&first, &x)?;
/// assert_eq!(second.to_vec::<f32>()?, [6.0, 12.0, 18.0, 24.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
pub struct GradientTape(TapeRecorder);

/// A [`GradientTape`] from which gradients can be requested more than once. It records until it is stopped or dropped,
/// but never its own backward passes.
pub struct PersistentTape(TapeRecorder);

impl GradientTape {
    /// Starts a tape from which gradients can be requested once.
    #[must_use = "a tape that is dropped at once records nothing"]
    #[allow(clippy::new_without_default)]
    pub fn new() -> GradientTape {
        GradientTape(TapeRecorder::start())
    }

    /// Starts a tape from which gradients can be requested more than once.
    #[must_use = "a tape that is dropped at once records nothing"]
    pub fn persistent() -> PersistentTape {
        PersistentTape(TapeRecorder::start())
    }

    /// Computes the gradient of `target` for one source or for several; [`Sources`] lists the forms. A target that is
    /// not a scalar counts as the sum of its elements.
    ///
    /// # Errors
    /// Returns an error if the target or a source is not floating, if a source was never watched or does not contribute
    /// to the target, if an operation in between has no derivative, or if the target depends on a value that another
    /// thread computed from a watched variable.
    #[track_caller]
    pub fn gradient<S: Sources>(self, target: impl Operand, sources: S) -> Result<S::Gradients> {
        self.gradient_with(target, sources, GradientOptions::default())
    }

    /// As [`GradientTape::gradient`], with options.
    ///
    /// # Errors
    /// As [`GradientTape::gradient`], and if the output gradient has a different shape or type than the target.
    #[track_caller]
    pub fn gradient_with<S: Sources>(
        self,
        target: impl Operand,
        sources: S,
        options: GradientOptions,
    ) -> Result<S::Gradients> {
        let place = Location::caller();
        self.backward(target, sources, options).map_err(|error| error.at(place))
    }

    fn backward<S: Sources>(self, target: impl Operand, sources: S, options: GradientOptions) -> Result<S::Gradients> {
        let _phase = phase(Phase::Backward);
        let target = tensor_of(&target)?;
        self.0.stop();
        let sources = sources.sources();
        // Nobody else can borrow it: the tape is stopped and owned by this call.
        let recording = &mut *self.0.recording_mut();
        let request = Request::new(recording, &target, &sources, &options)?;
        let mut pass = BackwardPass::new(recording, &request)?;
        while let Some(op) = recording.ops.last() {
            pass.step(op)?;
            // Frees what the operation saved as soon as it is no longer needed. `pop` would move the large entry.
            recording.ops.truncate(recording.ops.len() - 1);
        }
        pass.source_gradients(recording, &request).and_then(S::arrange)
    }

    /// Searches every value and gradient for NaN and infinities from now on. `gradient` then fails with the name of the
    /// first operation that has any. This reads every result once more.
    pub fn detect_anomalies(&self) {
        self.0.recording_mut().detect_anomalies = true;
    }

    /// The bytes of memory that the tape holds for its rules. Storage that several values share counts once. Part of it
    /// is held by variables or the program as well.
    pub fn memory(&self) -> usize {
        self.0.recording().memory()
    }

    /// Makes a tensor, or a variable that is not trainable, a source of this tape.
    ///
    /// A tape knows a tensor by its identity. It does not see what other threads compute from it: such values are
    /// constants.
    pub fn watch(&self, value: &impl Differentiable) {
        self.0.recording_mut().watch(value.source());
    }

    /// The trainable variables that `target` was computed from while the tape ran, in the order in which
    /// they were first used. Ask before [`gradient`](Self::gradient), to find variables that a list of
    /// weights lacks: they would not be trained.
    ///
    /// Frozen variables are left out, and so are those that reach the target only through
    /// [`stop_gradient`](Tensor::stop_gradient), [`no_record`](crate::no_record) or values that are not
    /// floating.
    ///
    /// ```
    /// # use autograd::{GradientTape, Variable};
    /// # use tensor::tensor;
    /// let (w, b) = (Variable::new(tensor![2.0]), Variable::new(tensor![1.0]));
    /// let weights = [&w];
    /// let tape = GradientTape::new();
    /// let loss = 3.0 * &w + &b;
    /// let mut variables = tape.trainable_variables(&loss)?;
    /// variables.retain(|variable| weights.iter().all(|weight| weight.id() != variable.id()));
    /// assert_eq!(variables[0].id(), b.id());
    /// # Ok::<(), autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if `target` is a number.
    #[track_caller]
    pub fn trainable_variables(&self, target: impl Operand) -> Result<Vec<Variable>> {
        let target = tensor_of(&target)?;
        Ok(self.0.recording_mut().trainable_variables(&target))
    }

    /// The recorded operations as a graph in the DOT language, which Graphviz draws: `dot -Tsvg`.
    pub fn to_dot(&self) -> String {
        self.0.recording().to_dot()
    }
}

impl PersistentTape {
    /// Stops recording.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// As [`GradientTape::gradient`], any number of times.
    ///
    /// # Errors
    /// As [`GradientTape::gradient`].
    #[track_caller]
    pub fn gradient<S: Sources>(&self, target: impl Operand, sources: S) -> Result<S::Gradients> {
        self.gradient_with(target, sources, GradientOptions::default())
    }

    /// As [`GradientTape::gradient_with`], any number of times.
    ///
    /// # Errors
    /// As [`GradientTape::gradient_with`].
    #[track_caller]
    pub fn gradient_with<S: Sources>(
        &self,
        target: impl Operand,
        sources: S,
        options: GradientOptions,
    ) -> Result<S::Gradients> {
        let place = Location::caller();
        self.backward(target, sources, options).map_err(|error| error.at(place))
    }

    fn backward<S: Sources>(&self, target: impl Operand, sources: S, options: GradientOptions) -> Result<S::Gradients> {
        let _phase = phase(Phase::Backward);
        let target = tensor_of(&target)?;
        let sources = sources.sources();
        let request = Request::new(&mut self.0.recording_mut(), &target, &sources, &options)?;
        self.0.paused(|| {
            let recording = &*self.0.recording();
            let mut pass = BackwardPass::new(recording, &request)?;
            recording.ops.iter().rev().try_for_each(|op| pass.step(op))?;
            pass.source_gradients(recording, &request).and_then(S::arrange)
        })
    }

    /// As [`GradientTape::detect_anomalies`].
    pub fn detect_anomalies(&self) {
        self.0.recording_mut().detect_anomalies = true;
    }

    /// As [`GradientTape::memory`].
    pub fn memory(&self) -> usize {
        self.0.recording().memory()
    }

    /// As [`GradientTape::watch`].
    pub fn watch(&self, value: &impl Differentiable) {
        self.0.recording_mut().watch(value.source());
    }

    /// As [`GradientTape::trainable_variables`].
    ///
    /// # Errors
    /// As [`GradientTape::trainable_variables`].
    #[track_caller]
    pub fn trainable_variables(&self, target: impl Operand) -> Result<Vec<Variable>> {
        let target = tensor_of(&target)?;
        Ok(self.0.recording_mut().trainable_variables(&target))
    }

    /// As [`GradientTape::to_dot`].
    pub fn to_dot(&self) -> String {
        self.0.recording().to_dot()
    }
}

/// The target of a gradient: a tensor, or a variable that is read for it.
#[track_caller]
fn tensor_of(target: &impl Operand) -> Result<Cow<'_, Tensor>> {
    match target.argument() {
        Argument::Tensor(tensor) => Ok(tensor),
        Argument::Number(number) => Err(Error::gradient(format!("the target is the number {number}, a constant"))),
    }
}

impl fmt::Display for GradientTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.recording().fmt(f)
    }
}

impl fmt::Display for PersistentTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.recording().fmt(f)
    }
}
