//! Matrix factorizations by `nalgebra` in float64, one matrix at a time.

use nalgebra::DMatrix;
use nalgebra::linalg::{Cholesky, LU, QR, SymmetricEigen};
use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::kernels::copy::elements;
use crate::kernels::threads;
use crate::layout::View;
use crate::shape::Shape;
use crate::storage::Buffer;

pub(crate) type Matrix = DMatrix<f64>;

/// The `N` results for one matrix (vectors and numbers are matrices too), or what is wrong with it.
pub(crate) type Factors<const N: usize> = std::result::Result<[Matrix; N], &'static str>;

/// Calls `f` with the matrices at every place of the batch. A result has `sizes` elements at one place; the results of
/// all places are contiguous.
///
/// One thread computes a matrix, so results do not depend on the number of threads.
///
/// # Errors
/// Returns an error that names the place if `f` returns one.
pub(crate) fn for_each_matrix<const N: usize>(
    operation: &str,
    inputs: &[View<f64>],
    batch: &Shape,
    sizes: [usize; N],
    f: impl Fn(&[Matrix]) -> Factors<N> + Sync,
) -> Result<[Buffer; N]> {
    let all: Vec<_> = inputs.iter().map(|&x| elements(x)).collect();
    let results = threads::parallel_map(batch.size(), &|place| {
        let matrix = |k: usize| {
            let &[rows, columns] = inputs[k].shape().last_chunk().expect("the operation checks the ranks");
            Matrix::from_row_slice(rows, columns, &all[k][place * rows * columns..][..rows * columns])
        };
        f(&(0..inputs.len()).map(matrix).collect::<SmallVec<[Matrix; 2]>>())
    });
    let mut buffers = sizes.map(|size| Buffer::new::<f64>(batch.size() * size));
    for (place, factors) in results.into_iter().enumerate() {
        let factors = factors.map_err(|message| {
            let what = if batch.size() == 1 { "the matrix".into() } else { format!("matrix {place} of {batch}") };
            Error::argument(operation, format!("{what} {message}"))
        })?;
        for (buffer, factor) in buffers.iter_mut().zip(&factors) {
            let out = &mut buffer.as_mut_slice::<f64>()[place * factor.len()..][..factor.len()];
            // nalgebra matrices are column-major, tensors are row-major.
            out.iter_mut().zip(factor.transpose().iter()).for_each(|(out, &x)| *out = x);
        }
    }
    Ok(buffers)
}

const SINGULAR: &str = "is singular";
const ZERO_DIAGONAL: &str = "has a zero on its diagonal, so it is singular";
const NOT_POSITIVE: &str = "is not positive definite (or has NaN); `eigh` returns its eigenvalues";
const NOT_CONVERGED: &str = "has eigenvalues that did not converge within 1,000 iterations each";
const NOT_FINITE: &str = "has elements that are NaN or infinite";

pub(crate) fn solve(m: &[Matrix]) -> Factors<1> {
    if m[1].is_empty() {
        return Ok([m[1].clone()]);
    }
    let (a, scale) = scaled(m[0].clone());
    let solution = LU::new(a).solve(&m[1]).ok_or(SINGULAR)?;
    Ok([solution / scale])
}

pub(crate) fn solve_triangular(m: &[Matrix], lower: bool, unit_diagonal: bool) -> Factors<1> {
    if m[1].is_empty() {
        return Ok([m[1].clone()]);
    }
    let mut triangle = m[0].clone();
    if unit_diagonal {
        triangle.fill_diagonal(1.0);
    }
    let solution = if lower { triangle.solve_lower_triangular(&m[1]) } else { triangle.solve_upper_triangular(&m[1]) };
    Ok([solution.ok_or(ZERO_DIAGONAL)?])
}

fn symmetric_part(m: &Matrix) -> Matrix {
    (m + m.transpose()) * 0.5
}

/// A matrix divided by a power of two, and that power. Then neither the squares of its elements nor the reciprocals of
/// its pivots overflow or underflow.
fn scaled(m: Matrix) -> (Matrix, f64) {
    let largest = m.amax();
    if largest == 0.0 || !largest.is_finite() {
        return (m, 1.0);
    }
    // In two steps, because the reciprocal of the smallest power is infinite.
    let half = (largest.log2() / 2.0).floor().exp2();
    (m / half / half, half * half)
}

pub(crate) fn cholesky(m: &[Matrix]) -> Factors<1> {
    let factor = Cholesky::new(symmetric_part(&m[0])).ok_or(NOT_POSITIVE)?;
    Ok([factor.unpack()])
}

pub(crate) fn det(m: &[Matrix]) -> Factors<1> {
    let (a, scale) = scaled(m[0].clone());
    let lu = LU::new(a);
    let sign: f64 = lu.p().determinant();
    let product = lu.u().diagonal().iter().fold(sign, |product, x| product * (x * scale));
    Ok([Matrix::from_element(1, 1, product)])
}

pub(crate) fn slogdet(m: &[Matrix]) -> Factors<2> {
    let (a, scale) = scaled(m[0].clone());
    let lu = LU::new(a);
    let mut sign: f64 = lu.p().determinant();
    let mut logarithm = m[0].nrows() as f64 * scale.ln();
    for &x in lu.u().diagonal().iter() {
        sign *= if x == 0.0 { 0.0 } else { x.signum() };
        logarithm += x.abs().ln();
    }
    Ok([Matrix::from_element(1, 1, sign), Matrix::from_element(1, 1, logarithm)])
}

pub(crate) fn eigh(m: &[Matrix]) -> Factors<2> {
    let (m, scale) = scaled(symmetric_part(&m[0]));
    let n = m.nrows();
    if !m.iter().all(|x| x.is_finite()) {
        return Err(NOT_FINITE);
    }
    if n == 0 {
        return Ok([Matrix::zeros(0, 1), m]);
    }
    // A few iterations per eigenvalue suffice.
    let eigen = SymmetricEigen::try_new(m, f64::EPSILON, 1000 * n).ok_or(NOT_CONVERGED)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| eigen.eigenvalues[i].total_cmp(&eigen.eigenvalues[j]));
    let values = Matrix::from_fn(n, 1, |k, _| eigen.eigenvalues[order[k]] * scale);
    let mut vectors = Matrix::zeros(n, n);
    for (k, &j) in order.iter().enumerate() {
        let column = eigen.eigenvectors.column(j);
        let sign = column[column.iamax()].signum();
        vectors.set_column(k, &(column * sign));
    }
    Ok([values, vectors])
}

pub(crate) fn qr(m: &[Matrix]) -> Factors<2> {
    let (m, scale) = scaled(m[0].clone());
    let factors = QR::new(m);
    Ok([factors.q(), factors.r() * scale])
}
