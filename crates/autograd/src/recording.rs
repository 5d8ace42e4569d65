//! What a tape has recorded: operations in order, and a number for each value.

use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;
use tensor::{Op, Tensor, ValueId, value_id};

use crate::gradients::Source;
use crate::saved::{CONSTANT, Node, Saved, SavedInput, SavedTensor};
use crate::variable::{Variable, find};

/// A recorded operation.
pub(crate) struct RecordedOp {
    pub(crate) op: Op,
    pub(crate) inputs: SmallVec<[SavedInput; 2]>,
    /// The node of the first output. Those of the other outputs follow.
    pub(crate) first_output: Node,
    pub(crate) outputs: SmallVec<[SavedTensor; 1]>,
    /// The variable from which another thread computed an input while the tape ran, if any.
    pub(crate) foreign: Option<u32>,
}

impl RecordedOp {
    /// The outputs and their nodes.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = (Node, &SavedTensor)> {
        (self.first_output..).zip(&self.outputs)
    }

    /// The nodes of the inputs that are not constants.
    pub(crate) fn input_nodes(&self) -> impl Iterator<Item = Node> {
        self.inputs.iter().map(|input| input.node).filter(|&node| node != CONSTANT)
    }
}

/// What a node stands for that is not the output of an operation.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Leaf {
    /// A read of the variable with this number.
    Variable(u32),
    /// A watched tensor.
    Tensor {
        /// Whether the tape's thread computed any value between the start of the tape and the call of `watch`.
        watched_late: bool,
    },
}

/// Everything a tape has recorded.
#[derive(Default)]
pub(crate) struct Recording {
    /// The first identity that the tape's thread gives to a value after the tape has started.
    first_id: u64,
    /// When the tape started, on the clock of [`value_id::tick`].
    start: u64,
    pub(crate) ops: Vec<RecordedOp>,
    pub(crate) leaves: Vec<(Node, Leaf)>,
    /// The number of nodes.
    pub(crate) nodes: Node,
    /// The nodes of values that are younger than the tape, by identity minus `first_id`.
    young: Vec<Node>,
    /// The nodes of all other values, by identity.
    old: HashMap<u64, Node>,
    /// Variables that were passed to `watch`.
    pub(crate) watched_variables: Vec<u32>,
    /// Whether values and gradients are searched for NaN and infinities.
    pub(crate) detect_anomalies: bool,
    /// The first result with NaN or infinite elements.
    pub(crate) first_anomaly: Option<String>,
}

impl Recording {
    /// Begins an empty recording.
    pub(crate) fn begin(&mut self) {
        (self.first_id, self.start) = (value_id::upcoming_number(), value_id::tick());
    }

    /// Adds an operation, unless all its inputs are constants. `saved` says what its rule uses.
    pub(crate) fn add_op(&mut self, op: &Op, inputs: &[&Tensor], outputs: &[Tensor], saved: impl FnOnce(&Op) -> Saved) {
        let mut foreign = None;
        // Loops instead of `collect`, which costs more than the rest of this function.
        let mut nodes: SmallVec<[Node; 2]> = SmallVec::new();
        for input in inputs {
            nodes.push(self.node(input.value_id()));
            foreign = foreign.or(self.foreign(input.value_id()));
        }
        if foreign.is_none() && nodes.iter().all(|&node| node == CONSTANT) {
            return;
        }
        if self.detect_anomalies
            && self.first_anomaly.is_none()
            && let Some(output) = outputs.iter().find(|output| !output.all_finite())
        {
            self.first_anomaly = Some(format!("the result of {}, of shape {},", op.name(), output.shape()));
        }
        let differentiable = outputs.iter().any(|output| output.dtype().is_float());
        let saved = if differentiable { saved(op) } else { Saved::NOTHING };
        let mut saved_inputs = SmallVec::new();
        for (k, input) in inputs.iter().enumerate() {
            let tensor = SavedTensor::new(input, saved.has_input(k, &nodes));
            saved_inputs.push(SavedInput { node: nodes[k], tensor });
        }
        let mut saved_outputs = SmallVec::new();
        for (k, output) in outputs.iter().enumerate() {
            saved_outputs.push(SavedTensor::new(output, saved.has_output(k)));
        }
        let first_output = self.nodes;
        self.ops.push(RecordedOp {
            op: op.clone(),
            inputs: saved_inputs,
            first_output,
            outputs: saved_outputs,
            foreign,
        });
        for output in outputs {
            self.add_node(output.value_id());
        }
    }

