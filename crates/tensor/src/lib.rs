//! Tensors and the closed set of operations on them.
//!
//! | module | holds |
//! |---|---|
//! | [`Tensor`] | the array type: construction, access, conversion |
//! | [`Shape`], [`DType`] | sizes of axes and broadcasting; element types |
//! | [`ops`] | the operations: [`Op`] and the methods that build and apply it |
//! | [`random`] | seekable random number generators and their distributions |
//! | [`ValueId`], [`recorder`] | identities of values, and the hook for gradient tapes |
//! | [`TaskLocal`] | state that belongs to a task rather than to its thread |
//! | [`profile`] | the profiler |
//! | [`Error`] | the error type that all crates of the workspace share |
//! | [`escaped`] | text from files, made safe to print in messages |
//!
//! Every computation goes through [`Op`]: a method such as [`Tensor::tanh`] builds an op and applies it. That checks
//! shapes and types, runs a kernel, and notifies the recorders.
//!
//! The feature `linalg` adds matrix factorizations and linear solvers, such as `Tensor::solve`, `Tensor::cholesky` and
//! `Tensor::eigh`.

mod array;
mod context;
mod creation;
mod dtype;
mod error;
mod escaped;
mod format;
mod kernels;
mod layout;
mod literal;
mod memory;
mod op;
mod operand;
pub mod ops;
mod per_axis;
pub mod profile;
pub mod random;
pub mod recorder;
mod shape;
mod storage;
mod tensor;
mod update;
pub mod value_id;

pub use context::TaskLocal;
pub use dtype::{DType, Element, Float};
pub use error::{Error, ErrorKind, OtherError, Result};
pub use escaped::{Escaped, escaped};
pub use kernels::simd::{InstructionSet, instruction_set};
pub use kernels::threads::{parallel_map, parallel_section};
pub use literal::{Literal, ScalarLiteral};
pub use memory::{PoolStatistics, clear_pool, pool_statistics, set_pool_limit};
pub use op::Op;
pub use operand::{Argument, Number, Operand};
pub use random::{Generator, GeneratorState};
pub use recorder::no_record;
pub use shape::{Axes, Integer, IntoAxes, IntoIntegers, IntoShape, Shape, normalize_axis};
pub use tensor::Tensor;
pub use update::{Update, update};
pub use value_id::ValueId;

/// Whether this crate was compiled with optimization. Without optimization, kernels are hundreds of times slower.
pub const OPTIMIZED: bool = !cfg!(unoptimized);

/// The program in the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
