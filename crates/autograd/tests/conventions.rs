//! Points where libraries differ or fail, and what holds here; `docs/conventions.md` lists them. What
//! PyTorch gives at kinks, ties and extremes is in `rules/ops.json`.

use autograd::tensor::{DType, Tensor, tensor};
use autograd::{GradientTape, Result, Variable};

/// The gradient of the sum of `f` at `x`, and that of the gradient's sum.
fn twice(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<[Vec<f64>; 2]> {
    let x = Variable::new(x.cast(DType::F64));
    let outer = GradientTape::new();
    let inner = GradientTape::new();
    let y = f(&x.value())?;
    let first = inner.gradient(&y, &x)?;
    let zeros = autograd::GradientOptions::default().unconnected(autograd::Unconnected::Zeros);
    let second = outer.gradient_with(&first, &x, zeros)?;
    Ok([first.to_vec()?, second.to_vec()?])
}

#[test]
fn the_same_tensor_as_both_operands() -> Result<()> {
    let x = tensor![3.0, -2.0];
    assert_eq!(twice(&x, |x| x.try_mul(x))?, [vec![6.0, -4.0], vec![2.0, 2.0]]);
    assert_eq!(twice(&x, |x| x.try_sub(x))?, [vec![0.0, 0.0], vec![0.0, 0.0]]);
    assert_eq!(twice(&x, |x| x.try_div(x))?[0], [0.0, 0.0]);
    assert_eq!(twice(&x, |x| tensor![true, false].select(x, x))?[0], [1.0, 1.0]);
    assert_eq!(twice(&x, |x| Tensor::concat(&[x, x, x], 0))?[0], [3.0, 3.0]);
    assert_eq!(twice(&x, |x| x.maximum(x))?[0], [1.0, 1.0]);
    Ok(())
}

/// The branch that is not taken does not poison the other, if its operand is made safe first.
#[test]
fn limits_through_where() -> Result<()> {
    let x = tensor![0.0, 1.0];
    let x_log_x = |x: &Tensor| {
        let positive = x.greater(0.0)?;
        let safe = positive.select(x, 1.0)?;
        positive.select(x.try_mul(safe.log())?, 0.0)
    };
    assert_eq!(twice(&x, x_log_x)?[0], [0.0, 1.0]);
    let reciprocal = |x: &Tensor| {
        let zero = x.equal(0.0)?;
        zero.select(0.0, zero.select(1.0, x)?.reciprocal())
    };
    assert_eq!(twice(&x, reciprocal)?, [vec![0.0, -1.0], vec![0.0, 2.0]]);
    Ok(())
}

#[test]
fn products_with_zeros_are_exact() -> Result<()> {
    // One zero, two, all: each gradient is the product of the others.
    for (x, first, second) in [
        (tensor![0.0, 2.0, 3.0], vec![6.0, 0.0, 0.0], vec![5.0, 3.0, 2.0]),
        (tensor![0.0, 0.0, 3.0], vec![0.0, 0.0, 0.0], vec![3.0, 3.0, 0.0]),
        (tensor![0.0, 0.0, 0.0], vec![0.0, 0.0, 0.0], vec![0.0, 0.0, 0.0]),
    ] {
        assert_eq!(twice(&x, |x| Ok(x.prod()))?, [first, second]);
    }
    // x₀ + x₀x₁ + x₀x₁x₂ at [2, 0, 3].
    assert_eq!(twice(&tensor![2.0, 0.0, 3.0], |x| x.cumprod(0))?[0], [1.0, 8.0, 0.0]);
    Ok(())
}

#[test]
fn repeated_indices_add_up() -> Result<()> {
    let x = tensor![1.0, 2.0, 3.0];
    let index = tensor![1, 1, 1, 0];
    assert_eq!(twice(&x, |x| x.take(&index, 0))?[0], [1.0, 3.0, 0.0]);
    assert_eq!(twice(&x, |x| x.gather(&index, 0))?[0], [1.0, 3.0, 0.0]);
    let squares = |x: &Tensor| Ok(Tensor::zeros([2]).cast(DType::F64).scatter_add(&tensor![1, 1, 1], x, 0)?.square());
    assert_eq!(twice(&x, squares)?, [vec![12.0; 3], vec![6.0; 3]]);
    Ok(())
}

#[test]
fn reductions_of_nothing() -> Result<()> {
    let nothing = Tensor::zeros([0, 2]);
    assert_eq!(twice(&nothing, |x| Ok(x.sum()))?[0], Vec::<f64>::new());
    assert_eq!(twice(&nothing, |x| x.sum_axes(0))?[0], Vec::<f64>::new());
    assert_eq!(nothing.sum_axes(0)?.to_vec::<f32>()?, [0.0, 0.0]);
    assert!(nothing.mean().item()?.is_nan());
    assert!(nothing.max().is_err());
    Ok(())
}

#[test]
fn views_of_views() -> Result<()> {
    let x = Tensor::linspace(0.0, 11.0, 12).reshape([3, 4])?;
    let f = |x: &Tensor| x.t()?.slice((Some(0), None, 2))?.flip(1)?.slice((.., 1..))?.reshape([-1]);
    assert_eq!(twice(&x, |x| Ok(f(x)?.square()))?[0], [0.0, 0.0, 4.0, 0.0, 8.0, 0.0, 12.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    Ok(())
}

/// A tape answers for what was computed, whatever became of the weights since: the gradient for the
/// input, an update, and the gradient for the input again.
#[test]
fn a_persistent_tape_across_an_update() -> Result<()> {
    let (x, w) = (tensor![2.0], Variable::new(tensor![3.0]));
    let tape = GradientTape::persistent();
    tape.watch(&x);
    let y = (&x * &w).square();
    assert_eq!(tape.gradient(&y, &x)?.item()?, 36.0);
    w.assign_sub(tape.gradient(&y, &w)? * 0.1)?;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 36.0);
    // What is computed now sees the new weight.
    let z = (&x * &w).square();
    let expected = 2.0 * 2.0 * (3.0f32 - 24.0 * 0.1).powi(2);
    assert!((tape.gradient(&z, &x)?.item()? as f32 - expected).abs() < 1e-6);
    Ok(())
}
