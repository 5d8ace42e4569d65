//! Rules of linear algebra. Formulas: Giles, "An extended collection of matrix derivative results
//! for forward and reverse mode algorithmic differentiation" (2008); for QR, Walter and Lehmann,
//! "Algorithmic differentiation of linear algebra functions" (2010).

use smallvec::smallvec;
use tensor::ops::{Linalg, apply};
use tensor::{Error, Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;

pub(super) fn needs(op: &Linalg) -> Needs {
    match op {
        Linalg::Solve | Linalg::SolveTriangular { .. } => Needs::FirstAndOutput,
        Linalg::Det => Needs::Both,
        Linalg::Slogdet => Needs::Inputs,
        Linalg::Cholesky | Linalg::Eigh | Linalg::Qr => Needs::Output,
    }
}

pub(super) fn backward(op: &Linalg, site: &Site, gradients: &[Option<Tensor>]) -> Result<Parts> {
    match *op {
        // A X = B: dB = A⁻ᵀ G and dA = -dB Xᵀ.
        Linalg::Solve => {
            let b = apply(Linalg::Solve, &[&site.input(0).t()?, only(gradients)])?;
            let a = if site.wants(0) { Some(b.matmul(&site.output().t()?)?.try_neg()?) } else { None };
            Ok(smallvec![a, Some(b)])
        }
        // The same, but elements that were not read have no gradient.
        Linalg::SolveTriangular { lower, unit_diagonal } => {
            let transposed = Linalg::SolveTriangular { lower: !lower, unit_diagonal };
            let b = apply(transposed, &[&site.input(0).t()?, only(gradients)])?;
            if !site.wants(0) {
                return Ok(smallvec![None, Some(b)]);
            }
            let a = b.matmul(&site.output().t()?)?.try_neg()?;
            let unread = isize::from(unit_diagonal);
            Ok(smallvec![Some(if lower { a.tril(-unread)? } else { a.triu(unread)? }), Some(b)])
        }
        // dA = L⁻ᵀ Φ(Lᵀ G) L⁻¹, Φ being the lower triangle with half of the diagonal.
        Linalg::Cholesky => {
            let transposed = site.output().t()?;
            let product = transposed.matmul(&only(gradients).tril(0)?)?;
            let phi = product.tril(0)?.try_add(product.tril(-1)?)?.try_mul(0.5)?;
            let left = upper_solve(&transposed, &phi)?;
            Ok(smallvec![Some(symmetric_part(&upper_solve(&transposed, &left.t()?)?)?)])
        }
        Linalg::Det => Ok(smallvec![Some(as_matrix(only(gradients))?.try_mul(cofactors(site)?)?)]),
        // The sign is constant but where it jumps.
        Linalg::Slogdet => Ok(smallvec![match &gradients[1] {
            Some(g) => Some(as_matrix(g)?.try_mul(inverse_for(op, site.input(0))?.t()?)?),
            None => None,
        }]),
        // V (diag(dλ) + F ∘ Vᵀ dV) Vᵀ with Fᵢⱼ = 1 / (λⱼ - λᵢ) off the diagonal.
        Linalg::Eigh => {
            let (values, vectors) = (site.output_at(0), site.output_at(1));
            let mut inner = match &gradients[0] {
                Some(g) => g.expand_dims(-2)?.try_mul(eye_like(vectors)?)?,
                None => vectors.zeros_like(),
            };
            if let Some(g) = &gradients[1] {
                inner = inner.try_add(vectors.t()?.matmul(g)?.try_mul(inverse_gaps(values, g)?)?)?;
            }
            Ok(smallvec![Some(symmetric_part(&vectors.matmul(&inner)?.matmul(&vectors.t()?)?)?)])
        }
        // (dQ + Q M) R⁻ᵀ, M being the lower triangle of R dRᵀ - dQᵀ Q, mirrored.
        Linalg::Qr => {
            let (q, r) = (site.output_at(0), site.output_at(1));
            let gradient = |k: usize| gradients[k].clone().unwrap_or_else(|| site.output_at(k).zeros_like());
            let (dq, dr) = (gradient(0), gradient(1).triu(0)?);
            let m = r.matmul(&dr.t()?)?.try_sub(dq.t()?.matmul(q)?)?;
            let mirrored = m.tril(0)?.try_add(m.tril(-1)?.t()?)?;
            let left = dq.try_add(q.matmul(&mirrored)?)?;
            Ok(smallvec![Some(upper_solve(r, &left.t()?)?.t()?)])
        }
    }
}

/// The gradient of an operation with one output: a rule is asked only if some gradient is there.
fn only(gradients: &[Option<Tensor>]) -> &Tensor {
    gradients[0].as_ref().expect("the gradient of the only output")
}

/// Numbers as matrices of one row and one column.
fn as_matrix(x: &Tensor) -> Result<Tensor> {
    x.expand_dims(-1)?.expand_dims(-1)
}

/// `U⁻¹ B`, `U` being upper triangular.
fn upper_solve(u: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Linalg::SolveTriangular { lower: false, unit_diagonal: false }, &[u, b])
}

