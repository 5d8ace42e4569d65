//! Linear algebra: matrix factorizations and linear solvers.
//!
//! The enum exists without the feature `linalg`, so lists of operations do not depend on features. The kernels, and the
//! methods that build the operations, need the feature. The last two axes hold matrices and the leading axes are batch
//! axes. All operations compute in float64 and round once to the type of their operands.

#[cfg(feature = "linalg")]
use smallvec::smallvec;

use crate::error::{Error, Result};
#[cfg(feature = "linalg")]
use crate::operand::Operand;
#[cfg(feature = "linalg")]
use crate::ops::apply::{apply, apply_pair};
use crate::ops::checks::{operands, same_dtype};
use crate::ops::matmul::batch_of;
use crate::ops::{Movement, Outputs};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A linear algebra operation on matrices `[…, rows, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linalg {
    /// `X` with `A X = B`.
    Solve,
    /// `X` with `T X = B`, where `T` is one triangle of the first operand.
    SolveTriangular {
        /// Whether to read the lower triangle instead of the upper.
        lower: bool,
        /// Whether to use ones instead of the diagonal.
        unit_diagonal: bool,
    },
    /// The lower `L` with `L Lᵀ = (A + Aᵀ) / 2`.
    Cholesky,
    /// The determinant.
    Det,
    /// Two outputs: the sign of the determinant (-1, 0, 1) and the logarithm of its absolute value.
    Slogdet,
    /// Two outputs: the eigenvalues of `(A + Aᵀ) / 2` in ascending order, and the eigenvectors as columns.
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
    /// The leading terms for the usual methods in Golub and Van Loan, "Matrix Computations", including both factors and
    /// the eigenvectors.
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
                let batch = batch_of(a)
                    .broadcast(&batch_of(b), self.name())
                    .map_err(|_| wrong("the batch axes (all but the last two) do not broadcast".into()))?;
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
        use crate::ops::cast::converted;
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
    /// Solves `A X = B` for `X` by LU decomposition with partial pivoting. This tensor is `A`, `[…, n, n]`. `b` is
    /// `[…, n, columns]`, or `[n]` for a single right-hand side. Leading axes broadcast.
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

    /// Solves `T X = B` for `X`, where `T` is the lower or upper triangle of this tensor. The other elements are not
    /// read. Shapes are as for [`Tensor::solve`].
    ///
    /// # Errors
    /// Returns an error if a diagonal has a zero, if the matrices are not square, if the shapes do not match, or if the
    /// types differ.
    #[track_caller]
    pub fn solve_triangular(&self, b: impl Operand, lower: bool) -> Result<Tensor> {
        with_columns(self, b, Linalg::SolveTriangular { lower, unit_diagonal: false })
    }

    /// [`Tensor::solve_triangular`] with ones instead of the diagonal, which is not read.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::solve`].
    #[track_caller]
    pub fn solve_unit_triangular(&self, b: impl Operand, lower: bool) -> Result<Tensor> {
        with_columns(self, b, Linalg::SolveTriangular { lower, unit_diagonal: true })
    }

    /// The inverse of square matrices `[…, n, n]`. Use [`Tensor::solve`] to compute `A⁻¹ B`: it is faster and more
    /// accurate.
    ///
    /// # Errors
    /// Returns an error if a matrix is singular or not square, or the type is not floating-point.
    #[track_caller]
    pub fn inverse(&self) -> Result<Tensor> {
        let [.., rows, _] = self.shape()[..] else {
            return Err(Error::shape("inverse", self.shape(), "expected square matrices, […, n, n]"));
        };
        self.solve(Tensor::eye(rows).cast(self.dtype())).map_err(|error| error.context("inverse"))
    }

    /// The lower Cholesky factor `L` of positive definite matrices `[…, n, n]`: `L Lᵀ = A`. If `A` is not symmetric,
    /// its symmetric part `(A + Aᵀ) / 2` is used.
    ///
    /// # Errors
    /// Returns an error if a matrix is not positive definite or not square, or the type is not floating-point.
    #[track_caller]
    pub fn cholesky(&self) -> Result<Tensor> {
        apply(Linalg::Cholesky, &[self])
    }

    /// The determinant of square matrices: `[…, n, n]` gives `[…]`. The determinant of a large matrix easily over- or
    /// underflows: see [`Tensor::slogdet`]. The gradient is computed from minors for up to 8 rows. For more rows it is
    /// `det A⁻ᵀ`, which is an error for singular matrices.
    ///
    /// # Errors
    /// Returns an error if the matrices are not square or not floating-point.
    #[track_caller]
    pub fn det(&self) -> Result<Tensor> {
        apply(Linalg::Det, &[self])
    }

    /// The sign (-1, 0 or 1) of the determinant of square matrices and the natural logarithm of its absolute value:
    /// `[…, n, n]` gives two tensors `[…]`. A singular matrix has the sign 0 and the logarithm -∞, and its gradient is
    /// an error.
    ///
    /// # Errors
    /// Returns an error if the matrices are not square or not floating-point.
    #[track_caller]
    pub fn slogdet(&self) -> Result<(Tensor, Tensor)> {
        apply_pair(Linalg::Slogdet, self)
    }

    /// The eigenvalues `[…, n]` of symmetric matrices in ascending order, and the eigenvectors as the columns of
    /// `[…, n, n]`: `A V = V diag(λ)`. If `A` is not symmetric, its symmetric part `(A + Aᵀ) / 2` is used. The vectors
    /// have length 1, and their largest element is positive.
    ///
    /// If two eigenvalues are equal up to rounding, their eigenvectors are not unique, and a gradient through them is
    /// an error. Other eigenvectors keep their gradients.
    ///
    /// # Errors
    /// Returns an error if the matrices are not square, not floating-point or not finite.
    #[track_caller]
    pub fn eigh(&self) -> Result<(Tensor, Tensor)> {
        apply_pair(Linalg::Eigh, self)
    }

    /// The orthogonal `Q`, `[…, m, k]`, and the upper triangular `R`, `[…, k, n]`, of matrices `[…, m, n]`, where
    /// `k = min(m, n)`: `Q R = A`. The diagonal of `R` is not negative, which makes both factors unique if `A` has full
    /// rank.
    ///
    /// # Errors
    /// Returns an error if the rank is below 2, or the type is not floating-point.
    #[track_caller]
    pub fn qr(&self) -> Result<(Tensor, Tensor)> {
        match self.shape()[..] {
            // The first columns determine Q, and Q determines the rest of R.
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

/// Solves for a right-hand side that may be a vector.
#[cfg(feature = "linalg")]
#[track_caller]
fn with_columns(a: &Tensor, b: impl Operand, op: Linalg) -> Result<Tensor> {
    let b = b.argument().into_tensor(a.dtype(), op.name())?;
    if b.rank() == 1 { apply(op, &[a, &b.expand_dims(-1)?])?.squeeze(-1) } else { apply(op, &[a, &b]) }
}
