//! Elements selected by other tensors.

use crate::dtype::{DType, with_dtype};
use crate::error::{Error, Result};
use crate::kernels::elementwise::select;
use crate::ops::{apply, operands, same_dtype};
use crate::storage::Buffer;
use crate::tensor::{Operand, Tensor};

/// An operation that selects elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The first value where a condition holds, the second elsewhere.
    Where,
    /// Class numbers as rows of zeros with a one, float32.
    OneHot {
        /// The number of classes.
        classes: usize,
    },
}

impl Index {
    /// The operation's name.
    pub fn name(&self) -> &'static str {
        match self {
            Index::Where => "where",
            Index::OneHot { .. } => "one_hot",
        }
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        match self {
            Index::Where => {
                let [condition, a, b] = operands(inputs, self.name())?;
                if condition.dtype() != DType::Bool {
                    return Err(Error::dtype("where", condition.dtype(), "bool, as a condition must be"));
                }
                same_dtype(a, b, "where")?;
                let shape = a.shape().broadcast(b.shape(), "where")?.broadcast(condition.shape(), "where")?;
                Ok(with_dtype!(a.dtype(), T => select::<T>(shape, condition, a, b)))
            }
            Index::OneHot { classes } => {
                let [index] = operands(inputs, self.name())?;
                let indices = indices_below(index, classes, "one_hot")?;
                let mut buffer = Buffer::filled(indices.len() * classes, 0f32);
                let rows = buffer.as_mut_slice::<f32>().chunks_mut(classes.max(1));
                for (row, index) in rows.zip(indices) {
                    row[index] = 1.0;
                }
                Ok(Tensor::from_buffer(buffer, index.shape().inserted(index.rank(), classes)))
            }
        }
    }
}

/// The elements of an integer tensor as indices below `size`.
pub(super) fn indices_below(index: &Tensor, size: usize, operation: &str) -> Result<Vec<usize>> {
    if !matches!(index.dtype(), DType::I64 | DType::U8) {
        return Err(Error::dtype(operation, index.dtype(), "int64 or uint8, as indices must be"));
    }
    let index = index.cast(DType::I64);
    let elements = index.elements::<i64>();
    elements
        .iter()
        .map(|&k| usize::try_from(k).ok().filter(|&k| k < size).ok_or_else(|| Error::index(operation, k, size)))
        .collect()
}

impl Tensor {
    /// `a` where this condition holds and `b` elsewhere; all three broadcast.
    ///
    /// # Errors
    /// If this tensor is not of type bool, types differ, or shapes do not broadcast.
    pub fn select(&self, a: impl Operand, b: impl Operand) -> Result<Tensor> {
        // A number takes the type of the other value, two numbers are float32.
        let dtype = |argument: &crate::tensor::Argument| match argument {
            crate::tensor::Argument::Tensor(tensor) => Some(tensor.dtype()),
            crate::tensor::Argument::Number(_) => None,
        };
        let (a, b) = (a.argument(), b.argument());
        let dtype = dtype(&a).or(dtype(&b)).unwrap_or(DType::F32);
        let (a, b) = (a.into_tensor(dtype, "where")?, b.into_tensor(dtype, "where")?);
        apply(Index::Where, &[self, &a, &b])
    }

    /// Class numbers as rows of zeros with a one: `[…]` of integers below `classes` becomes
    /// `[…, classes]` of float32.
    ///
    /// # Errors
    /// If a number is negative or not below `classes`, or the tensor is not of an integer type.
    pub fn one_hot(&self, classes: usize) -> Result<Tensor> {
        apply(Index::OneHot { classes }, &[self])
    }
}
