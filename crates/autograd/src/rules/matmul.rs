//! The rule of the matrix product.

use tensor::ops::{Matmul, apply};
use tensor::{Result, Tensor};

use super::Needs;
use crate::site::Site;

pub(super) fn needs(_: &Matmul) -> Needs {
    Needs::Others
}

/// `dA = G Bᵀ` and `dB = Aᵀ G`, after vectors were made matrices; the tape sums over broadcast
/// batches. Where zeros of one factor are absent, they are absent there too.
pub(super) fn backward(op: &Matmul, site: &Site, g: &Tensor, k: usize) -> Result<Tensor> {
    let vector = |k: usize| site.shape(k).rank() == 1;
    // The gradient with the axes that vectors do not leave behind.
    let mut g = g.clone();
    if vector(1) {
        g = g.expand_dims(-1)?;
    }
    if vector(0) {
        g = g.expand_dims(-2)?;
    }
    let product = match (op, k) {
        (Matmul::Dense, _) => Matmul::Dense,
        // The gradient is sparse.
        (Matmul::Sampled, 0) => Matmul::SparseLeft,
        (Matmul::Sampled, _) => Matmul::SparseRight,
        // The gradient of an absent element is computed but not used: its own gradient is 0 in turn.
        (Matmul::SparseLeft, 0) | (Matmul::SparseRight, 1) => Matmul::Sampled,
        (Matmul::SparseLeft | Matmul::SparseRight, _) => *op,
    };
    let part = if k == 1 && site.shape(0).rank() > 2 && site.shape(1).rank() <= 2 {
        // The rows of all matrices at once, instead of a product for each and their sum.
        apply(product, &[&rows(site.input(0))?.t()?, &rows(&g)?])?
    } else if k == 0 {
        let b = site.input(1);
        let b = if vector(1) { b.expand_dims(0)? } else { b.t()? };
        apply(product, &[&g, &b])?
    } else {
        let a = site.input(0);
        let a = if vector(0) { a.expand_dims(1)? } else { a.t()? };
        apply(product, &[&a, &g])?
    };
    match (vector(k), k) {
        (true, 0) => part.squeeze(-2),
        (true, _) => part.squeeze(-1),
        (false, _) => Ok(part),
    }
}

/// All but the last axis as one.
pub(super) fn rows(x: &Tensor) -> Result<Tensor> {
    let (last, leading) = x.shape().split_last().expect("matrices have axes");
    x.reshape([leading.iter().product(), *last])
}
