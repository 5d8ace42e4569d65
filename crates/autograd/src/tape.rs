//! Recording: what a tape keeps of the operations on its thread. Nothing here knows what an
//! operation computes.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use smallvec::SmallVec;
use tensor::profile::{Phase, phase};
use tensor::recorder::{self, Recorder};
use tensor::{Argument, Error, Op, Operand, Result, Tensor, ValueId, value_id};

use crate::gradients::{Differentiable, GradientOptions, Source, Sources};
use crate::rules::{self, Needs};
use crate::site::{CONSTANT, Kept, Node};
use crate::variable::{Variable, find};
use crate::walk::Walk;

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
    Tensor {
        /// Whether values were made on the tape's thread between its start and the call of `watch`.
        late: bool,
    },
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
    pub(crate) watched: Vec<u32>,
    /// If values are searched for NaN and infinities: the first operation with any, once found.
    pub(crate) anomalies: Option<Option<String>>,
    /// The memory of a walk, between walks.
    pub(crate) walk: Walk,
}

thread_local! {
    /// A tape that ended, emptied, for the next one: a step of training then needs no memory for
    /// its tape.
    static SPARE: Cell<Option<Rc<Tape>>> = const { Cell::new(None) };
}

/// Entries and numbers up to which an emptied tape is kept; beyond, its memory would matter.
const SPARE_CAPACITY: usize = 1 << 14;

#[derive(Default)]
pub(crate) struct Tape {
    /// The first identity of a value made after the tape was started, on its thread.
    base: u64,
    /// When it was started, on the clock of [`value_id::tick`].
    started: u64,
    stopped: Cell<bool>,
    pub(crate) record: RefCell<Record>,
}

impl Tape {
    fn start() -> Rc<Tape> {
        let mut tape = SPARE.take().unwrap_or_default();
        let fields = Rc::get_mut(&mut tape).expect("nobody else holds a spare tape");
        (fields.base, fields.started) = (value_id::upcoming_number(), value_id::tick());
        fields.stopped.set(false);
        recorder::start(tape.clone());
        tape
    }

    /// Stops, and keeps the memory for the next tape if nobody else holds this one.
    fn retire(this: &mut Rc<Tape>) {
        this.stop();
        if let Some(tape) = Rc::get_mut(this)
            && tape.record.get_mut().capacity() <= SPARE_CAPACITY
        {
            tape.record.get_mut().clear();
            // The thread may be ending, and the place gone.
            let _ = SPARE.try_with(|spare| spare.set(Some(this.clone())));
        }
    }

    /// Wherever it is listed: inside `no_record` the list of this thread is put aside.
    fn stop(self: &Rc<Tape>) -> bool {
        self.stopped.set(true);
        recorder::stop(&(self.clone() as Rc<dyn Recorder>))
    }

    /// Whether a value was read or computed on another thread while this tape ran, and from which
    /// variable that it watches. Values that are older than the tape are constants.
    pub(crate) fn foreign(&self, record: &Record, id: ValueId) -> Option<u32> {
        let (variable, trainable) = id.origin()?;
        let elsewhere = id.time() >= self.started && !self.is_local(id);
        (elsewhere && (trainable || record.watched.contains(&variable))).then_some(variable)
    }

    fn watch(&self, source: Source<'_>) {
        let record = &mut *self.record.borrow_mut();
        match source {
            Source::Variable(variable) => record.watched.push(variable.id()),
            Source::Tensor(tensor) => {
                if self.node(record, tensor.value_id()) == CONSTANT {
                    let late = value_id::upcoming_number() != self.base;
                    record.add_leaf(self.base, tensor.value_id(), Leaf::Tensor { late });
                }
            }
        }
    }

