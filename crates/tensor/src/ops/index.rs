//! Selection of elements by other tensors.

use crate::dtype::{DType, with_dtype};
use crate::error::{Error, Result};
use crate::kernels::index::{gather, index_add, nonzero, scatter_add, take};
use crate::kernels::select::select;
use crate::operand::{Argument, Operand};
use crate::ops::apply::apply;
use crate::ops::cast::converted;
use crate::ops::checks::{check_axis, operands, same_dtype};
use crate::shape::{Integer, Shape, normalize_axis};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// Evaluates `$body` with `$add` defined as the addition for `$dtype`; an error for bool.
macro_rules! summed {
    ($dtype:expr, $operation:literal, $add:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                let $add = |a: f32, b: f32| a + b;
                Ok($body)
            }
            DType::F64 => {
                let $add = |a: f64, b: f64| a + b;
                Ok($body)
            }
            DType::I64 => {
                let $add = i64::wrapping_add;
                Ok($body)
            }
            DType::U8 => {
                let $add = u8::wrapping_add;
                Ok($body)
            }
            DType::Bool => {
                Err(Error::dtype($operation, DType::Bool, "a number; cast it first, as in `x.cast(DType::F32)`"))
            }
        }
    };
}

/// An operation that selects elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The first value where a condition is true, the second elsewhere.
    Where,
    /// One-hot rows, float32, from class indices.
    OneHot {
        /// The number of classes.
        classes: usize,
    },
    /// From `x` and `index`, which have the same rank: the elements of `x` at the positions of `index`, except that the
    /// value of `index` is the position along the axis.
    Gather {
        /// The axis.
        axis: usize,
    },
    /// From `x`, `index` and `source`: adds the elements of `source` to `x` at the positions that [`Index::Gather`]
    /// would read, in row-major order.
    ScatterAdd {
        /// The axis.
        axis: usize,
    },
    /// From `x` and `index`, which may have any shape: the entries of `x` at the positions `index` along the axis. The
    /// axes of `index` replace the axis.
    Take {
        /// The axis.
        axis: usize,
    },
    /// The adjoint of [`Index::Take`], from `source` and `index`: adds the entries of `source` to zeros at the
    /// positions `index`, in row-major order.
    IndexAdd {
        /// The axis.
        axis: usize,
        /// The size of the axis in the result.
        size: usize,
    },
    /// The positions of the nonzero elements, int64.
    Nonzero,
}

names! { Index:
    Index::Where => "where",
    Index::OneHot { .. } => "one_hot",
    Index::Gather { .. } => "gather",
    Index::ScatterAdd { .. } => "scatter_add",
    Index::Take { .. } => "take",
    Index::IndexAdd { .. } => "index_add",
    Index::Nonzero => "nonzero",
}

