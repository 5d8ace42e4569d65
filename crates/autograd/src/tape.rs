//! Recording, and the walk backwards. Nothing here knows what an operation computes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use smallvec::SmallVec;
use tensor::record::{self, Recorder, Trace};
use tensor::{Argument, DType, Error, Op, Operand, Result, Shape, Tensor};

use crate::gradients::{Differentiable, GradientOptions, Source, Sources, Unconnected};
use crate::rules::{self, Needs};
use crate::unbroadcast::unbroadcast;
use crate::variable::name_of;

/// The number of a value on one tape; leaves and outputs are numbered in the order they appear.
type Node = u32;

/// What stands for a value that is not on the tape.
const CONSTANT: Node = Node::MAX;

/// A value as the tape keeps it: whole if a rule needs it, else only what it looks like.
pub(crate) enum Kept {
    Value(Tensor),
    Shape(Shape, DType),
}

impl Kept {
    fn new(value: &Tensor, whole: bool) -> Kept {
        if whole { Kept::Value(value.clone()) } else { Kept::Shape(value.shape().clone(), value.dtype()) }
    }

    pub(crate) fn shape(&self) -> &Shape {
        match self {
            Kept::Value(tensor) => tensor.shape(),
            Kept::Shape(shape, _) => shape,
        }
    }

    pub(crate) fn dtype(&self) -> DType {
        match self {
            Kept::Value(tensor) => tensor.dtype(),
            Kept::Shape(_, dtype) => *dtype,
        }
    }
}

/// One recorded operation.
struct Entry {
    op: Op,
    inputs: SmallVec<[(Node, Kept); 2]>,
    /// The node of the first output; the others follow.
    first: Node,
    outputs: SmallVec<[Kept; 1]>,
    /// A variable from which an operand was computed on another thread while this tape ran.
    foreign: Option<u32>,
}

/// What a node that no operation computed stands for.
#[derive(Clone, Copy, PartialEq)]
enum Leaf {
    Variable(u32),
    Tensor,
}

#[derive(Default)]
struct Record {
    entries: Vec<Entry>,
    leaves: Vec<(Node, Leaf)>,
    nodes: Node,
    /// Nodes by identity, counted from that of the first value made after the tape.
    recent: Vec<Node>,
    /// Nodes of values that were made before.
    older: HashMap<u64, Node>,
    /// Variables that are not trainable but watched.
    watched: Vec<u32>,
}

struct Tape {
    /// The first identity of a value made after the tape was started, on its thread.
    base: u64,
    /// When it was started, on the clock of [`record::tick`].
    started: u64,
    record: RefCell<Record>,
}

impl Tape {
    fn start() -> Rc<Tape> {
        let tape = Rc::new(Tape { base: record::upcoming_id(), started: record::tick(), record: RefCell::default() });
        record::start(tape.clone());
        tape
    }

    fn stop(self: &Rc<Tape>) -> bool {
        record::stop(&(self.clone() as Rc<dyn Recorder>))
    }

    /// Whether a value was read or computed on another thread while this tape ran, and from which
    /// variable. Values that are older than the tape are constants, as are its own thread's.
    fn foreign(&self, trace: Trace) -> Option<u32> {
        let elsewhere = trace.origin().is_some() && trace.time() >= self.started && !self.is_local(trace);
        trace.origin().filter(|_| elsewhere)
    }

    fn watch(&self, source: Source<'_>) {
        let record = &mut *self.record.borrow_mut();
        match source {
            Source::Variable(variable) => record.watched.push(variable.id()),
            Source::Tensor(tensor) => {
                if self.node(record, tensor.trace()) == CONSTANT {
                    record.add_leaf(self.base, tensor.trace(), Leaf::Tensor);
                }
            }
        }
    }

    fn is_local(&self, trace: Trace) -> bool {
        trace.thread() == record::thread_of(self.base)
    }

    /// The node of a value; reads of variables become leaves when they are first met.
    fn node(&self, record: &mut Record, trace: Trace) -> Node {
        let node = record.find(self.base, trace);
        if node != CONSTANT {
            return node;
        }
        match trace.leaf() {
            Some((variable, trainable))
                if (trainable || record.watched.contains(&variable))
                    && self.is_local(trace)
                    && trace.id() >= self.base =>
            {
                record.add_leaf(self.base, trace, Leaf::Variable(variable))
            }
            _ => CONSTANT,
        }
    }
}

