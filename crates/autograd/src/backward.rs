//! The backward pass: from the gradient of the target to those of the sources. It names no operation.

use std::borrow::Cow;
use std::cell::Cell;
use std::mem;

use smallvec::SmallVec;
use tensor::{Error, Result, Tensor};

use crate::gradients::{Source, Unconnected};
use crate::recording::{Leaf, RecordedOp, Recording};
use crate::request::Request;
use crate::rules::{self, BackwardContext};
use crate::saved::{CONSTANT, Node};
use crate::unbroadcast::unbroadcast;
use crate::variable::{Variable, name_of};

/// The role of a node in a backward pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It depends on no source.
    Unrelated,
    /// It depends on a source, but only through values that are not floating.
    Blocked,
    /// It depends on a source, or on a value of another thread.
    OnPath,
    /// It is a source: its gradient is kept until the end.
    Source,
}

/// The state of a backward pass. It reads a [`Recording`] and does not change it.
pub(crate) struct BackwardPass {
    state: NodeStates,
    /// The first operation that had no gradient for an input which depends on a source.
    blocked_by: Option<String>,
    detect_anomalies: bool,
}

/// Gradient and role of each node.
#[derive(Default)]
struct NodeStates {
    gradients: Vec<Option<Tensor>>,
    roles: Vec<Role>,
}

thread_local! {
    /// The memory of a pass that has ended. The next pass uses it, so a training step allocates nothing for it.
    static SPARE: Cell<NodeStates> = const { Cell::new(NodeStates { gradients: Vec::new(), roles: Vec::new() }) };
}

/// The most nodes for which the memory of a pass is kept.
const SPARE_CAPACITY: usize = 1 << 14;

impl NodeStates {
    fn is_on_path(&self, node: Node) -> bool {
        node != CONSTANT && matches!(self.roles[node as usize], Role::OnPath | Role::Source)
    }

    fn depends_on_source(&self, node: Node) -> bool {
        self.roles[node as usize] != Role::Unrelated
    }
}

impl Drop for BackwardPass {
    fn drop(&mut self) {
        let NodeStates { mut gradients, mut roles } = mem::take(&mut self.state);
        if gradients.capacity() <= SPARE_CAPACITY {
            gradients.clear();
            roles.clear();
            // Fails if the thread is ending.
            let _ = SPARE.try_with(|spare| spare.set(NodeStates { gradients, roles }));
        }
    }
}

impl BackwardPass {
    /// Gives each node its role, and the target its gradient.
    ///
    /// # Errors
    /// Returns an error if the output gradient does not fit the target.
    pub(crate) fn new(recording: &Recording, request: &Request<'_>) -> Result<BackwardPass> {
        let mut state = SPARE.take();
        let count = recording.nodes as usize;
        state.gradients.resize(count, None);
        state.roles.resize(count, Role::Unrelated);
        for &node in request.source_nodes.iter().flatten() {
            state.roles[node as usize] = Role::Source;
        }
        let mut blocking = None;
        for op in &recording.ops {
            let on_path = op.foreign.is_some() || op.input_nodes().any(|node| state.is_on_path(node));
            if !on_path && !op.input_nodes().any(|node| state.depends_on_source(node)) {
                continue;
            }
            for (node, output) in op.outputs() {
                let floating = output.spec().dtype.is_float();
                let role = &mut state.roles[node as usize];
                if *role == Role::Unrelated {
                    *role = if on_path && floating { Role::OnPath } else { Role::Blocked };
                }
                if on_path && !floating {
                    blocking.get_or_insert(&op.op);
                }
            }
        }
        let mut blocked_by = None;
        if request.target_node != CONSTANT {
            let target = request.target_node as usize;
            if state.roles[target] == Role::Blocked {
                blocked_by = blocking.map(|op| op.name().to_string());
            }
            state.gradients[target] = Some(request.output_gradient()?);
        }
        Ok(BackwardPass { state, blocked_by, detect_anomalies: recording.detect_anomalies })
    }