impl Index {
    pub(crate) fn flops(self, inputs: &[&Tensor], _: &[Tensor]) -> u64 {
        match self {
            Index::ScatterAdd { .. } => inputs[1].size() as u64,
            Index::IndexAdd { .. } => inputs[0].size() as u64,
            Index::Where | Index::OneHot { .. } | Index::Gather { .. } | Index::Take { .. } | Index::Nonzero => 0,
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
                let buffer = with_dtype!(a.dtype(), T => select::<T>(&shape, condition.typed(), a.typed(), b.typed()));
                Ok(Tensor::from_buffer(buffer, shape))
            }
            Index::OneHot { classes } => {
                let [index] = operands(inputs, self.name())?;
                let indices = indices_below(index, classes, "one_hot")?;
                let shape = index.shape().inserted(index.rank(), classes);
                let mut buffer = Buffer::filled(shape.checked_size("one_hot")?, 0f32);
                let rows = buffer.as_mut_slice::<f32>().chunks_mut(classes.max(1));
                for (row, index) in rows.zip(indices) {
                    row[index] = 1.0;
                }
                Ok(Tensor::from_buffer(buffer, shape))
            }
            Index::Gather { axis } => {
                let [x, index] = operands(inputs, "gather")?;
                check_axis(axis, x.rank(), "gather")?;
                within(index, x, Some(axis), "gather")?;
                indices_below(index, x.shape()[axis], "gather")?;
                let index = converted(index, DType::I64);
                let buffer = with_dtype!(x.dtype(), T => gather::<T>(x.typed(), index.typed(), axis));
                Ok(Tensor::from_buffer(buffer, index.shape().clone()))
            }
            Index::ScatterAdd { axis } => {
                let [x, index, source] = operands(inputs, "scatter_add")?;
                check_axis(axis, x.rank(), "scatter_add")?;
                same_dtype(x, source, "scatter_add")?;
                within(index, x, Some(axis), "scatter_add")?;
                within(index, source, None, "scatter_add")?;
                indices_below(index, x.shape()[axis], "scatter_add")?;
                let index = converted(index, DType::I64);
                let mut out = x.clone();
                summed!(x.dtype(), "scatter_add", add => {
                    let operands = (index.typed(), source.typed());
                    scatter_add(out.as_mut_slice(), x.shape(), operands, axis, add);
                })?;
                Ok(out)
            }
            Index::Take { axis } => {
                let [x, index] = operands(inputs, "take")?;
                check_axis(axis, x.rank(), "take")?;
                let indices = indices_below(index, x.shape()[axis], "take")?;
                let (lead, tail) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
                let shape: Shape = lead.iter().chain(index.shape().iter()).chain(tail).copied().collect();
                shape.checked_size("take")?;
                Ok(Tensor::from_buffer(with_dtype!(x.dtype(), T => take::<T>(x.typed(), &indices, axis)), shape))
            }
            Index::IndexAdd { axis, size } => {
                let [source, index] = operands(inputs, "index_add")?;
                let end = axis.checked_add(index.rank()).filter(|&end| end <= source.rank());
                let Some(end) = end.filter(|&end| source.shape()[axis..end] == index.shape()[..]) else {
                    let message = format!("must have the sizes {} of the index from axis {axis} on", index.shape());
                    return Err(Error::shape("index_add", source.shape(), message));
                };
                let indices = indices_below(index, size, "index_add")?;
                let (lead, tail) = (&source.shape()[..axis], &source.shape()[end..]);
                let shape: Shape = lead.iter().chain([&size]).chain(tail).copied().collect();
                shape.checked_size("index_add")?;
                let buffer = summed!(source.dtype(), "index_add", add => {
                    index_add(&source.elements(), &indices, axis, &shape, add)
                })?;
                Ok(Tensor::from_buffer(buffer, shape))
            }
            Index::Nonzero => {
                let [x] = operands(inputs, "nonzero")?;
                let (count, positions) = with_dtype!(x.dtype(), T => nonzero::<T>(x.typed()));
                Ok(Tensor::from_buffer(Buffer::from_vec(positions), [count, x.rank()].into()))
            }
        }
    }
}

/// Returns an error unless `index` has the rank of `x` and is not larger along any axis except `free`.
fn within(index: &Tensor, x: &Tensor, free: Option<usize>, operation: &str) -> Result<()> {
    let mut sizes = index.shape().iter().zip(x.shape().iter()).enumerate();
    if index.rank() == x.rank() && sizes.all(|(axis, (a, b))| a <= b || Some(axis) == free) {
        return Ok(());
    }
    let except = free.map_or(String::new(), |axis| format!(" except along axis {axis}"));
    Err(Error::shape(
        operation,
        index.shape(),
        format!("an index must have the rank of {} and must not be larger{except}", x.shape()),
    ))
}

/// Converts the elements of an integer tensor to indices; an error unless all are below `size`.
pub(super) fn indices_below(index: &Tensor, size: usize, operation: &str) -> Result<Vec<usize>> {
    if !matches!(index.dtype(), DType::I64 | DType::U8) {
        return Err(Error::dtype(operation, index.dtype(), "int64 or uint8, as indices must be"));
    }
    let index = converted(index, DType::I64);
    let elements = index.elements::<i64>();
    elements
        .iter()
        .map(|&k| usize::try_from(k).ok().filter(|&k| k < size).ok_or_else(|| Error::index(operation, k, size)))
        .collect()
}

impl Tensor {
    /// `a` where this condition is true and `b` elsewhere; all three broadcast.
    ///
    /// # Errors
    /// Returns an error if this tensor is not of type bool, types differ, or shapes do not broadcast.
    #[track_caller]
    pub fn select(&self, a: impl Operand, b: impl Operand) -> Result<Tensor> {
        // A number is converted to the type of the other value. Two numbers become float32.
        let dtype = |argument: &Argument| match argument {
            Argument::Tensor(tensor) => Some(tensor.dtype()),
            Argument::Number(_) => None,
        };
        let (a, b) = (a.argument(), b.argument());
        let dtype = dtype(&a).or(dtype(&b)).unwrap_or(DType::F32);
        let (a, b) = (a.into_tensor(dtype, "where")?, b.into_tensor(dtype, "where")?);
        apply(Index::Where, &[self, &a, &b])
    }

    /// One-hot encoding: integers `[…]` below `classes` give float32 `[…, classes]`.
    ///
    /// # Errors
    /// Returns an error if an element is negative or not below `classes`, or the tensor is not of an integer type.
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Result<Tensor> {
        apply(Index::OneHot { classes }, &[self])
    }