    /// Makes a source of a tensor, or of a variable that is not trainable.
    pub(crate) fn watch(&mut self, source: Source<'_>) {
        match source {
            Source::Variable(variable) => self.watched_variables.push(variable.id()),
            Source::Tensor(tensor) => {
                if self.node(tensor.value_id()) == CONSTANT {
                    let watched_late = value_id::upcoming_number() != self.first_id;
                    self.add_leaf(tensor.value_id(), Leaf::Tensor { watched_late });
                }
            }
        }
    }

    /// The node of a value. The read of a variable becomes a leaf here, when it is first used.
    pub(crate) fn node(&mut self, id: ValueId) -> Node {
        let node = self.find(id);
        if node != CONSTANT {
            return node;
        }
        match id.leaf() {
            Some((variable, trainable))
                if (trainable || self.watched_variables.contains(&variable))
                    && self.is_local(id)
                    && id.number() >= self.first_id =>
            {
                self.add_leaf(id, Leaf::Variable(variable))
            }
            _ => CONSTANT,
        }
    }

    /// The variable that a value comes from, if the tape watches it and another thread computed the value while the
    /// tape ran. Values that are older than the tape are constants.
    pub(crate) fn foreign(&self, id: ValueId) -> Option<u32> {
        let (variable, trainable) = id.origin()?;
        let elsewhere = id.time() >= self.start && !self.is_local(id);
        (elsewhere && (trainable || self.watched_variables.contains(&variable))).then_some(variable)
    }

    /// The trainable variables that a value was computed from through floating values, in the order of their first use.
    pub(crate) fn trainable_variables(&mut self, target: &Tensor) -> Vec<Variable> {
        let target = self.node(target.value_id());
        let mut reaches_target = vec![false; self.nodes as usize];
        if target != CONSTANT {
            reaches_target[target as usize] = true;
        }
        for op in self.ops.iter().rev() {
            let on_path =
                |(node, output): (Node, &SavedTensor)| reaches_target[node as usize] && output.spec().dtype.is_float();
            if op.outputs().any(on_path) {
                op.input_nodes().for_each(|node| reaches_target[node as usize] = true);
            }
        }
        let mut seen = HashSet::new();
        let variable = |&(node, leaf): &(Node, Leaf)| match leaf {
            Leaf::Variable(number) if reaches_target[node as usize] && seen.insert(number) => find(number),
            _ => None,
        };
        self.leaves.iter().filter_map(variable).filter(Variable::is_trainable).collect()
    }

    /// The bytes of all saved tensors. Storage that several of them share counts once.
    pub(crate) fn memory(&self) -> usize {
        let saved = self.ops.iter().flat_map(|op| op.inputs.iter().map(|input| &input.tensor).chain(&op.outputs));
        let storage = saved.filter_map(|saved| match saved {
            SavedTensor::Full(tensor) => Some(tensor.storage()),
            SavedTensor::Spec(..) => None,
        });
        storage.collect::<HashMap<usize, usize>>().values().sum()
    }

    /// The number of entries whose memory [`clear`](Recording::clear) keeps.
    pub(crate) fn capacity(&self) -> usize {
        self.ops.capacity() + self.young.capacity() + self.old.capacity()
    }

    /// Forgets everything, but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.ops.clear();
        self.leaves.clear();
        self.nodes = 0;
        self.young.clear();
        self.old.clear();
        self.watched_variables.clear();
        self.detect_anomalies = false;
        self.first_anomaly = None;
    }

    /// Whether the tape's own task computed a value.
    fn is_local(&self, id: ValueId) -> bool {
        id.task() == value_id::task_of(self.first_id)
    }

    fn find(&self, id: ValueId) -> Node {
        match id.number().checked_sub(self.first_id) {
            Some(place) if place < self.young.len() as u64 => self.young[place as usize],
            Some(_) if self.old.is_empty() => CONSTANT,
            _ => self.old.get(&id.number()).copied().unwrap_or(CONSTANT),
        }
    }

    fn add_node(&mut self, id: ValueId) -> Node {
        let node = self.nodes;
        self.nodes += 1;
        match id.number().checked_sub(self.first_id) {
            Some(place) if self.is_local(id) => {
                let place = place as usize;
                if place >= self.young.len() {
                    self.young.resize(place + 1, CONSTANT);
                }
                self.young[place] = node;
            }
            _ => {
                self.old.insert(id.number(), node);
            }
        }
        node
    }

    fn add_leaf(&mut self, id: ValueId, leaf: Leaf) -> Node {
        let node = self.add_node(id);
        self.leaves.push((node, leaf));
        node
    }
}