/// `(A + Aᵀ) / 2`.
fn symmetric_part(a: &Tensor) -> Result<Tensor> {
    a.try_add(a.t()?)?.try_mul(0.5)
}

/// The identity matrix of the size and type of square matrices.
fn eye_like(a: &Tensor) -> Result<Tensor> {
    Ok(Tensor::eye(a.shape()[a.rank() - 1]).cast(a.dtype()))
}

/// The inverse of a matrix; an error names the operation whose gradient needs it.
fn inverse_for(op: &Linalg, a: &Tensor) -> Result<Tensor> {
    apply(Linalg::Solve, &[a, &eye_like(a)?]).map_err(|error| error.context(op.name()))
}

/// `1 / (λⱼ - λᵢ)`, and 0 on the diagonal, to meet the gradient `g` of the vectors.
///
/// Eigenvalues count as equal if they differ by no more than rounding may have moved them, `4 n ε max |λ|`
/// (equal ones of random matrices came out up to 3 n ε apart). Then their vectors are not determined, and must have no part in the target: what stands in their place
/// meets zeros only, and is so large that the next derivative does not get lost where it does not.
fn inverse_gaps(values: &Tensor, g: &Tensor) -> Result<Tensor> {
    if values.size() == 0 {
        return Ok(g.zeros_like());
    }
    let n = values.shape()[values.rank() - 1];
    let gaps = values.expand_dims(-2)?.try_sub(values.expand_dims(-1)?)?;
    let largest = values.stop_gradient().abs().max_keepdims(-1)?.expand_dims(-1)?;
    let rounding = largest.try_mul(4.0 * n as f64 * f64::EPSILON)?;
    let diagonal = Tensor::eye(n).equal(1.0)?;
    let equal = gaps.abs().less_equal(&rounding)?.logical_and(diagonal.logical_not()?)?;
    let used = g.not_equal(0.0)?.any_keepdims(-2)?;
    if equal.logical_and(used)?.any()?.item()? != 0.0 {
        return Err(Error::argument(
            "eigh",
            "an eigenvector is used whose eigenvalue is equal to another, so that it is not determined and has no \
             gradient",
        ));
    }
    let gaps = diagonal.select(1.0, equal.select(rounding, gaps)?)?;
    diagonal.select(0.0, gaps.reciprocal())
}

/// The derivative of a determinant. `det A⁻ᵀ` holds where a matrix is not singular, and far from it
/// where that is to be differentiated again; the minors, of which there are the square of the rows,
/// hold everywhere.
fn cofactors(site: &Site) -> Result<Tensor> {
    let a = site.input(0);
    let (rank, n) = (a.rank(), a.shape()[a.rank() - 1]);
    if n > LARGEST_WITH_MINORS {
        return as_matrix(site.output())?.try_mul(inverse_for(&Linalg::Det, a)?.t()?);
    }
    let all_but_one: Vec<i64> = (0..n).flat_map(|i| (0..n).filter(move |&k| k != i)).map(|k| k as i64).collect();
    let all_but_one = Tensor::from(all_but_one);
    let shape: Vec<usize> = a.shape()[..rank - 2].iter().copied().chain([n, n.max(1) - 1, n, n.max(1) - 1]).collect();
    let minors = a.take(&all_but_one, -2)?.take(&all_but_one, -1)?.reshape(&shape[..])?.transpose(-3, -2)?;
    let signs: Vec<f64> = (0..n * n).map(|k| if (k / n + k % n) % 2 == 0 { 1.0 } else { -1.0 }).collect();
    apply(Linalg::Det, &[&minors])?.try_mul(Tensor::from_vec(signs, [n, n])?.cast(a.dtype()))
}

/// The most rows with which a gradient is made of minors.
const LARGEST_WITH_MINORS: usize = 8;
