//! The error type that all crates of the workspace share.

use std::error::Error as StdError;
use std::ffi::OsStr;
use std::fmt;
use std::panic::Location;
use std::path::{Component, Path};
use std::sync::Arc;

use crate::dtype::DType;
use crate::shape::Shape;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error: its [`kind`](Error::kind), any number of context frames, and the [place](Error::place) of the call.
///
/// `Display` prints the frames, outermost first, and then the kind:
/// `dense_1 (Dense 784→512): matmul: [128, 780] × [784, 512]: the inner sizes 780 and 784 differ`.
/// `Debug`, which `unwrap` and a `main` that returns a `Result` print, adds the place on a separate line:
/// `    at src/main.rs:12:23`.
///
/// All crates of the workspace return this type. An error type that another crate defines is wrapped in
/// [`ErrorKind::Other`]; see [`Error::other`] and [`Error::downcast_ref`].
pub struct Error(Box<Contents>);

struct Contents {
    kind: ErrorKind,
    frames: Vec<String>,
    place: Option<&'static Location<'static>>,
}

/// The kinds of error. Each names the operation, the shapes or values involved, and what would be right.
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
    /// Operands of a product whose shapes do not match.
    #[error("{operation}: {left} × {right}: {reason}")]
    Product {
        /// The operation.
        operation: String,
        /// Shape of the first operand.
        left: Shape,
        /// Shape of the second operand.
        right: Shape,
        /// Why they do not match.
        reason: String,
    },
    /// A shape that the operation does not support.
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
    /// An element type that the operation does not support.
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
    /// An index that is out of range for its axis.
    #[error("{operation}: index {index} is out of range for an axis of size {size}")]
    Index {
        /// The operation.
        operation: String,
        /// The index as given.
        index: i64,
        /// The size of the axis it selects from.
        size: usize,
    },
    /// Any other invalid argument.
    #[error("{operation}: {message}")]
    Argument {
        /// The operation.
        operation: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A gradient that is not available, because it is not defined or was not recorded.
    #[error("gradient: {message}")]
    Gradient {
        /// Which variable or operation, and why.
        message: String,
    },
    /// An error of another type, for example from a file, a data set or a training run.
    #[error("{0}")]
    Other(OtherError),
}

/// An error of any type, wrapped in [`ErrorKind::Other`]. Two are equal if they are the same object.
#[derive(Clone, Debug)]
pub struct OtherError(Arc<dyn StdError + Send + Sync>);

impl PartialEq for OtherError {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Display for OtherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn axes_of(rank: usize) -> String {
    if rank == 0 { ", which has no axes".into() } else { format!(", whose axes are -{rank} to {}", rank - 1) }
}

impl Error {
    /// The kind, without the context frames.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The call that caused the error: the location in code outside this library where a method of a tensor, a layer or
    /// this type was called. `None` if it is unknown, as for a layer inside a model.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.0.place
    }

    /// Sets the place, unless the error already has one or `place` lies inside this library.
    #[must_use]
    #[cold]
    pub fn at(mut self, place: &'static Location<'static>) -> Error {
        self.0.place = self.0.place.or_else(|| outside(place));
        self
    }

