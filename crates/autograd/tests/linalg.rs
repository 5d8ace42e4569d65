//! Gradients of linear algebra where a factor is not unique or does not exist.

use autograd::tensor::{DType, Generator, Tensor, tensor};
use autograd::{GradientTape, Result, Tolerance, gradcheck};

/// The gradient of `f` at `x`.
fn gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let tape = GradientTape::new();
    tape.watch(x);
    tape.gradient(&f(x)?, x)
}

#[test]
fn a_determinant_has_a_gradient_at_a_singular_matrix() -> Result<()> {
    let x = tensor![[1.0, 2.0], [2.0, 4.0]];
    assert_eq!(gradient(&x, Tensor::det)?.to_vec::<f32>()?, [4.0, -2.0, -2.0, 1.0]);
    assert_eq!(gradient(&Tensor::zeros([1, 1]), Tensor::det)?.to_vec::<f32>()?, [1.0]);
    // With three zero rows all minors are 0.
    assert_eq!(gradient(&Tensor::zeros([3, 3]), Tensor::det)?.to_vec::<f32>()?, [0.0; 9]);
    let error = gradient(&Tensor::zeros([9, 9]), Tensor::det).unwrap_err();
    assert_eq!(error.to_string(), "gradient: det: solve: the matrix is singular");
    Ok(())
}

#[test]
fn eigenvectors_of_equal_eigenvalues_have_no_gradient_but_their_values_have() -> Result<()> {
    let x = Tensor::eye(3);
    let error = gradient(&x, |x| Ok(x.eigh()?.1)).unwrap_err().to_string();
    assert!(
        error.starts_with("gradient: eigh: the target depends on an eigenvector of a repeated eigenvalue"),
        "{error}"
    );
    let trace = gradient(&x, |x| Ok(x.eigh()?.0.sum()))?;
    assert_eq!(trace.to_vec::<f32>()?, Tensor::eye(3).to_vec::<f32>()?);
    Ok(())
}

/// `Q diag(λ) Qᵀ` with the orthogonal factor of a random matrix.
fn symmetric(eigenvalues: &[f64], seed: u64) -> Result<Tensor> {
    let n = eigenvalues.len();
    let (q, _) = Generator::new(seed).normal([n, n], 0.0, 1.0)?.cast(DType::F64).qr()?;
    (&q * Tensor::from_vec(eigenvalues.to_vec(), [n])?).matmul(q.t()?)
}

/// Equal eigenvalues differ by rounding errors once computed. The reciprocal of that difference is not a gradient.
#[test]
fn eigenvalues_that_differ_by_rounding_count_as_equal() -> Result<()> {
    for seed in 0..20 {
        for eigenvalues in [&[1.0, 1.0, 2.0][..], &[-3.0, 0.0, 0.0, 1e5], &[1.0, 1.0, 1.0, 1.0, 7.0, 8.0, 8.0, 9.0]] {
            let x = symmetric(eigenvalues, seed)?;
            let c = Generator::new(seed + 100).normal(x.shape(), 0.0, 1.0)?.cast(DType::F64);
            let error = gradient(&x, |x| Ok((x.eigh()?.1 * &c).sum())).map(|g| g.to_vec::<f64>());
            assert!(
                error.unwrap_err().to_string().contains("an eigenvector of a repeated eigenvalue"),
                "{seed} {eigenvalues:?}"
            );
        }
    }
    // Each matrix of a batch has its own scale. A small gap that is far above rounding errors counts as a gap.
    let x = Tensor::stack(&[&symmetric(&[1e-9, 1.0001e-9], 1)?, &symmetric(&[1e9, 2e9], 2)?], 0)?;
    let vectors = gradient(&x, |x| x.eigh()?.1.square().matmul(tensor![1.0, 2.0].cast(DType::F64))?.slice((.., 0..1)))?;
    assert!(vectors.all_finite());
    Ok(())
}

