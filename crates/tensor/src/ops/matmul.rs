//! Matrix products.

use smallvec::SmallVec;

use crate::dtype::{Float, with_float};
use crate::error::{Error, Result};
use crate::kernels::gemm::gemm;
use crate::kernels::loop_nest::LoopNest;
use crate::kernels::matrices::Matrices;
use crate::kernels::sparse::{Sparse, without_zeros};
use crate::kernels::tile::Tiled;
use crate::layout::Layout;
use crate::operand::Operand;
use crate::ops::apply::apply;
use crate::ops::checks::{operands, same_dtype};
use crate::shape::{Shape, Strides};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// The matrix product by NumPy's rules. The variants differ only in how they treat `0 · NaN` and `0 · ∞`, which are
/// NaN: for finite operands their results are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matmul {
    /// Sums all products, as in NumPy.
    Dense,
    /// Skips zeros of the left operand, as in a sparse matrix: `0 · NaN` contributes nothing.
    SparseLeft,
    /// Skips zeros of the right operand.
    SparseRight,
    /// Like [`Matmul::Dense`], but with a sparse gradient: an element whose gradient is 0 contributes nothing to the
    /// gradients of the operands, even if they are NaN or infinite. Use it if only some elements of the result are
    /// used.
    Sampled,
}

names! { Matmul:
    Matmul::Dense => "matmul",
    Matmul::SparseLeft => "sparse_matmul",
    Matmul::SparseRight => "matmul_sparse",
    Matmul::Sampled => "sampled_matmul",
}

impl Matmul {
    fn sparse(self) -> Option<Sparse> {
        match self {
            Matmul::Dense | Matmul::Sampled => None,
            Matmul::SparseLeft => Some(Sparse::Left),
            Matmul::SparseRight => Some(Sparse::Right),
        }
    }

    pub(crate) fn flops(self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
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
        let batch = batch_of(&left)
            .broadcast(&batch_of(&right), self.name())
            .map_err(|_| wrong("the batch axes (all but the last two) do not broadcast".into()))?;
        let size = batch.iter().copied().chain([m, n]).collect::<Shape>().checked_size(self.name())?;
        let shape: Shape =
            batch.iter().copied().chain((a.rank() > 1).then_some(m)).chain((b.rank() > 1).then_some(n)).collect();
        if size == 0 && a.dtype().is_float() {
            // Return early: the number of matrices may be too large to list.
            return Ok(Tensor::full_of(shape, 0.0, a.dtype()));
        }
        let (left, batch_left, rows) = match folded(&left, &right) {
            Some(left) => (left, Shape::default(), batch.size() * m),
            None => (left, batch.clone(), m),
        };
        let product = with_float!(left.dtype(), T => batched::<T>(&left, &right, &batch_left, [rows, n, k], self.sparse()),
            else return Err(Error::dtype(self.name(), a.dtype(), "a floating type; cast the operands first")));
        Ok(product.reshaped(shape))
    }
}

/// The sizes of the batch axes.
pub(super) fn batch_of(x: &Tensor) -> Shape {
    Shape::from(&x.shape()[..x.rank() - 2])
}

/// If the right operand is a single matrix, folds the batch axes of the left one into its rows, so that one product
/// computes all. `None` if that needs a copy.
fn folded(left: &Tensor, right: &Tensor) -> Option<Tensor> {
    let &[.., _, _, k] = &left.shape()[..] else { return None };
    if right.rank() > 2 || left.size() == 0 {
        return None;
    }
    let rows = Shape::from([left.size() / k, k]);
    left.layout().reshaped(&rows).map(|layout| left.with_layout(layout))
}

/// A view of a vector as a row or a column.
fn unsqueezed(x: &Tensor, axis: usize) -> Tensor {
    let mut strides: SmallVec<[isize; 2]> = x.strides().iter().copied().collect();
    strides.insert(axis, 1);
    x.with_layout(Layout::new(x.shape().inserted(axis, 1), strides.into_iter().collect(), x.offset()))
}

fn batched<T: Tiled>(a: &Tensor, b: &Tensor, batch: &Shape, sizes: [usize; 3], sparse: Option<Sparse>) -> Tensor {
    let [m, n, _] = sizes;
    let shape: Shape = batch.iter().copied().chain([m, n]).collect();
    let mut out = Buffer::new::<T>(shape.size());
    let (a, b) = (matrices::<T>(a, batch), matrices::<T>(b, batch));
    gemm(sizes, &a, &b, out.as_mut_slice());
    if let Some(sparse) = sparse {
        without_zeros(sizes, &a, &b, sparse, out.as_mut_slice());
    }
    Tensor::from_buffer(out, shape)
}

/// The matrices of `x`, broadcast to the batch.
fn matrices<'a, T: Float>(x: &'a Tensor, batch: &Shape) -> Matrices<'a, T> {
    let rank = x.rank() - 2;
    let (outer, inner) = x.strides().split_at(rank);
    let outer: Strides = outer.iter().copied().collect();
    let outer = outer.broadcast(&Shape::from(&x.shape()[..rank]), batch).expect("the batches broadcast");
    let walk = LoopNest::new(batch, [(&outer, x.offset())]);
    let run = |(_, [at], length): (usize, [isize; 1], usize)| {
        (0..length).map(move |j| at + j as isize * walk.steps[0]).map(|start| start as usize)
    };
    let starts = walk.runs(0, batch.size()).flat_map(run).collect();
    Matrices { data: x.typed().data, starts, rows: inner[0], columns: inner[1] }
}

impl Tensor {
    /// The matrix product by NumPy's rules: `[…, m, k] × […, k, n]` is `[…, m, n]`. A vector is a row on the left and a
    /// column on the right. Leading axes broadcast.
    ///
    /// # Errors
    /// Returns an error if the inner sizes differ, the leading axes do not broadcast, an operand is a scalar or not
    /// floating-point, or the types differ.
    #[track_caller]
    pub fn matmul(&self, other: impl Operand) -> Result<Tensor> {
        let other = other.argument().into_tensor(self.dtype(), "matmul")?;
        apply(Matmul::Dense, &[self, &other])
    }

    /// [`Tensor::matmul`] that skips zeros of this tensor, as in a sparse matrix: `0 · NaN` contributes nothing.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let (weights, values) = (tensor![[1.0, 0.0]], tensor![[3.0], [f64::NAN]]);
    /// assert_eq!(weights.sparse_matmul(&values)?.item()?, 3.0);
    /// assert!(weights.matmul(&values)?.item()?.is_nan());
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::matmul`].
    #[track_caller]
    pub fn sparse_matmul(&self, other: impl Operand) -> Result<Tensor> {
        let other = other.argument().into_tensor(self.dtype(), "sparse_matmul")?;
        apply(Matmul::SparseLeft, &[self, &other])
    }

    /// [`Tensor::matmul`] for results that are masked afterwards. An element whose gradient is 0 contributes nothing to
    /// the gradients of the operands, even if they are NaN or infinite there.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::matmul`].
    #[track_caller]
    pub fn sampled_matmul(&self, other: impl Operand) -> Result<Tensor> {
        let other = other.argument().into_tensor(self.dtype(), "sampled_matmul")?;
        apply(Matmul::Sampled, &[self, &other])
    }
}