    /// The trainable variables that a value was computed from through floating values, in the order in which they
    /// were first used.
    fn trainable_variables(&self, target: &Tensor) -> Vec<Variable> {
        let record = &mut *self.record.borrow_mut();
        let target = self.node(record, target.value_id());
        let mut leads_there = vec![false; record.nodes as usize];
        if target != CONSTANT {
            leads_there[target as usize] = true;
        }
        for entry in record.entries.iter().rev() {
            let mut outputs = (entry.first as usize..).zip(&entry.outputs);
            if outputs.any(|(node, output)| leads_there[node] && output.dtype().is_float()) {
                for (node, _) in entry.inputs.iter().filter(|(node, _)| *node != CONSTANT) {
                    leads_there[*node as usize] = true;
                }
            }
        }
        let mut seen = HashSet::new();
        let variable = |&(node, leaf): &(Node, Leaf)| match leaf {
            Leaf::Variable(number) if leads_there[node as usize] && seen.insert(number) => find(number),
            _ => None,
        };
        record.leaves.iter().filter_map(variable).filter(Variable::is_trainable).collect()
    }

    fn is_local(&self, id: ValueId) -> bool {
        id.task() == value_id::task_of(self.base)
    }

    /// The node of a value; reads of variables become leaves when they are first met.
    pub(crate) fn node(&self, record: &mut Record, id: ValueId) -> Node {
        let node = record.find(self.base, id);
        if node != CONSTANT {
            return node;
        }
        match id.leaf() {
            Some((variable, trainable))
                if (trainable || record.watched.contains(&variable))
                    && self.is_local(id)
                    && id.number() >= self.base =>
            {
                record.add_leaf(self.base, id, Leaf::Variable(variable))
            }
            _ => CONSTANT,
        }
    }
}

impl Recorder for Tape {
    fn record(&self, op: &Op, inputs: &[&Tensor], outputs: &[Tensor]) {
        let record = &mut *self.record.borrow_mut();
        let mut foreign = None;
        // Loops rather than `collect`, which costs more than the rest of this function.
        let mut nodes: SmallVec<[Node; 2]> = SmallVec::new();
        for input in inputs {
            nodes.push(self.node(record, input.value_id()));
            foreign = foreign.or(self.foreign(record, input.value_id()));
        }
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
        let mut kept_inputs = SmallVec::new();
        for (k, input) in inputs.iter().enumerate() {
            let whole = differentiable
                && match needs {
                    Needs::Inputs | Needs::InputsAndLaterOutputs | Needs::Both => true,
                    Needs::FirstAndOutput => k == 0,
                    Needs::Others => other_is_tracked(k),
                    Needs::Selectors => !input.dtype().is_float(),
                    Needs::Nothing | Needs::Output => false,
                };
            kept_inputs.push((nodes[k], Kept::new(input, whole)));
        }
        let first = record.nodes;
        let mut kept_outputs = SmallVec::new();
        for (k, output) in outputs.iter().enumerate() {
            let whole = differentiable
                && match needs {
                    Needs::Output | Needs::FirstAndOutput | Needs::Both => true,
                    Needs::InputsAndLaterOutputs => k > 0,
                    Needs::Nothing | Needs::Inputs | Needs::Others | Needs::Selectors => false,
                };
            kept_outputs.push(Kept::new(output, whole));
        }
        let entry = Entry { op: op.clone(), inputs: kept_inputs, first, outputs: kept_outputs, foreign };
        record.entries.push(entry);
        for output in outputs {
            record.add(self.base, output.value_id());
        }
    }

    fn is_watching(&self, value: &Tensor) -> bool {
        self.node(&mut self.record.borrow_mut(), value.value_id()) != CONSTANT
    }

    fn is_stopped(&self) -> bool {
        self.stopped.get()
    }
}

impl Record {
    /// What `clear` keeps the memory of: entries and numbers of nodes.
    fn capacity(&self) -> usize {
        self.entries.capacity() + self.recent.capacity() + self.older.capacity()
    }