impl Recorder for Tape {
    fn record(&self, op: &Op, inputs: &[&Tensor], outputs: &[Tensor]) {
        let record = &mut *self.record.borrow_mut();
        let mut foreign = None;
        let nodes: SmallVec<[Node; 2]> = inputs
            .iter()
            .map(|input| {
                let node = self.node(record, input.trace());
                if node == CONSTANT {
                    foreign = foreign.or(self.foreign(input.trace()));
                }
                node
            })
            .collect();
        if foreign.is_none() && nodes.iter().all(|&node| node == CONSTANT) {
            return;
        }
        let needs = rules::needs(op);
        let differentiable = outputs.iter().any(|output| output.dtype().is_float());
        let other_is_tracked = |k: usize| nodes.iter().enumerate().any(|(j, &node)| j != k && node != CONSTANT);
        let inputs = inputs.iter().enumerate().map(|(k, input)| {
            let whole = differentiable
                && match needs {
                    Needs::Inputs | Needs::Both => true,
                    Needs::Others => other_is_tracked(k),
                    Needs::Selectors => !input.dtype().is_float(),
                    Needs::Nothing | Needs::Output => false,
                };
            (nodes[k], Kept::new(input, whole))
        });
        let whole = differentiable && matches!(needs, Needs::Output | Needs::Both);
        let first = record.nodes;
        let entry = Entry {
            op: op.clone(),
            inputs: inputs.collect(),
            first,
            outputs: outputs.iter().map(|output| Kept::new(output, whole)).collect(),
            foreign,
        };
        record.entries.push(entry);
        for output in outputs {
            record.add(self.base, output.trace());
        }
    }

    fn tracks(&self, value: Trace) -> bool {
        let record = &mut *self.record.borrow_mut();
        self.node(record, value) != CONSTANT || self.foreign(value).is_some()
    }
}

impl Record {
    fn find(&self, base: u64, trace: Trace) -> Node {
        match trace.id().checked_sub(base) {
            Some(place) if place < self.recent.len() as u64 => self.recent[place as usize],
            Some(_) if self.older.is_empty() => CONSTANT,
            _ => self.older.get(&trace.id()).copied().unwrap_or(CONSTANT),
        }
    }

    fn add(&mut self, base: u64, trace: Trace) -> Node {
        let node = self.nodes;
        self.nodes += 1;
        match trace.id().checked_sub(base) {
            Some(place) if record::thread_of(base) == trace.thread() => {
                let place = place as usize;
                if place >= self.recent.len() {
                    self.recent.resize(place + 1, CONSTANT);
                }
                self.recent[place] = node;
            }
            _ => {
                self.older.insert(trace.id(), node);
            }
        }
        node
    }

    fn add_leaf(&mut self, base: u64, trace: Trace, leaf: Leaf) -> Node {
        let node = self.add(base, trace);
        self.leaves.push((node, leaf));
        node
    }
}

/// The gradients of a walk, by node.
struct Walk {
    gradients: Vec<Option<Tensor>>,
    /// Whether a node depends on a source, or on a value of another thread.
    relevant: Vec<bool>,
    /// Whether a node is itself a source, whose gradient must outlast the walk.
    source: Vec<bool>,
}

impl Walk {
    /// Handles one operation: takes the gradients of its outputs and adds to those of its inputs.
    fn step(&mut self, entry: &Entry) -> Result<()> {
        let gradients: SmallVec<[Option<Tensor>; 1]> = (0..entry.outputs.len())
            .map(|k| {
                let node = entry.first as usize + k;
                if self.source[node] { self.gradients[node].clone() } else { self.gradients[node].take() }
            })
            .collect();
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
        let wanted = |k: usize| matches!(entry.inputs[k].0, node if node != CONSTANT && self.relevant[node as usize]);
        let site = Site { inputs: &entry.inputs, outputs: &entry.outputs, wanted: &wanted };
        let parts = rules::backward(&entry.op, &site, &gradients).map_err(|error| error.context("gradient"))?;
        debug_assert_eq!(parts.len(), entry.inputs.len(), "{}: one gradient for each input", entry.op.name());
        for ((node, kept), part) in entry.inputs.iter().zip(parts) {
            let Some(part) = part else { continue };
            if *node == CONSTANT || !self.relevant[*node as usize] {
                continue;
            }
            let part = unbroadcast(part, kept.shape())?;
            let sum = &mut self.gradients[*node as usize];
            *sum = Some(match sum.take() {
                Some(before) => before.try_add(&part)?,
                None => part,
            });
        }
        Ok(())
    }
}

/// An operation as its rule sees it.
pub(crate) struct Site<'a> {
    inputs: &'a [(Node, Kept)],
    outputs: &'a [Kept],
    wanted: &'a dyn Fn(usize) -> bool,
}

