//! Tensors and the closed set of operations on them.
//!
//! | module | holds |
//! |---|---|
//! | [`Tensor`] | the one type that flows everywhere; how to make it and look into it |
//! | [`Shape`], [`DType`] | sizes of axes and broadcasting; element types |
//! | [`ops`] | the operations: [`Op`] and the methods that build and apply it |
//! | [`random`] | seekable generators and what they draw |
//! | [`record`] | the hook for a gradient tape |
//! | [`profile`] | where the time goes |
//! | [`Error`] | the one error type of this crate and of those that compute with it |
//! | [`escaped`] | text from files in messages: no control characters, and of bounded length |
//!
//! Everything that computes a tensor goes through [`Op`]: a method such as [`Tensor::tanh`] builds
//! an op and applies it, which checks shapes and types, runs a kernel, and offers the result to
//! whoever is recording.
//!
//! The feature `linalg` adds factors of matrices and what is computed from them, such as
//! `Tensor::solve`, `Tensor::cholesky` and `Tensor::eigh`.

mod dtype;
mod error;
mod escaped;
mod format;
mod kernels;
pub mod ops;
pub mod profile;
pub mod random;
pub mod record;
mod shape;
mod storage;
mod tensor;

pub use dtype::{DType, Element, Float};
pub use error::{Error, ErrorKind, Result};
pub use escaped::{Escaped, escaped};
pub use kernels::memory::{PoolStatistics, clear_pool, pool_statistics, set_pool_limit};
pub use kernels::update::{Update, update};
pub use ops::Op;
pub use random::{Generator, GeneratorState};
pub use record::no_record;
pub use shape::{Axes, IntoAxes, Shape, normalize_axis};
pub use tensor::{Argument, Literal, Number, Operand, ScalarLiteral, Tensor};
