//! Rules of linear algebra. Formulas: Giles, "An extended collection of matrix derivative results
//! for forward and reverse mode algorithmic differentiation" (2008); for QR, Walter and Lehmann,
//! "Algorithmic differentiation of linear algebra functions" (2010).

use smallvec::smallvec;
use tensor::ops::{Linalg, apply};
use tensor::{Error, Result, Tensor};

use super::pass::Pass;
use super::selection::{Input, Output};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Linalg, pass: P) -> P::Answer {
    match *op {
        // A X = B: dB = A⁻ᵀ G and dA = -dB Xᵀ.
        Linalg::Solve => pass.many((Input(0), Output(0)), |cx, g, (a, x)| {
            let db = apply(Linalg::Solve, &[&a.t()?, g])?;
            let da = cx.if_needed(0, || db.matmul(&x.t()?)?.try_neg())?;
            Ok(smallvec![da, Some(db)])
        }),
        // The same. Elements of A that the operation does not read have no gradient.
        Linalg::SolveTriangular { lower, unit_diagonal } => pass.many((Input(0), Output(0)), |cx, g, (a, x)| {
            let db = apply(Linalg::SolveTriangular { lower: !lower, unit_diagonal }, &[&a.t()?, g])?;
            let da = cx.if_needed(0, || {
                let da = db.matmul(&x.t()?)?.try_neg()?;
                let unread_diagonals = isize::from(unit_diagonal);
                if lower { da.tril(-unread_diagonals) } else { da.triu(unread_diagonals) }
            })?;
            Ok(smallvec![da, Some(db)])
        }),
        // dA = L⁻ᵀ Φ(Lᵀ G) L⁻¹. Φ takes the lower triangle and halves its diagonal.
        Linalg::Cholesky => pass.one(Output(0), |g, l| {
            let transposed = l.t()?;
            let product = transposed.matmul(&g.tril(0)?)?;
            let phi = product.tril(0)?.try_add(product.tril(-1)?)?.try_mul(0.5)?;
            let left = upper_solve(&transposed, &phi)?;
            symmetric_part(&upper_solve(&transposed, &left.t()?)?)
        }),
        Linalg::Det => pass.one((Input(0), Output(0)), |g, (a, det)| as_matrix(g)?.try_mul(cofactors(a, det)?)),
        // The sign is piecewise constant.
        Linalg::Slogdet => pass.all(Input(0), |cx, a| {
            Ok(smallvec![match &cx.gradients[1] {
                Some(g) => Some(as_matrix(g)?.try_mul(inverse_for(op, a)?.t()?)?),
                None => None,
            }])
        }),
        // V (diag(dλ) + F ∘ Vᵀ dV) Vᵀ with Fᵢⱼ = 1 / (λⱼ - λᵢ) off the diagonal.
        Linalg::Eigh => pass.all((Output(0), Output(1)), |cx, (values, vectors)| {
            let mut inner = match &cx.gradients[0] {
                Some(g) => g.expand_dims(-2)?.try_mul(eye_like(vectors)?)?,
                None => vectors.zeros_like(),
            };
            if let Some(g) = &cx.gradients[1] {
                inner = inner.try_add(vectors.t()?.matmul(g)?.try_mul(inverse_gaps(values, g)?)?)?;
            }
            Ok(smallvec![Some(symmetric_part(&vectors.matmul(&inner)?.matmul(&vectors.t()?)?)?)])
        }),
        // (dQ + Q M) R⁻ᵀ. M mirrors the lower triangle of R dRᵀ - dQᵀ Q.
        Linalg::Qr => pass.all((Output(0), Output(1)), |cx, (q, r)| {
            let dq = cx.gradients[0].clone().unwrap_or_else(|| q.zeros_like());
            let dr = cx.gradients[1].clone().unwrap_or_else(|| r.zeros_like()).triu(0)?;
            let m = r.matmul(&dr.t()?)?.try_sub(dq.t()?.matmul(q)?)?;
            let mirrored = m.tril(0)?.try_add(m.tril(-1)?.t()?)?;
            let left = dq.try_add(q.matmul(&mirrored)?)?;
            Ok(smallvec![Some(upper_solve(r, &left.t()?)?.t()?)])
        }),
    }
}

/// Scalars as 1 × 1 matrices.
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

/// `1 / (λⱼ - λᵢ)`, and 0 on the diagonal, to multiply the gradient `g` of the eigenvectors.
///
/// Two eigenvalues count as equal if they differ by no more than rounding may cause, `4 n ε max |λ|` (equal eigenvalues
/// of random matrices were up to `3 n ε` apart). Their eigenvectors are not determined, so the target must not depend
/// on them: the quotient then multiplies zeros only. It is replaced by a large finite number, so the next derivative
/// does not lose it where that does not multiply zeros.
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
            "the target depends on an eigenvector of a repeated eigenvalue, which is not determined and has no gradient",
        ));
    }
    let gaps = diagonal.select(1.0, equal.select(rounding, gaps)?)?;
    diagonal.select(0.0, gaps.reciprocal())
}

/// The derivative of a determinant. `det(A) A⁻ᵀ` is cheap, but needs a matrix that is not singular, nor close to it if the
/// result is differentiated again. The minors always work, but there are `n²` of them.
fn cofactors(a: &Tensor, det: &Tensor) -> Result<Tensor> {
    let (rank, n) = (a.rank(), a.shape()[a.rank() - 1]);
    if n > MAX_ROWS_FOR_MINORS {
        return as_matrix(det)?.try_mul(inverse_for(&Linalg::Det, a)?.t()?);
    }
    let all_but_one: Vec<i64> = (0..n).flat_map(|i| (0..n).filter(move |&k| k != i)).map(|k| k as i64).collect();
    let all_but_one = Tensor::from(all_but_one);
    let shape: Vec<usize> = a.shape()[..rank - 2].iter().copied().chain([n, n.max(1) - 1, n, n.max(1) - 1]).collect();
    let minors = a.take(&all_but_one, -2)?.take(&all_but_one, -1)?.reshape(&shape[..])?.transpose(-3, -2)?;
    let signs: Vec<f64> = (0..n * n).map(|k| if (k / n + k % n) % 2 == 0 { 1.0 } else { -1.0 }).collect();
    apply(Linalg::Det, &[&minors])?.try_mul(Tensor::from_vec(signs, [n, n])?.cast(a.dtype()))
}

/// The largest matrices whose gradient is computed from minors.
const MAX_ROWS_FOR_MINORS: usize = 8;
