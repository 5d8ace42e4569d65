//! The walk backwards over a tape: from the gradient of the target to those of the sources. Nothing
//! here knows what an operation computes.

use std::borrow::Cow;

use smallvec::SmallVec;
use tensor::{Error, Result, Tensor};

use crate::gradients::{GradientOptions, Source, Unconnected};
use crate::rules;
use crate::site::{CONSTANT, Node, Site};
use crate::tape::{Entry, Leaf, Record, Tape};
use crate::unbroadcast::unbroadcast;
use crate::variable::{Variable, name_of};

/// What a node is to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It depends on no source.
    Aside,
    /// It depends on a source, but through values that are not floating.
    Cut,
    /// It depends on a source, or on a value of another thread.
    Between,
    /// It is a source, whose gradient must outlast the walk.
    Source,
}

/// The gradients of a walk backwards, by node.
#[derive(Default)]
pub(crate) struct Walk {
    gradients: Vec<Option<Tensor>>,
    roles: Vec<Role>,
    /// An operation that gave no gradient to an input which depends on a source.
    ended: Option<String>,
    /// Whether gradients are searched for NaN and infinities.
    anomalies: bool,
}

impl Walk {
    /// Handles one operation: takes the gradients of its outputs and adds to those of its inputs.
    pub(crate) fn step(&mut self, entry: &Entry) -> Result<()> {
        let mut gradients: SmallVec<[Option<Tensor>; 1]> = SmallVec::new();
        for node in (entry.first as usize..).take(entry.outputs.len()) {
            let lasts = self.roles[node] == Role::Source;
            gradients.push(if lasts { self.gradients[node].clone() } else { self.gradients[node].take() });
        }
        if gradients.iter().all(Option::is_none) {
            return Ok(());
        }
        if let Some(variable) = entry.foreign {
            return Err(Error::gradient(format!(
                "an operand of {} was computed from {} on another thread while this tape ran, so that its part of \
                 the gradient is not known; use a tape on that thread, or stop_gradient",
                entry.op.name(),
                name_of(variable)
            )));
        }
        let wanted = |k: usize| is_relevant(&self.roles, entry.inputs[k].0);
        let site = Site { inputs: &entry.inputs, outputs: &entry.outputs, wanted: &wanted };
        let parts = rules::backward(&entry.op, &site, &gradients).map_err(|error| error.context("gradient"))?;
        debug_assert_eq!(parts.len(), entry.inputs.len(), "{}: one gradient for each input", entry.op.name());
        for ((node, kept), part) in entry.inputs.iter().zip(parts) {
            if !is_relevant(&self.roles, *node) {
                continue;
            }
            let Some(part) = part else {
                self.ended.get_or_insert_with(|| entry.op.name().to_string());
                continue;
            };
            if self.anomalies && !part.all_finite() {
                return Err(Error::gradient(format!(
                    "anomaly: that which {} passes to an operand of shape {} is the first with NaN or infinite elements",
                    entry.op.name(),
                    kept.shape()
                )));
            }
            let part = unbroadcast(part, kept.shape(), kept.dtype()).map_err(|error| error.context(entry.op.name()))?;
            let sum = &mut self.gradients[*node as usize];
            *sum = Some(match sum.take() {
                Some(before) => before.try_add(&part)?,
                None => part,
            });
        }
        Ok(())
    }
}

fn is_relevant(roles: &[Role], node: Node) -> bool {
    node != CONSTANT && matches!(roles[node as usize], Role::Between | Role::Source)
}

/// The nodes of one source, whose gradients are summed.
pub(crate) type SourceNodes = SmallVec<[Node; 1]>;