impl Site<'_> {
    /// An input that the rule has declared to need.
    pub(crate) fn input(&self, k: usize) -> &Tensor {
        match &self.inputs[k].1 {
            Kept::Value(tensor) => tensor,
            Kept::Shape(..) => unreachable!("the rule declared to need this input"),
        }
    }

    /// The first output, which the rule has declared to need.
    pub(crate) fn output(&self) -> &Tensor {
        self.output_at(0)
    }

    /// An output that the rule has declared to need.
    pub(crate) fn output_at(&self, k: usize) -> &Tensor {
        match &self.outputs[k] {
            Kept::Value(tensor) => tensor,
            Kept::Shape(..) => unreachable!("the rule declared to need the output"),
        }
    }

    /// The shape of an input.
    pub(crate) fn shape(&self, k: usize) -> &Shape {
        self.inputs[k].1.shape()
    }

    /// The element type of an input.
    pub(crate) fn dtype(&self, k: usize) -> DType {
        self.inputs[k].1.dtype()
    }

    /// The number of inputs.
    pub(crate) fn arity(&self) -> usize {
        self.inputs.len()
    }

    /// Whether anybody wants the gradient for an input.
    pub(crate) fn wants(&self, k: usize) -> bool {
        (self.wanted)(k)
    }
}

/// The nodes of one source, whose gradients are summed.
type SourceNodes = SmallVec<[Node; 1]>;

impl Tape {
    /// Checks the request and prepares the walk.
    fn prepare(
        &self,
        target: &Tensor,
        sources: &[Source<'_>],
        options: &GradientOptions,
    ) -> Result<(Walk, Vec<SourceNodes>)> {
        let record = &mut *self.record.borrow_mut();
        let (shape, dtype) = (target.shape(), target.dtype());
        if !dtype.is_float() {
            return Err(Error::gradient(format!("the target is of type {dtype}; only floating types have gradients")));
        }
        if let Some(variable) = self.foreign(target.trace()) {
            return Err(Error::gradient(format!(
                "the target was computed from {} on another thread, which this tape does not see",
                name_of(variable)
            )));
        }
        let target = self.node(record, target.trace());
        let mut nodes = Vec::with_capacity(sources.len());
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
                    match self.node(record, tensor.trace()) {
                        CONSTANT => {
                            return Err(Error::gradient(format!(
                                "source {k}, a tensor of shape {}, was never watched; call `tape.watch(&x)` before \
                                 it is used",
                                tensor.shape()
                            )));
                        }
                        node => SourceNodes::from_slice(&[node]),
                    }
                }
            });
        }
        let count = record.nodes as usize;
        let mut walk = Walk { gradients: vec![None; count], relevant: vec![false; count], source: vec![false; count] };
        for &node in nodes.iter().flatten() {
            walk.relevant[node as usize] = true;
            walk.source[node as usize] = true;
        }
        for entry in &record.entries {
            let relevant = entry.foreign.is_some()
                || entry.inputs.iter().any(|(node, _)| *node != CONSTANT && walk.relevant[*node as usize]);
            if relevant {
                let first = entry.first as usize;
                walk.relevant[first..first + entry.outputs.len()].fill(true);
            }
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

    /// Sums what arrived at each source.
    fn collect(
        walk: &Walk,
        sources: &[Source<'_>],
        nodes: &[SourceNodes],
        options: &GradientOptions,
    ) -> Result<Vec<Tensor>> {
        let mut gradients = Vec::with_capacity(sources.len());
        for (k, (source, nodes)) in sources.iter().zip(nodes).enumerate() {
            let mut sum: Option<Tensor> = None;
            for &node in nodes {
                if let Some(part) = &walk.gradients[node as usize] {
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
                    let name = match source {
                        Source::Variable(variable) => variable.name(),
                        Source::Tensor(tensor) => format!("source {k}, a tensor of shape {},", tensor.shape()),
                    };
                    let unread = matches!(source, Source::Variable(_)) && nodes.is_empty();
                    let reason = if unread { "was not read while the tape ran" } else { "has no part in the target" };
                    return Err(Error::gradient(format!(
                        "{name} {reason}, so that there is no gradient for it; ask for `Unconnected::Zeros` if zero \
                         is meant"
                    )));
                }
            });
        }
        Ok(gradients)
    }
}

/// Records the operations on this thread that touch watched tensors, from its creation until it is
/// used or dropped, and gives gradients of what was computed.
///
/// Trainable variables are watched by themselves; other tensors with [`GradientTape::watch`].
/// Tapes may be nested: the outer one records what the inner one computes to find its gradients.
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
pub struct GradientTape(Rc<Tape>);

impl GradientTape {
    /// A tape that records from now on, and can be asked once.
    #[must_use = "a tape that is dropped at once records nothing"]
    #[allow(clippy::new_without_default)]
    pub fn new() -> GradientTape {
        GradientTape(Tape::start())
    }

    /// A tape that can be asked more than once.
    #[must_use = "a tape that is dropped at once records nothing"]
    pub fn persistent() -> PersistentTape {
        PersistentTape(Tape::start())
    }

    /// Makes a tensor, or a variable that is not trainable, a source of this tape.
    pub fn watch(&self, value: &impl Differentiable) {
        self.0.watch(value.source());
    }

