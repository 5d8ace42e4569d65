//! The one error type of `tensor`, `autograd`, `nn` and `optim`.

use std::fmt;

use crate::dtype::DType;
use crate::shape::Shape;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, and where: a [`kind`](Error::kind) under any number of context frames.
///
/// It prints as the frames, outermost first, and then the kind:
/// `dense_1 (Dense 784→512): matmul: [128, 780] × [784, 512]: the inner sizes 780 and 784 differ`.
pub struct Error(Box<Contents>);

struct Contents {
    kind: ErrorKind,
    frames: Vec<String>,
}

/// The kinds of error. Each names the operation, all shapes or values concerned, and what would
/// be right.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Two shapes that do not broadcast.
    #[error("{operation}: {left} and {right} do not broadcast: {reason}")]
    Broadcast {
        /// The operation.
        operation: String,
        /// Shape of the first operand.
        left: Shape,
        /// Shape of the second operand.
        right: Shape,
        /// Which axis differs.
        reason: String,
    },
    /// Operands of a product whose inner sizes differ.
    #[error("{operation}: {left} × {right}: {reason}")]
    Product {
        /// The operation.
        operation: String,
        /// Shape of the first operand.
        left: Shape,
        /// Shape of the second operand.
        right: Shape,
        /// Which sizes differ.
        reason: String,
    },
    /// A shape the operation does not take.
    #[error("{operation}: shape {shape}: {expected}")]
    Shape {
        /// The operation.
        operation: String,
        /// The shape that was given.
        shape: Shape,
        /// What would be right.
        expected: String,
    },
    /// An axis outside the tensor's rank.
    #[error("{operation}: axis {axis} is out of range for a tensor of rank {rank}{}", axes_of(*.rank))]
    Axis {
        /// The operation.
        operation: String,
        /// The axis as given.
        axis: isize,
        /// The tensor's rank.
        rank: usize,
    },
    /// An element type the operation does not take.
    #[error("{operation}: {found} is not {expected}")]
    DType {
        /// The operation.
        operation: String,
        /// The type that was given.
        found: DType,
        /// What would be right.
        expected: String,
    },
    /// Two element types that should be the same.
    #[error("{operation}: {found} and {wanted} differ; cast the {found} one, as in `x.cast(DType::{wanted:?})`")]
    DTypes {
        /// The operation.
        operation: String,
        /// The type to cast from.
        found: DType,
        /// The type to cast to.
        wanted: DType,
    },
    /// An index outside its axis.
    #[error("{operation}: index {index} is out of range for an axis of size {size}")]
    Index {
        /// The operation.
        operation: String,
        /// The index as given.
        index: i64,
        /// The size of the axis it selects from.
        size: usize,
    },
    /// Any other argument that is wrong.
    #[error("{operation}: {message}")]
    Argument {
        /// The operation.
        operation: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A gradient that cannot be given, because it is not defined or was not recorded.
    #[error("gradient: {message}")]
    Gradient {
        /// Which variable or operation, and why.
        message: String,
    },
}

fn axes_of(rank: usize) -> String {
    if rank == 0 { ", which has no axes".into() } else { format!(", whose axes are -{rank} to {}", rank - 1) }
}

impl Error {
    /// The kind, below all context.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The same error with one more frame in front: where it happened, such as the path of a layer.
    #[must_use]
    pub fn context(mut self, frame: impl Into<String>) -> Error {
        self.0.frames.push(frame.into());
        self
    }

    /// An [`ErrorKind::Argument`].
    pub fn argument(operation: impl Into<String>, message: impl Into<String>) -> Error {
        ErrorKind::Argument { operation: operation.into(), message: message.into() }.into()
    }

    /// An [`ErrorKind::Gradient`].
    pub fn gradient(message: impl Into<String>) -> Error {
        ErrorKind::Gradient { message: message.into() }.into()
    }

    /// An [`ErrorKind::Shape`].
    pub fn shape(operation: impl Into<String>, shape: &Shape, expected: impl Into<String>) -> Error {
        ErrorKind::Shape { operation: operation.into(), shape: shape.clone(), expected: expected.into() }.into()
    }

    /// An [`ErrorKind::DType`].
    pub fn dtype(operation: impl Into<String>, found: DType, expected: impl Into<String>) -> Error {
        ErrorKind::DType { operation: operation.into(), found, expected: expected.into() }.into()
    }

    /// An [`ErrorKind::DTypes`].
    pub fn dtypes(operation: impl Into<String>, found: DType, wanted: DType) -> Error {
        ErrorKind::DTypes { operation: operation.into(), found, wanted }.into()
    }

    /// An [`ErrorKind::Axis`].
    pub fn axis(operation: impl Into<String>, axis: isize, rank: usize) -> Error {
        ErrorKind::Axis { operation: operation.into(), axis, rank }.into()
    }

    /// An [`ErrorKind::Index`].
    pub fn index(operation: impl Into<String>, index: i64, size: usize) -> Error {
        ErrorKind::Index { operation: operation.into(), index, size }.into()
    }

    /// An [`ErrorKind::Product`].
    pub fn product(operation: impl Into<String>, left: &Shape, right: &Shape, reason: impl Into<String>) -> Error {
        let (left, right) = (left.clone(), right.clone());
        ErrorKind::Product { operation: operation.into(), left, right, reason: reason.into() }.into()
    }

    /// An [`ErrorKind::Broadcast`], with the last axis that differs as its reason.
    pub fn broadcast(operation: impl Into<String>, left: &Shape, right: &Shape) -> Error {
        let pairs = left.iter().rev().zip(right.iter().rev()).enumerate();
        let reason = match pairs.into_iter().find(|(_, (a, b))| a != b && **a != 1 && **b != 1) {
            Some((k, (a, b))) => format!("{a} and {b} differ on axis -{}, and neither is 1", k + 1),
            None => format!("the second would have to grow from rank {} to {}", right.rank(), left.rank()),
        };
        let (left, right) = (left.clone(), right.clone());
        ErrorKind::Broadcast { operation: operation.into(), left, right, reason }.into()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error(Box::new(Contents { kind, frames: Vec::new() }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for frame in self.0.frames.iter().rev() {
            write!(f, "{frame}: ")?;
        }
        write!(f, "{}", self.0.kind)
    }
}

// `unwrap` and `fn main() -> Result<()>` print this: the sentence, not the structure.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Error {}
