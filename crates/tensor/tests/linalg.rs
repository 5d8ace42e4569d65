//! Linear algebra: factors against the products that define them, and rejected operands.
#![cfg(feature = "linalg")]

use proptest::prelude::*;
use tensor::{DType, Generator, Result, Tensor, tensor};

/// Random matrices with elements between -1 and 1, plus `diagonal` on the diagonal.
fn matrices(seed: u64, shape: &[usize], diagonal: f64) -> Tensor {
    let x = Generator::new(seed).uniform(shape, -1.0..1.0).expect("a range").cast(DType::F64);
    let [.., rows, columns] = *shape else { panic!("matrices have two axes") };
    let n = rows.max(columns);
    let eye = Tensor::eye(n).cast(DType::F64).slice((..rows as isize, ..columns as isize)).expect("a part");
    x + eye * diagonal
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let difference = (a - b).abs();
    if difference.size() == 0 { 0.0 } else { difference.max().expect("elements").item().expect("a number") }
}

fn identity(batch: &[usize], n: usize) -> Tensor {
    let shape: Vec<usize> = batch.iter().copied().chain([n, n]).collect();
    Tensor::eye(n).cast(DType::F64).expand(&shape[..]).expect("a batch")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn factors_multiply_to_their_matrix(
        batch in prop::collection::vec(0usize..4, 0..3),
        rows in 0usize..7,
        columns in 0usize..7,
        seed in any::<u64>(),
    ) {
        let shape = |m: usize, n: usize| batch.iter().copied().chain([m, n]).collect::<Vec<_>>();
        let n = rows;
        let check = || -> Result<()> {
            let a = matrices(seed, &shape(n, n), n as f64);
            let b = matrices(seed + 1, &shape(n, columns), 0.0);
            // Diagonally dominant: condition and growth are below ten, so 1e-13 is plenty.
            assert!(largest_difference(&a.matmul(&a.solve(&b)?)?, &b) < 1e-13);
            assert!(largest_difference(&a.inverse()?.matmul(&a)?, &identity(&batch, n)) < 1e-13);
            let lower = a.tril(0)?;
            assert!(largest_difference(&lower.matmul(&a.solve_triangular(&b, true)?)?, &b) < 1e-13);
            let unit_upper = a.triu(1)?.try_add(identity(&batch, n))?;
            let x = a.solve_unit_triangular(&b, false)?;
            let scale = x.abs().sum().item()?.max(1.0) * n.max(1) as f64;
            assert!(largest_difference(&unit_upper.matmul(&x)?, &b) < 1e-13 * scale);

            let symmetric = (&a + a.t()?) / 2.0;
            let l = a.cholesky()?;
            assert_eq!(largest_difference(&l, &l.tril(0)?), 0.0);
            assert!(largest_difference(&l.matmul(&l.t()?)?, &symmetric) < 1e-13);

            let (values, vectors) = a.eigh()?;
            let scaled = &vectors * values.expand_dims(-2)?;
            assert!(largest_difference(&scaled.matmul(&vectors.t()?)?, &symmetric) < 1e-13 * n.max(1) as f64);
            assert!(largest_difference(&vectors.t()?.matmul(&vectors)?, &identity(&batch, n)) < 1e-13);
            assert_eq!(largest_difference(&values, &values.sort(-1)?.0), 0.0);

            let determinant = a.det()?;
            let (sign, logarithm) = a.slogdet()?;
            let scale = determinant.abs() + 1.0;
            assert!(largest_difference(&(sign * logarithm.exp() / &scale), &(&determinant / &scale)) < 1e-13);
            let by_factor = l.matmul(&l.t()?)?.det()?;
            assert!(largest_difference(&(by_factor / &scale), &(symmetric.det()? / &scale)) < 1e-12);

            let c = matrices(seed + 2, &shape(rows, columns), 0.5);
            let (q, r) = c.qr()?;
            let k = rows.min(columns);
            assert_eq!((q.shape(), r.shape()), (&shape(rows, k).into(), &shape(k, columns).into()));
            assert!(largest_difference(&q.matmul(&r)?, &c) < 1e-13);
            assert!(largest_difference(&q.t()?.matmul(&q)?, &identity(&batch, k)) < 1e-13);
            assert_eq!(largest_difference(&r, &r.triu(0)?), 0.0);
            assert!((&r * Tensor::eye(k.max(columns)).cast(DType::F64).slice((..k as isize, ..columns as isize))?)
                .greater_equal(0.0)?.all()?.item()? != 0.0);
            Ok(())
        };
        check().map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}

#[test]
fn views_and_float32_give_the_same_factors() -> Result<()> {
    let a = matrices(3, &[2, 5, 5], 4.0);
    assert_eq!(a.t()?.solve(&a)?.to_vec::<f64>()?, a.t()?.try_add(0.0)?.solve(&a)?.to_vec::<f64>()?);
    // Computed in float64 and rounded once.
    let single = a.cast(DType::F32);
    let expected = single.cast(DType::F64).cholesky()?.cast(DType::F32);
    assert_eq!(single.cholesky()?.to_vec::<f32>()?, expected.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn singular_matrices_and_empty_ones() -> Result<()> {
    let singular = tensor![[1.0, 2.0], [2.0, 4.0]];
    assert_eq!(singular.det()?.item()?, 0.0);
    let (sign, logarithm) = singular.slogdet()?;
    assert_eq!((sign.item()?, logarithm.item()?), (0.0, f64::NEG_INFINITY));
    let error = singular.solve(tensor![1.0, 1.0]).unwrap_err();
    assert_eq!(error.to_string(), "solve: the matrix is singular");
    let two = Tensor::stack(&[&Tensor::eye(2), &singular], 0)?;
    assert_eq!(two.inverse().unwrap_err().to_string(), "inverse: solve: matrix 1 of [2] is singular");

    let none = Tensor::zeros([0, 0]);
    assert_eq!(none.det()?.item()?, 1.0);
    assert_eq!(none.slogdet()?.0.item()?, 1.0);
    assert_eq!(none.cholesky()?.shape()[..], [0, 0]);
    assert_eq!(Tensor::zeros([0, 3, 3]).eigh()?.0.shape()[..], [0, 3]);

    // Even for rank 1, the columns of Q are orthonormal.
    let (q, r) = Tensor::ones([3, 2]).cast(DType::F64).qr()?;
    assert!(largest_difference(&q.t()?.matmul(&q)?, &identity(&[], 2)) < 1e-15);
    assert!(largest_difference(&q.matmul(&r)?, &Tensor::ones([3, 2]).cast(DType::F64)) < 1e-15);
    let (q, r) = Tensor::zeros([2, 2]).cast(DType::F64).qr()?;
    assert_eq!(largest_difference(&q.t()?.matmul(&q)?, &identity(&[], 2)), 0.0);
    assert_eq!(r.to_vec::<f64>()?, [0.0; 4]);
    Ok(())
}

#[test]
fn equal_eigenvalues_have_orthogonal_vectors() -> Result<()> {
    let (values, vectors) = identity(&[], 4).eigh()?;
    assert_eq!(values.to_vec::<f64>()?, [1.0; 4]);
    assert_eq!(largest_difference(&vectors.t()?.matmul(&vectors)?, &identity(&[], 4)), 0.0);
    Ok(())
}

#[test]
fn nan_is_refused_or_propagated_and_never_loops() -> Result<()> {
    let bad = tensor![[1.0, f64::NAN], [0.0, 1.0]];
    let error = bad.eigh().unwrap_err();
    assert_eq!(error.to_string(), "eigh: the matrix has elements that are NaN or infinite");
    assert!(bad.cholesky().is_err());
    assert!(bad.det()?.item()?.is_nan());
    assert!(bad.solve(tensor![1.0, 1.0])?.isnan().any()?.item()? != 0.0);
    Ok(())
}

#[test]
fn errors_name_the_operation_the_shapes_and_what_would_be_right() {
    let message = |result: Result<Tensor>| result.unwrap_err().to_string();
    let a = Tensor::eye(3);
    assert_eq!(
        message(a.solve(Tensor::zeros([4, 2]))),
        "solve: [3, 3] × [4, 2]: 3 unknowns but 4 rows on the right side"
    );
    assert_eq!(
        message(a.solve(Tensor::scalar(1.0))),
        "solve: [3, 3] × []: the right side needs two axes, […, rows, columns]"
    );
    assert_eq!(message(a.solve(Tensor::zeros([3]).cast(DType::F64))), {
        "solve: float32 and float64 differ; cast the float32 one, as in `x.cast(DType::F64)`"
    });
    assert_eq!(
        message(Tensor::zeros([2, 3, 3]).solve(Tensor::zeros([4, 3, 1]))),
        "solve: [2, 3, 3] × [4, 3, 1]: the batch axes (all but the last two) do not broadcast"
    );
    assert_eq!(message(Tensor::zeros([2, 3]).det()), "det: shape [2, 3]: expected square matrices, […, n, n]");
    assert_eq!(message(Tensor::zeros([3]).inverse()), "inverse: shape [3]: expected square matrices, […, n, n]");
    assert_eq!(
        message(tensor![[1.0, 2.0], [2.0, 1.0]].cholesky()),
        "cholesky: the matrix is not positive definite (or has NaN); `eigh` returns its eigenvalues"
    );
    assert_eq!(message(tensor![[1, 2], [2, 1]].det()), "det: int64 is not a floating type; cast the operands first");
    assert_eq!(
        message(Tensor::zeros([2, 2]).solve_triangular(tensor![1.0, 1.0], true)),
        "solve_triangular: the matrix has a zero on its diagonal, so it is singular"
    );
}

/// The reciprocals of these pivots are infinite.
#[test]
fn pivots_may_be_subnormal() -> Result<()> {
    let a = tensor![[1.0, 2.0], [3.0, 4.0]].cast(DType::F64) * 1e-310;
    assert_eq!(a.det()?.item()?, 0.0);
    let (sign, logarithm) = a.slogdet()?;
    assert_eq!(sign.item()?, -1.0);
    assert!((logarithm.item()? - (2f64.ln() - 620.0 * 10f64.ln())).abs() < 1e-12 * 1427.0);
    let x = a.solve((tensor![5.0, 11.0].cast(DType::F64)) * 1e-310)?;
    assert!(largest_difference(&x, &tensor![1.0, 2.0].cast(DType::F64)) < 1e-12);
    Ok(())
}

#[test]
fn squares_of_elements_may_overflow() -> Result<()> {
    let a = matrices(5, &[4, 4], 1.0);
    let ((values, vectors), (q, r)) = (a.eigh()?, a.qr()?);
    for power in [-1022, -600, 600, 1020] {
        let scale = 2f64.powi(power);
        let scaled = &a * scale;
        assert_eq!(scaled.eigh()?.0.to_vec::<f64>()?, (&values * scale).to_vec::<f64>()?, "2^{power}");
        assert_eq!(scaled.eigh()?.1.to_vec::<f64>()?, vectors.to_vec::<f64>()?);
        assert_eq!(scaled.qr()?.0.to_vec::<f64>()?, q.to_vec::<f64>()?);
        assert_eq!(scaled.qr()?.1.to_vec::<f64>()?, (&r * scale).to_vec::<f64>()?);
    }
    Ok(())
}

/// Larger than any block size, to exercise blocked algorithms.
#[test]
fn large_matrices() -> Result<()> {
    let n = 150;
    let a = matrices(11, &[n, n], 20.0);
    assert!(largest_difference(&a.matmul(&a.inverse()?)?, &identity(&[], n)) < 1e-12);
    let (values, vectors) = a.eigh()?;
    let symmetric = (&a + a.t()?) / 2.0;
    assert!(largest_difference(&symmetric.matmul(&vectors)?, &(&vectors * values)) < 1e-11);
    let (q, r) = a.qr()?;
    assert!(largest_difference(&q.matmul(&r)?, &a) < 1e-11);
    Ok(())
}