/// The eigenvector of a simple eigenvalue has a gradient even if other eigenvalues are repeated.
#[test]
fn an_eigenvector_of_a_single_eigenvalue_has_a_gradient_beside_equal_ones() -> Result<()> {
    let x = Tensor::eye(3).cast(DType::F64) * tensor![1.0, 1.0, 2.0].cast(DType::F64);
    // dv₂ = Σ vᵢ (vᵢᵀ dA v₂) / (λ₂ - λᵢ), the symmetric part of it.
    let g = gradient(&x, |x| x.eigh()?.1.slice((0..1, 2..)))?;
    assert_eq!(g.to_vec::<f64>()?, [0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0]);
    let x = symmetric(&[0.0, 0.0, 0.0, 1.0, 2.5], 3)?;
    let top = |x: &[Tensor]| x[0].eigh()?.1.slice((.., 3..));
    gradcheck(top, std::slice::from_ref(&x), Tolerance::default())?;
    // The second derivative depends on all vectors.
    let tape = GradientTape::new();
    tape.watch(&x);
    let first = gradient(&x, |x| x.eigh()?.1.slice((.., 3..)))?;
    assert!(tape.gradient(&first, &x).unwrap_err().to_string().contains("an eigenvector of a repeated eigenvalue"));
    Ok(())
}

#[test]
fn a_sign_passes_no_gradient_on_and_says_so() -> Result<()> {
    let x = tensor![[2.0, 1.0], [1.0, 3.0]];
    let error = gradient(&x, |x| Ok(x.slogdet()?.0)).unwrap_err().to_string();
    assert!(error.contains("at most through slogdet, which passes no gradient on"), "{error}");
    // If the other output is used too, it is not an error.
    let both = gradient(&x, |x| {
        let (sign, logarithm) = x.slogdet()?;
        sign.try_mul(logarithm)
    })?;
    let inverse = x.inverse()?.t()?;
    assert_eq!(both.to_vec::<f32>()?, inverse.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn a_factor_that_does_not_exist_is_an_error_and_not_nan() -> Result<()> {
    let singular = tensor![[1.0, 0.0], [1.0, 0.0]];
    let error = gradient(&singular, |x| Ok(x.slogdet()?.1)).unwrap_err();
    assert_eq!(error.to_string(), "gradient: slogdet: solve: the matrix is singular");
    assert!(gradient(&singular, |x| Ok(x.qr()?.1)).unwrap_err().to_string().contains("zero on its diagonal"));
    Ok(())
}

/// A tape saves only what the rule uses: for a solve the matrix and the solution, not the right-hand side.
#[test]
fn a_tape_keeps_matrix_and_solution() -> Result<()> {
    let (a, b) = (Tensor::eye(8), Tensor::ones([8, 100]));
    let tape = GradientTape::new();
    tape.watch(&a);
    tape.watch(&b);
    let _x = a.solve(&b)?;
    assert_eq!(tape.memory(), (8 * 8 + 8 * 100) * 4);
    Ok(())
}

/// The log density of a normal distribution: cholesky, triangular solve and logarithm together.
#[test]
fn a_density_by_cholesky_has_the_gradient_of_one_by_inverse() -> Result<()> {
    let a = tensor![[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.1]].cast(DType::F64);
    let x = tensor![0.3, -1.2, 0.7].cast(DType::F64);
    let by_cholesky = |a: &Tensor| {
        let l = a.cholesky()?;
        let diagonal = (&l * Tensor::eye(3).cast(DType::F64)).sum_axis(-1)?;
        Ok(l.solve_triangular(&x, true)?.square().sum() * -0.5 - diagonal.log().sum())
    };
    let by_inverse = |a: &Tensor| Ok(x.matmul(a.inverse()?.matmul(&x)?)? * -0.5 - a.slogdet()?.1 * 0.5);
    assert!((by_cholesky(&a)? - by_inverse(&a)?).abs().item()? < 1e-14);
    let (g, h) = (gradient(&a, by_cholesky)?, gradient(&a, by_inverse)?);
    assert!((g - h).abs().max()?.item()? < 1e-14);
    gradcheck(|x| by_cholesky(&x[0]), &[a], Tolerance::default())
}

#[test]
fn an_output_that_nobody_uses_is_no_obstacle() -> Result<()> {
    let x = tensor![[2.0, 1.0], [1.0, 3.0]];
    let tape = GradientTape::new();
    tape.watch(&x);
    let (q, _) = x.qr()?;
    assert_eq!(tape.gradient(q.sum(), &x)?.shape(), x.shape());
    Ok(())
}
