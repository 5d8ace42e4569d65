//! Recording: what a tape keeps of the operations on its thread. Nothing here knows what an
//! operation computes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use smallvec::SmallVec;
use tensor::record::{self, Recorder, Trace};
use tensor::{Argument, DType, Error, Op, Operand, Result, Shape, Tensor};

use crate::gradients::{Differentiable, GradientOptions, Source, Sources};
use crate::rules::{self, Needs};
use crate::walk::Walk;

/// The number of a value on one tape; leaves and outputs are numbered in the order they appear.
pub(crate) type Node = u32;

/// What stands for a value that is not on the tape.
pub(crate) const CONSTANT: Node = Node::MAX;

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
pub(crate) struct Entry {
    pub(crate) op: Op,
    pub(crate) inputs: SmallVec<[(Node, Kept); 2]>,
    /// The node of the first output; the others follow.
    pub(crate) first: Node,
    pub(crate) outputs: SmallVec<[Kept; 1]>,
    /// A variable from which an operand was computed on another thread while this tape ran.
    pub(crate) foreign: Option<u32>,
}

/// What a node that no operation computed stands for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Leaf {
    Variable(u32),
    Tensor,
}

/// All that was recorded.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) entries: Vec<Entry>,
    pub(crate) leaves: Vec<(Node, Leaf)>,
    pub(crate) nodes: Node,
    /// Nodes by identity, counted from that of the first value made after the tape.
    recent: Vec<Node>,
    /// Nodes of values that were made before.
    older: HashMap<u64, Node>,
    /// Variables that are not trainable but watched.
    watched: Vec<u32>,
    /// If values are searched for NaN and infinities: the first operation with any, once found.
    pub(crate) anomalies: Option<Option<String>>,
}

thread_local! {
    /// The emptied record of a tape that ended, for the next one: a step of training then needs no
    /// memory for its tape.
    static SPARE: Cell<Option<Record>> = const { Cell::new(None) };
}

/// Entries up to which an emptied record is kept; beyond, its memory would matter.
const SPARE_ENTRIES: usize = 4096;

pub(crate) struct Tape {
    /// The first identity of a value made after the tape was started, on its thread.
    base: u64,
    /// When it was started, on the clock of [`record::tick`].
    started: u64,
    pub(crate) record: RefCell<Record>,
}

impl Drop for Tape {
    fn drop(&mut self) {
        let mut record = std::mem::take(self.record.get_mut());
        if record.entries.capacity() <= SPARE_ENTRIES {
            record.clear();
            // The thread may be ending, and the place gone.
            let _ = SPARE.try_with(|spare| spare.set(Some(record)));
        }
    }
}

impl Tape {
    fn start() -> Rc<Tape> {
        let record = RefCell::new(SPARE.take().unwrap_or_default());
        let tape = Rc::new(Tape { base: record::upcoming_id(), started: record::tick(), record });
        record::start(tape.clone());
        tape
    }

    fn stop(self: &Rc<Tape>) -> bool {
        record::stop(&(self.clone() as Rc<dyn Recorder>))
    }

    /// Whether a value was read or computed on another thread while this tape ran, and from which
    /// variable. Values that are older than the tape are constants, as are its own thread's.
    pub(crate) fn foreign(&self, trace: Trace) -> Option<u32> {
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
    pub(crate) fn node(&self, record: &mut Record, trace: Trace) -> Node {
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
        if let Some(first @ None) = &mut record.anomalies
            && let Some(output) = outputs.iter().find(|output| !output.all_finite())
        {
            *first = Some(format!("the result of {}, of shape {},", op.name(), output.shape()));
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
    /// Empties this, but keeps the memory.
    fn clear(&mut self) {
        let Record { entries, leaves, nodes, recent, older, watched, anomalies } = self;
        entries.clear();
        leaves.clear();
        *nodes = 0;
        recent.clear();
        older.clear();
        watched.clear();
        *anomalies = None;
    }

    fn memory(&self) -> usize {
        let kept = |entry: &Entry| {
            let all = entry.inputs.iter().map(|(_, kept)| kept).chain(&entry.outputs);
            all.filter_map(|kept| match kept {
                Kept::Value(tensor) => Some(tensor.storage()),
                Kept::Shape(..) => None,
            })
            .collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(kept).collect::<HashMap<usize, usize>>().values().sum()
    }

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
pub struct GradientTape(pub(crate) Rc<Tape>);

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

    /// From now on, searches every value and gradient for NaN and infinities: `gradient` then fails
    /// with the name of the first operation that has any. This reads every result once more.
    pub fn detect_anomalies(&self) {
        self.0.record.borrow_mut().anomalies = Some(None);
    }

    /// The bytes of memory that the tape holds for its rules, storage that several values share
    /// counted once. Part of it is held by variables or the program as well.
    pub fn memory(&self) -> usize {
        self.0.record.borrow().memory()
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
        let (mut walk, nodes) = Walk::prepare(&self.0, &target, &list, &options)?;
        // What an operation kept is dropped as soon as it is done with.
        let pop = || self.0.record.borrow_mut().entries.pop();
        while let Some(entry) = pop() {
            walk.step(&entry)?;
        }
        walk.collect(&list, &nodes, &options).map(S::arrange)
    }
}

impl Drop for GradientTape {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A [`GradientTape`] that can be asked more than once. It records until it is stopped or dropped,
/// but never its own walk backwards.
pub struct PersistentTape(pub(crate) Rc<Tape>);

impl PersistentTape {
    /// From now on, searches every value and gradient for NaN and infinities: `gradient` then fails
    /// with the name of the first operation that has any. This reads every result once more.
    pub fn detect_anomalies(&self) {
        self.0.record.borrow_mut().anomalies = Some(None);
    }

    /// The bytes of memory that the tape holds for its rules, storage that several values share
    /// counted once. Part of it is held by variables or the program as well.
    pub fn memory(&self) -> usize {
        self.0.record.borrow().memory()
    }

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
        let (mut walk, nodes) = Walk::prepare(&self.0, &target, &list, &options)?;
        let recorder = self.0.clone() as Rc<dyn Recorder>;
        record::without(&recorder, || {
            let record = self.0.record.borrow();
            record.entries.iter().rev().try_for_each(|entry| walk.step(entry))?;
            walk.collect(&list, &nodes, &options).map(S::arrange)
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
