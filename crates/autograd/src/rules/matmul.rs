//! The rule of the matrix product.

use tensor::ops::{Matmul, apply};
use tensor::{Result, Shape, Tensor};

use super::pass::Pass;

/// `dA = G Bᵀ` and `dB = Aᵀ G`, in which vectors count as matrices. Where zeros of a factor are skipped in the product,
/// they are skipped in the gradients too.
pub(super) fn rule<'a, P: Pass<'a>>(op: &Matmul, pass: P) -> P::Answer {
    pass.bilinear(|g, b, a| left(*op, g, a.shape, b), |g, a, b| right(*op, g, a, b.shape))
}

fn left(op: Matmul, g: &Tensor, a: &Shape, b: &Tensor) -> Result<Tensor> {
    let product = match op {
        Matmul::Dense => Matmul::Dense,
        // The gradient is sparse.
        Matmul::Sampled => Matmul::SparseLeft,
        // The gradient of an absent element is computed but not used: its own gradient is 0 in turn.
        Matmul::SparseLeft => Matmul::Sampled,
        Matmul::SparseRight => Matmul::SparseRight,
    };
    let g = as_matrices(g, a, b.shape())?;
    let b = if is_vector(b.shape()) { b.expand_dims(0)? } else { b.t()? };
    let gradient = apply(product, &[&g, &b])?;
    if is_vector(a) { gradient.squeeze(-2) } else { Ok(gradient) }
}

fn right(op: Matmul, g: &Tensor, a: &Tensor, b: &Shape) -> Result<Tensor> {
    let product = match op {
        Matmul::Dense => Matmul::Dense,
        Matmul::Sampled => Matmul::SparseRight,
        Matmul::SparseLeft => Matmul::SparseLeft,
        Matmul::SparseRight => Matmul::Sampled,
    };
    let g = as_matrices(g, a.shape(), b)?;
    let gradient = if a.rank() > 2 && b.rank() <= 2 {
        // One product of the rows of all matrices, instead of one product for each matrix and their sum.
        apply(product, &[&rows(a)?.t()?, &rows(&g)?])?
    } else {
        let a = if is_vector(a.shape()) { a.expand_dims(1)? } else { a.t()? };
        apply(product, &[&a, &g])?
    };
    if is_vector(b) { gradient.squeeze(-1) } else { Ok(gradient) }
}

fn is_vector(shape: &Shape) -> bool {
    shape.rank() == 1
}

/// The gradient of a product, with an axis of size 1 for each factor that is a vector.
fn as_matrices(g: &Tensor, a: &Shape, b: &Shape) -> Result<Tensor> {
    let mut g = g.clone();
    if is_vector(b) {
        g = g.expand_dims(-1)?;
    }
    if is_vector(a) {
        g = g.expand_dims(-2)?;
    }
    Ok(g)
}

/// All axes but the last as one.
pub(super) fn rows(x: &Tensor) -> Result<Tensor> {
    let (last, leading) = x.shape().split_last().expect("matrices have axes");
    x.reshape([leading.iter().product(), *last])
}
