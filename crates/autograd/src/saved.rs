//! What a tape saves of the inputs and outputs of an operation.

use tensor::{DType, Shape, Tensor};

/// The number of a value on a tape. Leaves and outputs of operations are numbered in the order in which they appear.
pub(crate) type Node = u32;

/// Stands for a value that is not on the tape.
pub(crate) const CONSTANT: Node = Node::MAX;

/// The positions of the inputs and outputs that a rule uses. A tape saves no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    inputs: Positions,
    outputs: Positions,
    /// Whether an input is saved only if another input is on the tape.
    only_for_others: bool,
}

/// A set of positions, one bit each. The last bit stands for its position and all later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Positions(u32);

impl Positions {
    const NONE: Positions = Positions(0);
    const ALL: Positions = Positions(u32::MAX);

    const fn only(k: usize) -> Positions {
        assert!(k < 31, "positions from 31 on have no bits of their own");
        Positions(1 << k)
    }

    fn contains(self, k: usize) -> bool {
        self.0 >> k.min(31) & 1 == 1
    }
}

impl Saved {
    pub(crate) const NOTHING: Saved =
        Saved { inputs: Positions::NONE, outputs: Positions::NONE, only_for_others: false };
    pub(crate) const INPUTS: Saved = Saved { inputs: Positions::ALL, ..Saved::NOTHING };
    pub(crate) const OUTPUTS: Saved = Saved { outputs: Positions::ALL, ..Saved::NOTHING };
    /// Each input, for the gradients of the others.
    pub(crate) const OTHERS: Saved = Saved { only_for_others: true, ..Saved::INPUTS };

    pub(crate) const fn input(k: usize) -> Saved {
        Saved { inputs: Positions::only(k), ..Saved::NOTHING }
    }

    pub(crate) const fn output(k: usize) -> Saved {
        Saved { outputs: Positions::only(k), ..Saved::NOTHING }
    }

    /// What one of two rules uses.
    pub(crate) const fn and(self, other: Saved) -> Saved {
        Saved {
            inputs: Positions(self.inputs.0 | other.inputs.0),
            outputs: Positions(self.outputs.0 | other.outputs.0),
            only_for_others: self.only_for_others && other.only_for_others,
        }
    }

    /// Whether input `k` is saved, given the nodes of all inputs.
    pub(crate) fn has_input(self, k: usize, nodes: &[Node]) -> bool {
        let other_is_on_tape = || nodes.iter().enumerate().any(|(j, &node)| j != k && node != CONSTANT);
        self.inputs.contains(k) && (!self.only_for_others || other_is_on_tape())
    }

    /// Whether output `k` is saved.
    pub(crate) fn has_output(self, k: usize) -> bool {
        self.outputs.contains(k)
    }
}

/// An input or output of a recorded operation.
pub(crate) enum SavedTensor {
    Full(Tensor),
    /// Shape and element type of a value that the rule does not use.
    Spec(Shape, DType),
}

/// Shape and element type of a value.
#[derive(Clone, Copy)]
pub(crate) struct Spec<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) dtype: DType,
}

impl Spec<'_> {
    pub(crate) fn zeros(self) -> Tensor {
        Tensor::full_of(self.shape, 0.0, self.dtype)
    }
}

impl SavedTensor {
    pub(crate) fn new(value: &Tensor, full: bool) -> SavedTensor {
        if full { SavedTensor::Full(value.clone()) } else { SavedTensor::Spec(value.shape().clone(), value.dtype()) }
    }

    pub(crate) fn spec(&self) -> Spec<'_> {
        match self {
            SavedTensor::Full(tensor) => Spec { shape: tensor.shape(), dtype: tensor.dtype() },
            SavedTensor::Spec(shape, dtype) => Spec { shape, dtype: *dtype },
        }
    }

    /// The value. The same [`Saved`] decides what the tape saves and what a rule asks for here.
    pub(crate) fn value(&self) -> &Tensor {
        match self {
            SavedTensor::Full(tensor) => tensor,
            SavedTensor::Spec(..) => unreachable!("a rule can only ask for what it has selected"),
        }
    }
}

/// An input of a recorded operation, and its node.
pub(crate) struct SavedInput {
    pub(crate) node: Node,
    pub(crate) tensor: SavedTensor,
}