    /// Gathers elements along an axis, as PyTorch's `gather`: along axis 1 of a matrix,
    /// `out[i, j] = x[i, index[i, j]]`. The result has the shape of `index`, which must have the same rank as this
    /// tensor and must not be larger along the other axes. The gradients of an element that is read several times are
    /// summed.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range, the shapes do not match, the index is not of an integer type, or
    /// an index is negative or not below the size of the axis.
    #[track_caller]
    pub fn gather(&self, index: &Tensor, axis: impl Integer) -> Result<Tensor> {
        apply(Index::Gather { axis: normalize_axis(axis, self.rank(), "gather")? }, &[self, index])
    }

    /// Adds the elements of `source` to a copy of this tensor at the positions that [`Tensor::gather`] would read:
    /// along axis 1 of a matrix, `out[i, index[i, j]] += source[i, j]`. Several elements for the same position are
    /// added in row-major order. `index` must not be larger than `source` along any axis, nor larger than this tensor
    /// along the other axes.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::gather`], and if the types differ or are bool.
    #[track_caller]
    pub fn scatter_add(&self, index: &Tensor, source: &Tensor, axis: impl Integer) -> Result<Tensor> {
        let axis = normalize_axis(axis, self.rank(), "scatter_add")?;
        apply(Index::ScatterAdd { axis }, &[self, index, source])
    }

    /// Takes entries along `axis` at the positions `index`, which may have any shape, as NumPy's `take`: along axis 0
    /// of `[n, d]`, an index of shape `[a, b]` gives `[a, b, d]`. The gradients of an entry that is taken several times
    /// are summed.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let x = tensor![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    /// assert_eq!(x.take(&tensor![2, 0], 0)?.to_vec::<f32>()?, [5.0, 6.0, 1.0, 2.0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the axis is out of range, the index is not of an integer type, or an index is negative or
    /// not below the size of the axis.
    #[track_caller]
    pub fn take(&self, index: &Tensor, axis: impl Integer) -> Result<Tensor> {
        apply(Index::Take { axis: normalize_axis(axis, self.rank(), "take")? }, &[self, index])
    }

    /// The adjoint of [`Tensor::take`]: adds the entries of this tensor to zeros with `size` entries along `axis`, at
    /// the positions `index`. The shape of `index` must equal the sizes of this tensor from `axis` on: for axis 0,
    /// `[a, b, d]` and an index of shape `[a, b]` give `[size, d]`.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range, the shapes do not match, this tensor is of type bool, the index is
    /// not of an integer type, or an index is negative or not below `size`.
    #[track_caller]
    pub fn index_add(&self, index: &Tensor, axis: impl Integer, size: usize) -> Result<Tensor> {
        // `axis` counts the axes of the result, where one axis replaces those of the index.
        let rank = (self.rank() + 1).saturating_sub(index.rank());
        apply(Index::IndexAdd { axis: normalize_axis(axis, rank, "index_add")?, size }, &[self, index])
    }

    /// `value` where the mask is true and this tensor elsewhere. The mask broadcasts to this tensor.
    ///
    /// # Errors
    /// Returns an error if the mask is not of type bool, if the mask or the value does not broadcast to this tensor's
    /// shape, or if the value has another type.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl Operand) -> Result<Tensor> {
        let value = value.argument().into_tensor(self.dtype(), "masked_fill")?;
        for operand in [mask, &value] {
            if self.shape().broadcast(operand.shape(), "masked_fill")? != *self.shape() {
                let message =
                    format!("{} does not broadcast to the shape {} of the tensor", operand.shape(), self.shape());
                return Err(Error::argument("masked_fill", message));
            }
        }
        apply(Index::Where, &[mask, &value, self])
    }

    /// The positions of the nonzero elements (including true and NaN) in row-major order, one in each row: int64
    /// `[count, rank]`.
    #[must_use]
    pub fn nonzero(&self) -> Tensor {
        apply(Index::Nonzero, &[self]).expect("defined for every tensor")
    }

    /// The entries where the mask is true, in row-major order. The mask covers the leading axes, which one axis
    /// replaces in the result. A mask of the full shape selects single elements.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let x = tensor![1.0, -2.0, 3.0];
    /// assert_eq!(x.masked_select(&x.greater(0)?)?.to_vec::<f32>()?, [1.0, 3.0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the mask is not of type bool or its shape does not match the leading axes.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        if mask.dtype() != DType::Bool {
            return Err(Error::dtype("masked_select", mask.dtype(), "bool, as a mask must be"));
        }
        let Some(tail) = self.shape().strip_prefix(&mask.shape()[..]) else {
            let message = format!("the mask must have the sizes of the leading axes of {}", self.shape());
            return Err(Error::shape("masked_select", mask.shape(), message));
        };
        let index = mask.flatten().nonzero().flatten();
        let rows: Shape = [mask.size()].iter().chain(tail).copied().collect();
        self.reshape(rows)?.take(&index, 0)
    }
}
