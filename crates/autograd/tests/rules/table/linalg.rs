//! The rows of linear algebra, on batches of small matrices.

use autograd::Result;
use autograd::tensor::Tensor;
use serde_json::json;

use super::sampler::Sampler;
use super::{Row, Sample, row};

/// Matrices with elements between -0.5 and 0.5, but `diagonal(k)` more on the diagonal.
fn matrices(s: &mut Sampler, batch: &[usize], rows: usize, columns: usize, diagonal: fn(usize) -> f64) -> Tensor {
    let shape: Vec<usize> = batch.iter().copied().chain([rows, columns]).collect();
    let number = |k: usize| if k / columns == k % columns { diagonal(k % columns) } else { 0.0 };
    let added = Tensor::from_vec((0..rows * columns).map(number).collect::<Vec<f64>>(), [rows, columns]);
    (s.within(&shape, -0.5, 0.5) + added.expect("as many numbers")).stop_gradient()
}

/// The leading two of the drawn axes.
fn batch(s: &Sampler) -> Vec<usize> {
    s.shape.iter().copied().take(2).collect()
}

fn square(s: &mut Sampler, diagonal: fn(usize) -> f64) -> Sample {
    let (batch, n) = (batch(s), s.below(4));
    Some((vec![matrices(s, &batch, n, n, diagonal)], json!({})))
}

fn far_from_singular(s: &mut Sampler) -> Sample {
    square(s, |_| 2.0)
}

fn with_distinct_eigenvalues(s: &mut Sampler) -> Sample {
    square(s, |k| 2.0 * k as f64)
}

/// Matrices whose first row is the sum of the others, or zero.
fn singular(s: &mut Sampler) -> Sample {
    let (batch, n) = (batch(s), 1 + s.below(3));
    let rest = matrices(s, &batch, n - 1, n, |_| 0.3);
    let first = rest.sum_keepdims(-2).expect("rows") * f64::from(u8::from(s.coin()));
    let a = Tensor::concat(&[&first, &rest], -2).expect("rows");
    Some((vec![a.stop_gradient()], json!({})))
}

fn system(s: &mut Sampler) -> Sample {
    let (full, n, columns) = (batch(s), s.below(4), s.below(3));
    let part = full[s.below(full.len() + 1)..].to_vec();
    let (a, b) = if s.coin() { (full, part) } else { (part, full) };
    let inputs = vec![matrices(s, &a, n, n, |_| 2.0), matrices(s, &b, n, columns, |_| 0.0)];
    Some((inputs, json!({"lower": s.coin(), "unit_diagonal": s.coin()})))
}

fn system_with_vector(s: &mut Sampler) -> Sample {
    let (batch, n) = (batch(s), 1 + s.below(3));
    Some((vec![matrices(s, &batch, n, n, |_| 2.0), s.within(&[n], -1.0, 1.0)], json!({})))
}

fn of_any_sides(s: &mut Sampler) -> Sample {
    let (batch, rows, columns) = (batch(s), s.below(4), 1 + s.below(3));
    Some((vec![matrices(s, &batch, rows, columns, |_| 2.0)], json!({})))
}

/// Both outputs as one.
fn both((a, b): (Tensor, Tensor)) -> Result<Tensor> {
    let flat = |x: &Tensor| x.reshape([-1]);
    Tensor::concat(&[&flat(&a)?, &flat(&b)?], 0)
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("solve", |x, _| x[0].solve(&x[1]), system),
        row("solve_vector", |x, _| x[0].solve(&x[1]), system_with_vector),
        row(
            "solve_triangular",
            |x, a| {
                let lower = a["lower"] == true;
                let solve =
                    if a["unit_diagonal"] == true { Tensor::solve_unit_triangular } else { Tensor::solve_triangular };
                solve(&x[0], &x[1], lower)
            },
            system,
        ),
        row("inverse", |x, _| x[0].inverse(), far_from_singular),
        row("cholesky", |x, _| x[0].cholesky(), far_from_singular),
        row("det", |x, _| x[0].det(), far_from_singular),
        row("det_singular", |x, _| x[0].det(), singular),
        row("slogdet", |x, _| Ok(x[0].slogdet()?.1), far_from_singular),
        row("eigh", |x, _| both(x[0].eigh()?), with_distinct_eigenvalues),
        row("eigenvalues", |x, _| Ok(x[0].eigh()?.0), with_distinct_eigenvalues),
        row("eigenvectors", |x, _| Ok(x[0].eigh()?.1), with_distinct_eigenvalues),
        row("qr", |x, _| both(x[0].qr()?), of_any_sides),
        row("qr_orthogonal", |x, _| Ok(x[0].qr()?.0), of_any_sides),
        row("qr_triangular", |x, _| Ok(x[0].qr()?.1), of_any_sides),
    ]
}