    /// Handles one operation: takes the gradients of its outputs, and adds to those of its inputs.
    pub(crate) fn step(&mut self, op: &RecordedOp) -> Result<()> {
        let mut gradients: SmallVec<[Option<Tensor>; 1]> = SmallVec::new();
        for (node, _) in op.outputs() {
            let gradient = &mut self.state.gradients[node as usize];
            let is_source = self.state.roles[node as usize] == Role::Source;
            gradients.push(if is_source { gradient.clone() } else { gradient.take() });
        }
        if gradients.iter().all(Option::is_none) {
            return Ok(());
        }
        if let Some(variable) = op.foreign {
            return Err(Error::gradient(format!(
                "an operand of {} was computed from {} on another thread while this tape ran, so its part of the \
                 gradient is unknown; use a tape on that thread, or `stop_gradient`",
                op.op.name(),
                name_of(variable)
            )));
        }
        let needs_gradient = |k: usize| self.state.is_on_path(op.inputs[k].node);
        let (inputs, outputs) = (&op.inputs[..], &op.outputs[..]);
        let cx = BackwardContext { inputs, outputs, gradients: &gradients, needs_gradient: &needs_gradient };
        let to_inputs = rules::input_gradients(&op.op, cx).map_err(|error| error.context("gradient"))?;
        debug_assert_eq!(to_inputs.len(), inputs.len(), "{}: one gradient for each input", op.op.name());
        for (input, gradient) in inputs.iter().zip(to_inputs) {
            if !self.state.is_on_path(input.node) {
                continue;
            }
            let Some(gradient) = gradient else {
                self.blocked_by.get_or_insert_with(|| op.op.name().to_string());
                continue;
            };
            let spec = input.tensor.spec();
            if self.detect_anomalies && !gradient.all_finite() {
                return Err(Error::gradient(format!(
                    "anomaly: the gradient of {} for an operand of shape {} is the first with NaN or infinite elements",
                    op.op.name(),
                    spec.shape
                )));
            }
            let gradient = unbroadcast(gradient, spec).map_err(|error| error.context(op.op.name()))?;
            add(&mut self.state.gradients[input.node as usize], gradient)?;
        }
        Ok(())
    }

    /// Sums the gradients of each source over its nodes.
    pub(crate) fn source_gradients(&self, recording: &Recording, request: &Request<'_>) -> Result<Vec<Tensor>> {
        let mut gradients = Vec::with_capacity(request.sources.len());
        for (k, (source, nodes)) in request.sources.iter().zip(&request.source_nodes).enumerate() {
            let mut sum = None;
            for gradient in nodes.iter().filter_map(|&node| self.state.gradients[node as usize].as_ref()) {
                add(&mut sum, gradient.clone())?;
            }
            gradients.push(match (sum, request.options.unconnected, source) {
                (Some(sum), _, _) => sum,
                (None, Unconnected::Zeros, Source::Variable(variable)) => {
                    Tensor::full_of(variable.shape(), 0.0, variable.dtype())
                }
                (None, Unconnected::Zeros, Source::Tensor(tensor)) => tensor.zeros_like(),
                (None, Unconnected::Error, source) => return Err(self.unconnected(recording, k, *source, nodes)),
            });
        }
        Ok(gradients)
    }

    /// The error for source `k`, which got no gradient.
    fn unconnected(&self, recording: &Recording, k: usize, source: Source<'_>, nodes: &[Node]) -> Error {
        let (name, reason) = match source {
            Source::Variable(variable) => (variable.name(), self.variable_reason(recording, variable, nodes)),
            Source::Tensor(tensor) => {
                (format!("source {k}, a tensor of shape {},", tensor.shape()), self.tensor_reason(recording, nodes))
            }
        };
        Error::gradient(format!(
            "{name} {reason}, so it has no gradient; to get zeros instead of this error, pass `Unconnected::Zeros`, or \
             use `jacobian`"
        ))
    }

    fn variable_reason(&self, recording: &Recording, variable: &Variable, nodes: &[Node]) -> Cow<'static, str> {
        let watched = recording.watched_variables.contains(&variable.id());
        match (nodes, variable.is_trainable()) {
            ([_, ..], _) => self.reason(),
            ([], false) if watched => "was not used by any operation after `tape.watch`".into(),
            ([], false) => "is not trainable and was not watched (call `set_trainable(true)`, or `tape.watch(&x)` \
                            before it is used)"
                .into(),
            ([], true) => "was not used by any operation that the tape recorded".into(),
        }
    }

    fn tensor_reason(&self, recording: &Recording, nodes: &[Node]) -> Cow<'static, str> {
        match recording.leaves.iter().find(|(node, _)| nodes.contains(node)) {
            Some((_, Leaf::Tensor { watched_late: true })) => {
                format!("{} (values computed from it before `tape.watch` do not count)", self.reason()).into()
            }
            _ => self.reason(),
        }
    }

    /// Why a recorded source got no gradient.
    fn reason(&self) -> Cow<'static, str> {
        match &self.blocked_by {
            Some(op) => format!("contributes to the target at most through {op}, which passes no gradient on").into(),
            None => "does not contribute to the target".into(),
        }
    }
}

/// Adds a gradient to a sum, which is `None` before the first.
fn add(sum: &mut Option<Tensor>, gradient: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(before) => before.try_add(&gradient)?,
        None => gradient,
    });
    Ok(())
}