    /// An error of another type, or a message: `std::fs::write(path, text).map_err(Error::other)?`.
    #[track_caller]
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::new(ErrorKind::Other(OtherError(error.into().into())))
    }

    /// The wrapped error of another type (see [`Error::other`]), if it is a `T`.
    pub fn downcast_ref<T: StdError + 'static>(&self) -> Option<&T> {
        match &self.0.kind {
            ErrorKind::Other(other) => other.0.downcast_ref(),
            _ => None,
        }
    }

    /// Adds an outermost frame that says where the error happened, such as the path of a layer.
    #[must_use]
    pub fn context(mut self, frame: impl Into<String>) -> Error {
        self.0.frames.push(frame.into());
        self
    }

    #[track_caller]
    fn new(kind: ErrorKind) -> Error {
        Error(Box::new(Contents { kind, frames: Vec::new(), place: outside(Location::caller()) }))
    }

    /// An [`ErrorKind::Argument`].
    #[track_caller]
    pub fn argument(operation: impl Into<String>, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Argument { operation: operation.into(), message: message.into() })
    }

    /// An [`ErrorKind::Gradient`].
    #[track_caller]
    pub fn gradient(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Gradient { message: message.into() })
    }

    /// An [`ErrorKind::Shape`].
    #[track_caller]
    pub fn shape(operation: impl Into<String>, shape: &Shape, expected: impl Into<String>) -> Error {
        Error::new(ErrorKind::Shape { operation: operation.into(), shape: shape.clone(), expected: expected.into() })
    }

    /// An [`ErrorKind::DType`].
    #[track_caller]
    pub fn dtype(operation: impl Into<String>, found: DType, expected: impl Into<String>) -> Error {
        Error::new(ErrorKind::DType { operation: operation.into(), found, expected: expected.into() })
    }

    /// An [`ErrorKind::DTypes`].
    #[track_caller]
    pub fn dtypes(operation: impl Into<String>, found: DType, wanted: DType) -> Error {
        Error::new(ErrorKind::DTypes { operation: operation.into(), found, wanted })
    }

    /// An [`ErrorKind::Axis`].
    #[track_caller]
    pub fn axis(operation: impl Into<String>, axis: isize, rank: usize) -> Error {
        Error::new(ErrorKind::Axis { operation: operation.into(), axis, rank })
    }

    /// An [`ErrorKind::Index`].
    #[track_caller]
    pub fn index(operation: impl Into<String>, index: i64, size: usize) -> Error {
        Error::new(ErrorKind::Index { operation: operation.into(), index, size })
    }

    /// An [`ErrorKind::Product`].
    #[track_caller]
    pub fn product(operation: impl Into<String>, left: &Shape, right: &Shape, reason: impl Into<String>) -> Error {
        let (left, right) = (left.clone(), right.clone());
        Error::new(ErrorKind::Product { operation: operation.into(), left, right, reason: reason.into() })
    }

    /// An [`ErrorKind::Broadcast`] that names the last axis where the shapes do not match.
    #[track_caller]
    pub fn broadcast(operation: impl Into<String>, left: &Shape, right: &Shape) -> Error {
        let pairs = left.iter().rev().zip(right.iter().rev()).enumerate();
        let reason = match pairs.into_iter().find(|(_, (a, b))| a != b && **a != 1 && **b != 1) {
            Some((k, (a, b))) => format!("{a} and {b} differ on axis -{}, and neither is 1", k + 1),
            None => format!("the second would have to be broadcast from rank {} to {}", right.rank(), left.rank()),
        };
        let (left, right) = (left.clone(), right.clone());
        Error::new(ErrorKind::Broadcast { operation: operation.into(), left, right, reason })
    }
}

impl From<ErrorKind> for Error {
    #[track_caller]
    fn from(kind: ErrorKind) -> Error {
        Error::new(kind)
    }
}

/// Runs a function and sets the [place](Error::place) of its error to the caller: `#[track_caller]` does not reach into
/// closures.
#[track_caller]
pub(crate) fn placed<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    let place = Location::caller();
    run().map_err(|error| error.at(place))
}

/// The folder names of this library's crates.
const CRATES: [&str; 7] = ["tensor", "autograd", "nn", "optim", "data", "train", "facade"];

/// `place`, or `None` if it lies in the sources of this library.
fn outside(place: &'static Location<'static>) -> Option<&'static Location<'static>> {
    // This file is `…/tensor/src/error.rs`; the compiler gets all paths of a workspace in the same form.
    let ours =
        Path::new(file!()).ancestors().nth(3).and_then(|crates| Path::new(place.file()).strip_prefix(crates).ok());
    let mut parts = ours.into_iter().flat_map(Path::components).map(Component::as_os_str);
    let inside =
        parts.next().and_then(OsStr::to_str).is_some_and(is_ours) && parts.next().is_some_and(|folder| folder == "src");
    (!inside).then_some(place)
}

/// Whether a folder holds one of [`CRATES`]. In a registry cache its name ends with the version: `tensor-0.1.0`.
fn is_ours(folder: &str) -> bool {
    let is_version =
        |rest: &str| rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    CRATES.iter().any(|name| folder.strip_prefix(name).is_some_and(|rest| rest.is_empty() || is_version(rest)))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for frame in self.0.frames.iter().rev() {
            write!(f, "{frame}: ")?;
        }
        write!(f, "{}", self.0.kind)
    }
}

// `unwrap` and `fn main() -> Result<()>` print this, so it shows the message and the place instead of the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.0.place.map_or(Ok(()), |place| write!(f, "\n    at {place}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.kind {
            ErrorKind::Other(other) => other.0.source(),
            _ => None,
        }
    }
}
