//! Linear algebra: factors of matrices and what is computed from them.
//!
//! The operations are always there, so that every list of them is the same; their kernels, and the
//! methods that build them, need the feature `linalg`. All work on matrices in the last two axes;
//! leading axes are a batch. They compute in float64 and round once to the type of their operands.

#[cfg(feature = "linalg")]
use smallvec::smallvec;

use crate::error::{Error, Result};
#[cfg(feature = "linalg")]
use crate::operand::Operand;
use crate::ops::matmul::batch_of;
use crate::ops::{Movement, Outputs, operands, same_dtype};
#[cfg(feature = "linalg")]
use crate::ops::{apply, apply_pair};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// An operation of linear algebra, on `[…, rows, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linalg {
    /// `X` with `A X = B`.
    Solve,
    /// `X` with `T X = B`, `T` being one triangle of the first operand.
    SolveTriangular {
        /// Whether the lower triangle is read, or the upper.
        lower: bool,
        /// Whether the diagonal counts as ones.
        unit_diagonal: bool,
    },
    /// The lower `L` with `L Lᵀ = (A + Aᵀ) / 2`.
    Cholesky,
    /// The determinant.
    Det,
    /// Two outputs: the sign of the determinant (-1, 0, 1) and the logarithm of its size.
    Slogdet,
    /// Two outputs: eigenvalues of `(A + Aᵀ) / 2`, ascending, and eigenvectors in the columns.
    Eigh,
    /// Two outputs: `Q` and `R` of a matrix with at least as many rows as columns.
    Qr,
}

names! { Linalg:
    Linalg::Solve => "solve",
    Linalg::SolveTriangular { .. } => "solve_triangular",
    Linalg::Cholesky => "cholesky",
    Linalg::Det => "det",
    Linalg::Slogdet => "slogdet",
    Linalg::Eigh => "eigh",
    Linalg::Qr => "qr",
}