    /// Empties this, but keeps the memory.
    fn clear(&mut self) {
        let Record { entries, leaves, nodes, recent, older, watched, anomalies, walk } = self;
        entries.clear();
        leaves.clear();
        *nodes = 0;
        recent.clear();
        older.clear();
        watched.clear();
        *anomalies = None;
        walk.clear();
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

    fn find(&self, base: u64, id: ValueId) -> Node {
        match id.number().checked_sub(base) {
            Some(place) if place < self.recent.len() as u64 => self.recent[place as usize],
            Some(_) if self.older.is_empty() => CONSTANT,
            _ => self.older.get(&id.number()).copied().unwrap_or(CONSTANT),
        }
    }

    fn add(&mut self, base: u64, id: ValueId) -> Node {
        let node = self.nodes;
        self.nodes += 1;
        match id.number().checked_sub(base) {
            Some(place) if value_id::task_of(base) == id.task() => {
                let place = place as usize;
                if place >= self.recent.len() {
                    self.recent.resize(place + 1, CONSTANT);
                }
                self.recent[place] = node;
            }
            _ => {
                self.older.insert(id.number(), node);
            }
        }
        node
    }

    fn add_leaf(&mut self, base: u64, id: ValueId, leaf: Leaf) -> Node {
        let node = self.add(base, id);
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

    /// The gradient of `target` for one source or for several; [`Sources`] lists the forms. A target that is not a
    /// scalar counts as the sum of its elements.
    ///
    /// # Errors
    /// Returns an error if the target or a source is not floating, if a source was never watched or has no
    /// part in the target, if an operation on the way has no derivative, or if the target depends on a value that
    /// was computed from a watched variable on another thread.
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
        self.walk(target, sources, options).map_err(|error| error.at(place))
    }

    fn walk<S: Sources>(self, target: impl Operand, sources: S, options: GradientOptions) -> Result<S::Gradients> {
        let _phase = phase(Phase::Backward);
        let target = tensor_of(&target)?;
        self.0.stop();
        let list = sources.sources();
        let (mut walk, nodes) = Walk::prepare(&self.0, &target, &list, &options)?;
        let mut entries = std::mem::take(&mut self.0.record.borrow_mut().entries);
        while let Some(entry) = entries.last() {
            walk.step(entry)?;
            // What an operation kept is dropped as soon as it is done with; where it lies, as it is large.
            entries.truncate(entries.len() - 1);
        }
        let gradients = walk.collect(&self.0.record.borrow(), &list, &nodes, &options).and_then(S::arrange);
        let record = &mut *self.0.record.borrow_mut();
        (record.entries, record.walk) = (entries, walk);
        gradients
    }
}

/// A [`GradientTape`] that can be asked more than once. It records until it is stopped or dropped,
/// but never its own walk backwards.
pub struct PersistentTape(Rc<Tape>);

impl PersistentTape {
    /// Records no more.
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
        self.walk(target, sources, options).map_err(|error| error.at(place))
    }

    fn walk<S: Sources>(&self, target: impl Operand, sources: S, options: GradientOptions) -> Result<S::Gradients> {
        let _phase = phase(Phase::Backward);
        let target = tensor_of(&target)?;
        let list = sources.sources();
        let (mut walk, nodes) = Walk::prepare(&self.0, &target, &list, &options)?;
        let recorder = self.0.clone() as Rc<dyn Recorder>;
        recorder::without(&recorder, || {
            let record = self.0.record.borrow();
            record.entries.iter().rev().try_for_each(|entry| walk.step(entry))?;
            walk.collect(&record, &list, &nodes, &options).and_then(S::arrange)
        })
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

/// What both kinds of tape have.
macro_rules! on_both_tapes {
    ($($tape:ident)*) => {$(
        impl $tape {
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
            ///
            /// A tensor is known by its identity, which does not follow what another thread computes from
            /// it: that is a constant here.
            pub fn watch(&self, value: &impl Differentiable) {
                self.0.watch(value.source());
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
                Ok(self.0.trainable_variables(&target))
            }

            /// The recorded operations as a graph in the DOT language, which Graphviz draws: `dot -Tsvg`.
            pub fn to_dot(&self) -> String {
                self.0.to_dot()
            }
        }

        impl Drop for $tape {
            fn drop(&mut self) {
                Tape::retire(&mut self.0);
            }
        }

        impl fmt::Display for $tape {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

on_both_tapes!(GradientTape PersistentTape);
