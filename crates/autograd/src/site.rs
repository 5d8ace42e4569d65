//! What a tape keeps of an operation, and how its rule sees it.

use tensor::{DType, Shape, Tensor};

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
    pub(crate) fn new(value: &Tensor, whole: bool) -> Kept {
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

/// An operation as its rule sees it.
pub(crate) struct Site<'a> {
    pub(crate) inputs: &'a [(Node, Kept)],
    pub(crate) outputs: &'a [Kept],
    /// Whether anybody wants the gradient for an input.
    pub(crate) wanted: &'a dyn Fn(usize) -> bool,
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