    /// The gradient of `target` for one source, an array or a list of them. A target that is no
    /// scalar counts as if its elements were summed.
    ///
    /// # Errors
    /// If the target is not floating, or a source is not floating, was never watched, or has no
    /// part in the target; if a value from another thread is met; or if an operation between them
    /// has no derivative.
    pub fn gradient<S: Sources>(self, target: impl Operand, sources: S) -> Result<S::Gradients> {
        self.gradient_with(target, sources, GradientOptions::default())
    }

    /// As [`GradientTape::gradient`], with options.
    ///
    /// # Errors
    /// As [`GradientTape::gradient`], and if the output gradient has not the target's shape and type.
    pub fn gradient_with<S: Sources>(
        self,
        target: impl Operand,
        sources: S,
        options: GradientOptions,
    ) -> Result<S::Gradients> {
        let target = tensor_of(&target)?;
        self.0.stop();
        let list = sources.sources();
        let (mut walk, nodes) = self.0.prepare(&target, &list, &options)?;
        let mut entries = std::mem::take(&mut self.0.record.borrow_mut().entries);
        // What an operation kept is dropped as soon as it is done with.
        while let Some(entry) = entries.pop() {
            walk.step(&entry)?;
        }
        Tape::collect(&walk, &list, &nodes, &options).map(S::arrange)
    }
}

impl Drop for GradientTape {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A [`GradientTape`] that can be asked more than once. It records until it is stopped or dropped,
/// but never its own walk backwards.
pub struct PersistentTape(Rc<Tape>);

impl PersistentTape {
    /// Makes a tensor, or a variable that is not trainable, a source of this tape.
    pub fn watch(&self, value: &impl Differentiable) {
        self.0.watch(value.source());
    }

    /// Records no more.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// As [`GradientTape::gradient`], any number of times.
    ///
    /// # Errors
    /// As [`GradientTape::gradient`].
    pub fn gradient<S: Sources>(&self, target: impl Operand, sources: S) -> Result<S::Gradients> {
        self.gradient_with(target, sources, GradientOptions::default())
    }

    /// As [`GradientTape::gradient_with`], any number of times.
    ///
    /// # Errors
    /// As [`GradientTape::gradient_with`].
    pub fn gradient_with<S: Sources>(
        &self,
        target: impl Operand,
        sources: S,
        options: GradientOptions,
    ) -> Result<S::Gradients> {
        let target = tensor_of(&target)?;
        let list = sources.sources();
        let (mut walk, nodes) = self.0.prepare(&target, &list, &options)?;
        let recorder = self.0.clone() as Rc<dyn Recorder>;
        record::without(&recorder, || {
            let record = self.0.record.borrow();
            record.entries.iter().rev().try_for_each(|entry| walk.step(entry))?;
            Tape::collect(&walk, &list, &nodes, &options).map(S::arrange)
        })
    }
}

impl Drop for PersistentTape {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The target of a gradient: a tensor, or a variable that is read for it.
fn tensor_of(target: &impl Operand) -> Result<Tensor> {
    match target.argument() {
        Argument::Tensor(tensor) => Ok(tensor.into_owned()),
        Argument::Number(number) => Err(Error::gradient(format!("the target is the number {number}, a constant"))),
    }
}

impl fmt::Display for GradientTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PersistentTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A line for each leaf and each operation, in order: `%2: float32 [3] = mul(%0, %1)`; `_` stands
/// for a constant.
impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record.borrow();
        let mut leaves = record.leaves.iter().peekable();
        let mut leaves_before = |f: &mut fmt::Formatter<'_>, node: Node| {
            while let Some((leaf, kind)) = leaves.next_if(|(leaf, _)| *leaf < node) {
                match kind {
                    Leaf::Variable(variable) => writeln!(f, "%{leaf} = {}", name_of(*variable))?,
                    Leaf::Tensor => writeln!(f, "%{leaf} = watched tensor")?,
                }
            }
            Ok(())
        };
        for entry in &record.entries {
            leaves_before(f, entry.first)?;
            for (k, output) in entry.outputs.iter().enumerate() {
                let separator = if k == 0 { "" } else { ", " };
                write!(f, "{separator}%{}: {} {}", entry.first as usize + k, output.dtype(), output.shape())?;
            }
            write!(f, " = {}(", entry.op.name())?;
            for (k, (node, kept)) in entry.inputs.iter().enumerate() {
                let separator = if k == 0 { "" } else { ", " };
                match *node {
                    CONSTANT => write!(f, "{separator}{} {}", kept.dtype(), kept.shape())?,
                    node => write!(f, "{separator}%{node}")?,
                }
            }
            writeln!(f, ")")?;
        }
        leaves_before(f, Node::MAX)
    }
}