impl Linalg {
    /// The leading terms that Golub and Van Loan, "Matrix Computations", give for the usual methods;
    /// both factors count, and eigenvectors do.
    pub(crate) fn flops(self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
        let matrices = match self {
            Linalg::Solve | Linalg::SolveTriangular { .. } => batch_of(&outputs[0]).size(),
            Linalg::Cholesky | Linalg::Det | Linalg::Slogdet | Linalg::Eigh | Linalg::Qr => batch_of(inputs[0]).size(),
        };
        let size = |x: &Tensor, axis: usize| x.shape()[x.rank() - 2 + axis] as u64;
        let (rows, n) = (size(inputs[0], 0), size(inputs[0], 1));
        let each = match self {
            Linalg::Solve => 2 * n * n * n / 3 + 2 * n * n * size(inputs[1], 1),
            Linalg::SolveTriangular { .. } => n * n * size(inputs[1], 1),
            Linalg::Cholesky => n * n * n / 3,
            Linalg::Det | Linalg::Slogdet => 2 * n * n * n / 3,
            Linalg::Eigh => 9 * n * n * n,
            Linalg::Qr => 4 * n * n * (3 * rows - n) / 3,
        };
        matrices as u64 * each
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Outputs> {
        match self {
            Linalg::Solve | Linalg::SolveTriangular { .. } => {
                let [a, b] = operands(inputs, self.name())?;
                same_dtype(a, b, self.name())?;
                self.check_square(a)?;
                let wrong = |reason: String| Error::product(self.name(), a.shape(), b.shape(), reason);
                if b.rank() < 2 {
                    return Err(wrong("the right side needs two axes, […, rows, columns]".into()));
                }
                let (n, rows) = (a.shape()[a.rank() - 1], b.shape()[b.rank() - 2]);
                if n != rows {
                    return Err(wrong(format!("{n} unknowns but {rows} rows on the right side")));
                }
                let batch = batch_of(a).broadcast(&batch_of(b), self.name()).map_err(|_| {
                    wrong("the leading axes, over which systems are solved one by one, do not broadcast".into())
                })?;
                let expanded = |x: &Tensor| {
                    let matrix = x.shape()[x.rank() - 2..].iter();
                    Movement::Expand { shape: batch.iter().chain(matrix).copied().collect() }.forward(&[x])
                };
                self.compute(&[&expanded(a)?, &expanded(b)?], &batch)
            }
            Linalg::Qr => {
                let [x] = operands(inputs, self.name())?;
                self.check_floating(x)?;
                match x.shape()[..] {
                    [.., rows, columns] if rows >= columns => self.compute(&[x], &batch_of(x)),
                    _ => Err(Error::shape("qr", x.shape(), "expected […, rows, columns], columns ≤ rows")),
                }
            }
            Linalg::Cholesky | Linalg::Det | Linalg::Slogdet | Linalg::Eigh => {
                let [x] = operands(inputs, self.name())?;
                self.check_square(x)?;
                self.compute(&[x], &batch_of(x))
            }
        }
    }

    fn check_floating(self, x: &Tensor) -> Result<()> {
        let message = "a floating type; cast the operands first";
        if x.dtype().is_float() { Ok(()) } else { Err(Error::dtype(self.name(), x.dtype(), message)) }
    }

    fn check_square(self, x: &Tensor) -> Result<()> {
        self.check_floating(x)?;
        match x.shape()[..] {
            [.., rows, columns] if rows == columns => Ok(()),
            _ => Err(Error::shape(self.name(), x.shape(), "expected square matrices, […, n, n]")),
        }
    }

    #[cfg(feature = "linalg")]
    fn compute(self, inputs: &[&Tensor], batch: &Shape) -> Result<Outputs> {
        use crate::dtype::DType;
        use crate::kernels::linalg as kernels;
        use crate::layout::View;
        use crate::ops::unary::converted;
        use crate::storage::Buffer;

        let dtype = inputs[0].dtype();
        let wide: Vec<_> = inputs.iter().map(|x| converted(x, DType::F64)).collect();
        let views: Vec<View<f64>> = wide.iter().map(|x| x.typed()).collect();
        let &[rows, columns] = wide[wide.len() - 1].shape().last_chunk().expect("the ranks were checked");
        let output = |buffer: Buffer, shape: &[usize]| {
            let shape = batch.iter().chain(shape).copied().collect();
            converted(&Tensor::from_buffer(buffer, shape), dtype).into_owned()
        };
        let one = |shape: &[usize], f: &(dyn Fn(&[kernels::Matrix]) -> kernels::Factors<1> + Sync)| {
            let size = shape.iter().product();
            let [buffer] = kernels::for_each_matrix(self.name(), &views, batch, [size], f)?;
            Ok(smallvec![output(buffer, shape)])
        };
        let two = |shapes: [&[usize]; 2], f: &(dyn Fn(&[kernels::Matrix]) -> kernels::Factors<2> + Sync)| {
            let sizes = shapes.map(|shape| shape.iter().product());
            let [first, second] = kernels::for_each_matrix(self.name(), &views, batch, sizes, f)?;
            Ok(smallvec![output(first, shapes[0]), output(second, shapes[1])])
        };
        let matrix = &[rows, columns][..];
        match self {
            Linalg::Solve => one(matrix, &kernels::solve),
            Linalg::SolveTriangular { lower, unit_diagonal } => {
                one(matrix, &|m| kernels::solve_triangular(m, lower, unit_diagonal))
            }
            Linalg::Cholesky => one(matrix, &kernels::cholesky),
            Linalg::Det => one(&[], &kernels::det),
            Linalg::Slogdet => two([&[], &[]], &kernels::slogdet),
            Linalg::Eigh => two([&[rows], matrix], &kernels::eigh),
            Linalg::Qr => two([matrix, &[columns, columns]], &kernels::qr),
        }
    }

    #[cfg(not(feature = "linalg"))]
    fn compute(self, _: &[&Tensor], _: &Shape) -> Result<Outputs> {
        Err(Error::argument(self.name(), "needs the feature `linalg` of the crate `tensor`"))
    }
}

#[cfg(feature = "linalg")]
impl Tensor {
    /// The solution `X` of `A X = B`, by LU with partial pivoting. This tensor is `A`, `[…, n, n]`;
    /// `b` is `[n]` for one system with a vector on its right, else `[…, n, columns]`. Leading axes
    /// broadcast.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let a = tensor![[2.0, 1.0], [1.0, 3.0]];
    /// assert_eq!(a.solve(&tensor![3.0, 5.0])?.to_vec::<f32>()?, [0.8, 1.4]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if a matrix is singular or not square, the shapes do not match, or the types differ.
    #[track_caller]
    pub fn solve(&self, b: impl Operand) -> Result<Tensor> {
        with_columns(self, b, Linalg::Solve)
    }

    /// The solution `X` of `T X = B`, `T` being the lower or upper triangle of this tensor, whose
    /// other elements are not read. Shapes are as for [`Tensor::solve`].
    ///
    /// # Errors
    /// Returns an error if there is a zero on a diagonal, and as [`Tensor::solve`].
    #[track_caller]
    pub fn solve_triangular(&self, b: impl Operand, lower: bool) -> Result<Tensor> {
        with_columns(self, b, Linalg::SolveTriangular { lower, unit_diagonal: false })
    }

