//! Matrix products.

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::gemm::{Matrix, gemm};
use crate::ops::{apply, operands, same_dtype};
use crate::shape::{Shape, Strides};
use crate::storage::Buffer;
use crate::tensor::{Operand, Tensor};

/// The matrix product by NumPy's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matmul;

names! { Matmul: Matmul => "matmul" }

impl Matmul {
    pub(super) fn flops(self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
        let inner = inputs[0].shape().last().copied().unwrap_or(0);
        2 * (inner * outputs[0].size()) as u64
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [a, b] = operands(inputs, self.name())?;
        same_dtype(a, b, self.name())?;
        let wrong = |reason: String| Error::product(self.name(), a.shape(), b.shape(), reason);
        if a.rank() == 0 || b.rank() == 0 {
            return Err(wrong("both operands need at least one axis; `*` scales by a number".into()));
        }
        // A vector on the left is a row, one on the right a column.
        let left = if a.rank() == 1 { unsqueezed(a, 0) } else { a.clone() };
        let right = if b.rank() == 1 { unsqueezed(b, 1) } else { b.clone() };
        let (m, k) = (left.shape()[left.rank() - 2], left.shape()[left.rank() - 1]);
        let (inner, n) = (right.shape()[right.rank() - 2], right.shape()[right.rank() - 1]);
        if k != inner {
            return Err(wrong(format!("the inner sizes {k} and {inner} differ")));
        }
        let batch_of = |x: &Tensor| Shape::from(&x.shape()[..x.rank() - 2]);
        let batch = batch_of(&left).broadcast(&batch_of(&right), self.name()).map_err(|_| {
            wrong("the leading axes, over which matrices are multiplied one by one, do not broadcast".into())
        })?;
        batch.iter().copied().chain([m, n]).collect::<Shape>().checked_size(self.name())?;
        let product = with_float!(left.dtype(), T => batched::<T>(&left, &right, &batch, [m, n, k]),
            else return Err(Error::dtype(self.name(), a.dtype(), "a floating type; cast the operands first")));
        let shape: Shape =
            batch.iter().copied().chain((a.rank() > 1).then_some(m)).chain((b.rank() > 1).then_some(n)).collect();
        Ok(product.reshaped(shape))
    }
}

fn unsqueezed(x: &Tensor, axis: usize) -> Tensor {
    x.restrided(x.shape().inserted(axis, 1), strides_inserted(x, axis), x.offset())
}

fn strides_inserted(x: &Tensor, axis: usize) -> Strides {
    let mut strides: Vec<isize> = x.strides().to_vec();
    strides.insert(axis, 1);
    strides.into_iter().collect()
}

fn batched<T: Float>(a: &Tensor, b: &Tensor, batch: &Shape, [m, n, k]: [usize; 3]) -> Tensor {
    let mut out = Buffer::new::<T>(batch.size() * m * n);
    let matrix = |x: &Tensor| {
        let (rows, columns) = (x.strides()[x.rank() - 2], x.strides()[x.rank() - 1]);
        move |start: usize| (start, rows, columns)
    };
    let (left, right) = (matrix(a), matrix(b));
    let offsets = |x: &Tensor| {
        let rank = x.rank() - 2;
        let shape = Shape::from(&x.shape()[..rank]);
        let strides: Strides = x.strides()[..rank].iter().copied().collect();
        let strides = strides.broadcast(&shape, batch).expect("the batches broadcast");
        crate::kernels::strided::Walk::new(batch, [(&strides, x.offset())])
    };
    let starts = |walk: crate::kernels::strided::Walk<1>| {
        let mut starts = Vec::with_capacity(batch.size());
        for (_, [at], length) in walk.runs(0, batch.size()) {
            starts.extend((0..length).map(|j| (at + j as isize * walk.steps[0]) as usize));
        }
        starts
    };
    let pairs = starts(offsets(a)).into_iter().zip(starts(offsets(b)));
    let pieces = out.as_mut_slice::<T>().chunks_mut((m * n).max(1));
    for (piece, (i, j)) in pieces.zip(pairs) {
        let ((a_start, a_rows, a_columns), (b_start, b_rows, b_columns)) = (left(i), right(j));
        let a = Matrix { data: a.storage_slice::<T>(), start: a_start, rows: a_rows, columns: a_columns };
        let b = Matrix { data: b.storage_slice::<T>(), start: b_start, rows: b_rows, columns: b_columns };
        gemm(m, n, k, a, b, piece);
    }
    let shape = batch.iter().copied().chain([m, n]).collect();
    Tensor::from_buffer(out, shape)
}

impl Tensor {
    /// The matrix product by NumPy's rules: the last axis of this tensor with the last but one (or
    /// the only one) of the other; vectors are rows on the left and columns on the right; leading
    /// axes broadcast, and matrices are multiplied one by one. `[…, m, k] × […, k, n]` is `[…, m, n]`.
    ///
    /// # Errors
    /// If the inner sizes differ, the leading axes do not broadcast, an operand is a scalar or not
    /// floating, or the types differ.
    pub fn matmul(&self, other: impl Operand) -> Result<Tensor> {
        let other = other.argument().into_tensor(self.dtype(), "matmul")?;
        apply(Matmul, &[self, &other])
    }
}
