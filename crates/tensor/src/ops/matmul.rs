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
        let (left, right) = (Stack::of_left(a), Stack::of_right(b));
        let ([m, k], [inner, n]) = (left.sizes, right.sizes);
        if k != inner {
            return Err(wrong(format!("the inner sizes {k} and {inner} differ")));
        }
        let batch = Shape::from(left.batch).broadcast(&right.batch.into(), self.name());
        let batch = batch.map_err(|_| wrong("the batch axes (all but the last two) do not broadcast".into()))?;
        let rows = (a.rank() > 1).then_some(m);
        let shape: Shape = batch.iter().copied().chain(rows).chain((b.rank() > 1).then_some(n)).collect();
        let size = shape.checked_size(self.name())?;
        if size == 0 && a.dtype().is_float() {
            // Return early: the number of matrices may be too large to list.
            return Ok(Tensor::full_of(shape, 0.0, a.dtype()));
        }
        let folded = left.folded(a, &right);
        let (left, batch) = match &folded {
            Some(folded) => (Stack::of(folded), Shape::default()),
            None => (left, batch),
        };
        let sizes = [left.sizes[0], n, k];
        let product = with_float!(a.dtype(), T => {
            let (left, right) = (left.matrices(a.typed::<T>().data, &batch), right.matrices(b.typed().data, &batch));
            product(sizes, &left, &right, self.sparse())
        }, else return Err(Error::dtype(self.name(), a.dtype(), "a floating type; cast the operands first")));
        Ok(Tensor::from_buffer(product, shape))
    }
}

/// The sizes of the batch axes.
pub(super) fn batch_of(x: &Tensor) -> Shape {
    Shape::from(&x.shape()[..x.rank() - 2])
}

/// An operand as matrices of one size along its batch axes, which are all but the last two.
struct Stack<'a> {
    /// Sizes and strides of the batch axes.
    batch: &'a [usize],
    outer: &'a [isize],
    offset: usize,
    /// Sizes and strides of a matrix.
    sizes: [usize; 2],
    strides: [isize; 2],
}

impl<'a> Stack<'a> {
    /// The operand on the left, not a scalar. A vector is a row.
    fn of_left(x: &'a Tensor) -> Stack<'a> {
        match (&x.shape()[..], &x.strides()[..]) {
            (&[size], &[stride]) => Stack::matrix(x.offset(), [1, size], [1, stride]),
            _ => Stack::of(x.layout()),
        }
    }

    /// The operand on the right, not a scalar. A vector is a column.
    fn of_right(x: &'a Tensor) -> Stack<'a> {
        match (&x.shape()[..], &x.strides()[..]) {
            (&[size], &[stride]) => Stack::matrix(x.offset(), [size, 1], [stride, 1]),
            _ => Stack::of(x.layout()),
        }
    }

    fn of(layout: &'a Layout) -> Stack<'a> {
        let (batch, &sizes) = layout.shape().split_last_chunk().expect("at least two axes");
        let (outer, &strides) = layout.strides().split_last_chunk().expect("a stride for each axis");
        Stack { batch, outer, ..Stack::matrix(layout.offset(), sizes, strides) }
    }

    fn matrix(offset: usize, sizes: [usize; 2], strides: [isize; 2]) -> Stack<'a> {
        Stack { batch: &[], outer: &[], offset, sizes, strides }
    }

    /// If the right operand is a single matrix, folds the batch axes of the left one, which is not empty, into its rows,
    /// so that one product computes all. `None` if that needs a copy.
    fn folded(&self, x: &Tensor, right: &Stack) -> Option<Layout> {
        if self.batch.is_empty() || !right.batch.is_empty() || x.size() == 0 {
            return None;
        }
        let width = self.sizes[1];
        x.layout().reshaped(&[x.size() / width, width].into())
    }

    /// The matrices, broadcast to the batch.
    fn matrices<'d, T: Float>(&self, data: &'d [T], batch: &Shape) -> Matrices<'d, T> {
        let [rows, columns] = self.strides;
        let starts = if batch.is_empty() { [self.offset].into() } else { self.starts(batch) };
        Matrices { data, starts, rows, columns }
    }

    /// Where the matrices start, broadcast to the batch.
    fn starts(&self, batch: &Shape) -> SmallVec<[usize; 1]> {
        let outer: Strides = self.outer.iter().copied().collect();
        let outer = outer.broadcast(&self.batch.into(), batch).expect("the batches broadcast");
        let walk = LoopNest::new(batch, [(&outer, self.offset)]);
        let run = |(_, [at], length): (usize, [isize; 1], usize)| {
            (0..length).map(move |j| at + j as isize * walk.steps[0]).map(|start| start as usize)
        };
        walk.runs(0, batch.size()).flat_map(run).collect()
    }
}

/// The products of all pairs of matrices, each `m` × `n` with the inner size `k`.
fn product<T: Tiled>(sizes: [usize; 3], a: &Matrices<T>, b: &Matrices<T>, sparse: Option<Sparse>) -> Buffer {
    let [m, n, _] = sizes;
    let mut out = Buffer::new::<T>(a.starts.len() * m * n);
    gemm(sizes, a, b, out.as_mut_slice());
    if let Some(sparse) = sparse {
        without_zeros(sizes, a, b, sparse, out.as_mut_slice());
    }
    out
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