    /// As [`Tensor::solve_triangular`], with ones in place of what stands on the diagonal.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::solve`].
    #[track_caller]
    pub fn solve_unit_triangular(&self, b: impl Operand, lower: bool) -> Result<Tensor> {
        with_columns(self, b, Linalg::SolveTriangular { lower, unit_diagonal: true })
    }

    /// The inverse of square matrices `[…, n, n]`. To compute `A⁻¹ B`, [`Tensor::solve`] is faster
    /// and more accurate.
    ///
    /// # Errors
    /// Returns an error if a matrix is singular or not square, or the type is not floating.
    #[track_caller]
    pub fn inverse(&self) -> Result<Tensor> {
        let [.., rows, _] = self.shape()[..] else {
            return Err(Error::shape("inverse", self.shape(), "expected square matrices, […, n, n]"));
        };
        self.solve(Tensor::eye(rows).cast(self.dtype())).map_err(|error| error.context("inverse"))
    }

    /// The lower Cholesky factor `L` of positive definite matrices `[…, n, n]`: `L Lᵀ = A`. Of an
    /// `A` that is not symmetric it takes the symmetric part, `(A + Aᵀ) / 2`.
    ///
    /// # Errors
    /// Returns an error if a matrix is not positive definite or not square, or the type is not floating.
    #[track_caller]
    pub fn cholesky(&self) -> Result<Tensor> {
        apply(Linalg::Cholesky, &[self])
    }

    /// The determinant of square matrices: `[…, n, n]` gives `[…]`. That of many rows over- or
    /// underflows easily: see [`Tensor::slogdet`]. Up to 8 rows the gradient is made of minors; above
    /// it is `det A⁻ᵀ`, and an error at a singular matrix.
    ///
    /// # Errors
    /// Returns an error if the matrices are not square or not floating.
    #[track_caller]
    pub fn det(&self) -> Result<Tensor> {
        apply(Linalg::Det, &[self])
    }

    /// Sign (-1, 0 or 1) and natural logarithm of the size of the determinant of square matrices:
    /// `[…, n, n]` gives twice `[…]`. A singular matrix has sign 0 and logarithm -∞; there the
    /// gradient is an error.
    ///
    /// # Errors
    /// Returns an error if the matrices are not square or not floating.
    #[track_caller]
    pub fn slogdet(&self) -> Result<(Tensor, Tensor)> {
        apply_pair(Linalg::Slogdet, self)
    }

    /// Eigenvalues `[…, n]`, ascending, and eigenvectors `[…, n, n]`, one a column, of symmetric
    /// matrices: `A V = V diag(λ)`. Of an `A` that is not symmetric it takes the symmetric part,
    /// `(A + Aᵀ) / 2`. The vectors have length 1, and the largest of their elements is positive.
    ///
    /// The gradient through an eigenvector whose eigenvalue is equal to another, up to rounding, is an
    /// error: the vector is not determined. Those of other eigenvalues have theirs.
    ///
    /// # Errors
    /// Returns an error if the matrices are not square, not floating or not finite.
    #[track_caller]
    pub fn eigh(&self) -> Result<(Tensor, Tensor)> {
        apply_pair(Linalg::Eigh, self)
    }

    /// The orthogonal `Q`, `[…, m, k]`, and the upper triangular `R`, `[…, k, n]`, of matrices
    /// `[…, m, n]`, `k` being the smaller of `m` and `n`: `Q R = A`. The diagonal of `R` is not
    /// negative, which makes the two unique where `A` has full rank.
    ///
    /// # Errors
    /// Returns an error if there are no matrices, or the type is not floating.
    #[track_caller]
    pub fn qr(&self) -> Result<(Tensor, Tensor)> {
        match self.shape()[..] {
            // The first columns determine Q, and the others follow from it.
            [.., rows, columns] if rows < columns => {
                let parts = self.split([rows, columns - rows], -1)?;
                let (q, r) = apply_pair(Linalg::Qr, &parts[0])?;
                let rest = q.t()?.matmul(&parts[1])?;
                Ok((q, Tensor::concat(&[&r, &rest], -1)?))
            }
            _ => apply_pair(Linalg::Qr, self),
        }
    }
}

/// Solves for a right side that may be a vector.
#[cfg(feature = "linalg")]
#[track_caller]
fn with_columns(a: &Tensor, b: impl Operand, op: Linalg) -> Result<Tensor> {
    let b = b.argument().into_tensor(a.dtype(), op.name())?;
    if b.rank() == 1 { apply(op, &[a, &b.expand_dims(-1)?])?.squeeze(-1) } else { apply(op, &[a, &b]) }
}