impl Walk {
    /// Checks a request and prepares the walk that answers it.
    pub(crate) fn prepare(
        tape: &Tape,
        target: &Tensor,
        sources: &[Source<'_>],
        options: &GradientOptions,
    ) -> Result<(Walk, SmallVec<[SourceNodes; 4]>)> {
        let record = &mut *tape.record.borrow_mut();
        let (shape, dtype) = (target.shape(), target.dtype());
        if !dtype.is_float() {
            return Err(Error::gradient(format!("the target is of type {dtype}; only floating types have gradients")));
        }
        if let Some(variable) = tape.foreign(record, target.value_id()) {
            return Err(Error::gradient(format!(
                "the target was computed from {} on another thread, which this tape does not see",
                name_of(variable)
            )));
        }
        if let Some(Some(first)) = &record.anomalies {
            return Err(Error::gradient(format!("anomaly: {first} is the first with NaN or infinite elements")));
        }
        let target = tape.node(record, target.value_id());
        let mut nodes = SmallVec::with_capacity(sources.len());
        for (k, source) in sources.iter().enumerate() {
            nodes.push(match source {
                Source::Variable(variable) => {
                    if !variable.dtype().is_float() {
                        let (name, dtype) = (variable.name(), variable.dtype());
                        let message = format!("{name} is of type {dtype}; only floating types have gradients");
                        return Err(Error::gradient(message));
                    }
                    let leaf = Leaf::Variable(variable.id());
                    record.leaves.iter().filter(|(_, other)| *other == leaf).map(|(node, _)| *node).collect()
                }
                Source::Tensor(tensor) => {
                    if !tensor.dtype().is_float() {
                        let message =
                            format!("source {k} is of type {}; only floating types have gradients", tensor.dtype());
                        return Err(Error::gradient(message));
                    }
                    match tape.node(record, tensor.value_id()) {
                        CONSTANT => {
                            return Err(Error::gradient(format!(
                                "source {k}, a tensor of shape {}, was never watched; make it a variable \
                                 (`Variable::new`), or call `tape.watch(&x)` before it is used",
                                tensor.shape()
                            )));
                        }
                        node => SourceNodes::from_slice(&[node]),
                    }
                }
            });
        }
        let count = record.nodes as usize;
        let mut walk = std::mem::take(&mut record.walk);
        walk.gradients.resize(count, None);
        walk.roles.resize(count, Role::Aside);
        walk.anomalies = record.anomalies.is_some();
        for &node in nodes.iter().flatten() {
            walk.roles[node as usize] = Role::Source;
        }
        let mut cut = None;
        for entry in &record.entries {
            let relevant =
                entry.foreign.is_some() || entry.inputs.iter().any(|(node, _)| is_relevant(&walk.roles, *node));
            let depends = |(node, _): &(Node, _)| *node != CONSTANT && walk.roles[*node as usize] != Role::Aside;
            if !relevant && !entry.inputs.iter().any(depends) {
                continue;
            }
            for (node, output) in (entry.first as usize..).zip(&entry.outputs) {
                let floating = output.dtype().is_float();
                if walk.roles[node] == Role::Aside {
                    walk.roles[node] = if relevant && floating { Role::Between } else { Role::Cut };
                }
                if relevant && !floating {
                    cut.get_or_insert(&entry.op);
                }
            }
        }
        if target != CONSTANT && walk.roles[target as usize] == Role::Cut {
            walk.ended = cut.map(|op| op.name().to_string());
        }
        if target != CONSTANT {
            walk.gradients[target as usize] = Some(match &options.output_gradient {
                None => Tensor::full_of(shape, 1.0, dtype),
                Some(gradient) if gradient.shape() == shape && gradient.dtype() == dtype => gradient.clone(),
                Some(gradient) => {
                    return Err(Error::gradient(format!(
                        "the output gradient is {} {}, the target {dtype} {shape}",
                        gradient.dtype(),
                        gradient.shape()
                    )));
                }
            });
        }
        Ok((walk, nodes))
    }

    /// Empties this, but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.gradients.clear();
        self.roles.clear();
        self.ended = None;
    }

    /// Sums what arrived at each source.
    pub(crate) fn collect(
        &self,
        record: &Record,
        sources: &[Source<'_>],
        nodes: &[SourceNodes],
        options: &GradientOptions,
    ) -> Result<Vec<Tensor>> {
        let mut gradients = Vec::with_capacity(sources.len());
        for (k, (source, nodes)) in sources.iter().zip(nodes).enumerate() {
            let mut sum: Option<Tensor> = None;
            for &node in nodes {
                if let Some(part) = &self.gradients[node as usize] {
                    sum = Some(match sum {
                        Some(sum) => sum.try_add(part)?,
                        None => part.clone(),
                    });
                }
            }
            gradients.push(match (sum, options.unconnected, source) {
                (Some(sum), _, _) => sum,
                (None, Unconnected::Zeros, Source::Variable(variable)) => {
                    Tensor::full_of(variable.shape(), 0.0, variable.dtype())
                }
                (None, Unconnected::Zeros, Source::Tensor(tensor)) => tensor.zeros_like(),
                (None, Unconnected::Error, source) => {
                    let (name, reason) = match source {
                        Source::Variable(variable) => {
                            (variable.name(), self.no_part_of_variable(record, variable, nodes))
                        }
                        Source::Tensor(tensor) => {
                            let name = format!("source {k}, a tensor of shape {},", tensor.shape());
                            (name, self.no_part_of_tensor(record, nodes))
                        }
                    };
                    return Err(Error::gradient(format!(
                        "{name} {reason}, so it has no gradient; to get zeros instead of this error, ask the tape with \
                         `Unconnected::Zeros`, or use `jacobian`"
                    )));
                }
            });
        }
        Ok(gradients)
    }

    /// Why a variable with these nodes got no gradient.
    fn no_part_of_variable(&self, record: &Record, variable: &Variable, nodes: &[Node]) -> Cow<'static, str> {
        let watched = record.watched.contains(&variable.id());
        match (nodes, variable.is_trainable()) {
            ([_, ..], _) => self.no_part(),
            ([], false) if watched => "was not used by any operation after `tape.watch`".into(),
            ([], false) => {
                "is not trainable and was not watched (call `set_trainable(true)`, or `tape.watch(&x)` before \
                            it is used)"
                    .into()
            }
            ([], true) => "was not used by any operation that the tape recorded".into(),
        }
    }

    /// Why a watched or recorded tensor with these nodes got no gradient.
    fn no_part_of_tensor(&self, record: &Record, nodes: &[Node]) -> Cow<'static, str> {
        match record.leaves.iter().find(|(node, _)| nodes.contains(node)) {
            Some((_, Leaf::Tensor { late: true })) => {
                format!("{} (what was computed from it before `tape.watch` does not count)", self.no_part()).into()
            }
            _ => self.no_part(),
        }
    }

    fn no_part(&self) -> Cow<'static, str> {
        match &self.ended {
            Some(op) => format!("has no part in the target but through {op}, which passes no gradient on").into(),
            None => "has no part in the target".into(),
        }
    }
}
