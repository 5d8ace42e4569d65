//! Matrix products.

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::gemm::{Matrices, gemm};
use crate::kernels::strided::Walk;
use crate::kernels::tile::Tiled;
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
        (inner as u64).saturating_mul(outputs[0].size() as u64).saturating_mul(2)
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
        let batch = batch_of(&left).broadcast(&batch_of(&right), self.name()).map_err(|_| {
            wrong("the leading axes, over which matrices are multiplied one by one, do not broadcast".into())
        })?;
        let size = batch.iter().copied().chain([m, n]).collect::<Shape>().checked_size(self.name())?;
        let shape: Shape =
            batch.iter().copied().chain((a.rank() > 1).then_some(m)).chain((b.rank() > 1).then_some(n)).collect();
        if size == 0 && a.dtype().is_float() {
            // However many matrices there are, none is looked at.
            return Ok(Tensor::full_of(shape, 0.0, a.dtype()));
        }
        let (left, batch_left, rows) = match folded(&left, &right) {
            Some(left) => (left, Shape::default(), batch.size() * m),
            None => (left, batch.clone(), m),
        };
        let product = with_float!(left.dtype(), T => batched::<T>(&left, &right, &batch_left, [rows, n, k]),
            else return Err(Error::dtype(self.name(), a.dtype(), "a floating type; cast the operands first")));
        Ok(product.reshaped(shape))
    }
}

/// All axes but those of the matrices.
pub(super) fn batch_of(x: &Tensor) -> Shape {
    Shape::from(&x.shape()[..x.rank() - 2])
}

/// Several matrices times one are one product with the rows of all, where those lie evenly apart.
fn folded(left: &Tensor, right: &Tensor) -> Option<Tensor> {
    let &[.., _, _, k] = &left.shape()[..] else { return None };
    if right.rank() > 2 || left.size() == 0 {
        return None;
    }
    let rows = Shape::from([left.size() / k, k]);
    let strides = left.strides().reshaped(left.shape(), &rows)?;
    Some(left.restrided(rows, strides, left.offset()))
}

fn unsqueezed(x: &Tensor, axis: usize) -> Tensor {
    x.restrided(x.shape().inserted(axis, 1), strides_inserted(x, axis), x.offset())
}

fn strides_inserted(x: &Tensor, axis: usize) -> Strides {
    let mut strides: Vec<isize> = x.strides().to_vec();
    strides.insert(axis, 1);
    strides.into_iter().collect()
}

fn batched<T: Tiled>(a: &Tensor, b: &Tensor, batch: &Shape, sizes: [usize; 3]) -> Tensor {
    let [m, n, _] = sizes;
    let shape: Shape = batch.iter().copied().chain([m, n]).collect();
    let mut out = Buffer::new::<T>(shape.size());
    gemm(sizes, &matrices::<T>(a, batch), &matrices::<T>(b, batch), out.as_mut_slice());
    Tensor::from_buffer(out, shape)
}

/// The matrices of `x`, repeated as often as the batch has them.
fn matrices<'a, T: Float>(x: &'a Tensor, batch: &Shape) -> Matrices<'a, T> {
    let rank = x.rank() - 2;
    let (outer, inner) = x.strides().split_at(rank);
    let outer: Strides = outer.iter().copied().collect();
    let outer = outer.broadcast(&Shape::from(&x.shape()[..rank]), batch).expect("the batches broadcast");
    let walk = Walk::new(batch, [(&outer, x.offset())]);
    let run = |(_, [at], length): (usize, [isize; 1], usize)| {
        (0..length).map(move |j| at + j as isize * walk.steps[0]).map(|start| start as usize)
    };
    let starts = walk.runs(0, batch.size()).flat_map(run).collect();
    Matrices { data: x.storage_slice(), starts, rows: inner[0], columns: inner[1] }
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
