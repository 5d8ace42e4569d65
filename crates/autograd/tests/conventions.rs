//! Conventions where libraries differ or fail, as listed in `docs/conventions.md`. PyTorch's values at kinks, ties and
//! extremes are in `rules/ops.json`.

use autograd::tensor::{DType, Tensor, tensor};
use autograd::{GradientTape, Result, Variable};

/// The gradient of the sum of `f` at `x`, and the gradient of the sum of that gradient.
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

/// The branch that is not selected does not affect the gradient of the other, if its operand is made safe first.
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
    // One zero, two zeros, all zeros: each gradient is the product of the other elements.
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
    assert_eq!(twice(&nothing, |x| x.sum_axis(0))?[0], Vec::<f64>::new());
    assert_eq!(nothing.sum_axis(0)?.to_vec::<f32>()?, [0.0, 0.0]);
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

/// The gradients of a tape are those of the recorded values, even if a weight has been updated since.
#[test]
fn a_persistent_tape_across_an_update() -> Result<()> {
    let (x, w) = (tensor![2.0], Variable::new(tensor![3.0]));
    let tape = GradientTape::persistent();
    tape.watch(&x);
    let y = (&x * &w).square();
    assert_eq!(tape.gradient(&y, &x)?.item()?, 36.0);
    w.assign_sub(tape.gradient(&y, &w)? * 0.1)?;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 36.0);
    // A new computation uses the new weight.
    let z = (&x * &w).square();
    let expected = 2.0 * 2.0 * (3.0f32 - 24.0 * 0.1).powi(2);
    assert!((tape.gradient(&z, &x)?.item()? as f32 - expected).abs() < 1e-6);
    Ok(())
}

/// Equal elements keep their order, and each gets the gradient of its own position.
#[test]
fn ties_of_sort_and_topk() -> Result<()> {
    let x = tensor![1.0, 0.0, 1.0, 1.0];
    let weights = tensor![1.0, 2.0, 3.0, 4.0].cast(DType::F64);
    let weighted = |sorted: Result<(Tensor, Tensor)>| sorted?.0.try_mul(&weights);
    assert_eq!(twice(&x, |x| weighted(x.sort(0)))?[0], [2.0, 1.0, 3.0, 4.0]);
    assert_eq!(twice(&x, |x| weighted(x.sort_descending(0)))?[0], [1.0, 4.0, 2.0, 3.0]);
    assert_eq!(twice(&x, |x| Ok(x.topk(2, 0)?.0))?[0], [1.0, 0.0, 1.0, 0.0]);
    assert_eq!(twice(&x, |x| Ok(x.bottomk(2, 0)?.0))?[0], [1.0, 1.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn casts_pass_gradients_between_floating_types_alone() -> Result<()> {
    let x = Variable::new(tensor![1.5, -2.5]).with_name("x");
    let tape = GradientTape::persistent();
    let wide = x.value().cast(DType::F64).square();
    let narrow = wide.cast(DType::F32);
    for target in [&wide, &narrow, &narrow.cast(DType::F64)] {
        let gradient = tape.gradient(target, &x)?;
        assert_eq!((gradient.dtype(), gradient.to_vec::<f32>()?), (DType::F32, vec![3.0, -5.0]));
    }
    // In the other direction too: each gradient has the type of its source.
    assert_eq!(tape.gradient(&narrow, &wide)?.to_vec::<f64>()?, [1.0, 1.0]);
    // A path through integers is blocked, and the error names the operation.
    let cut = narrow.cast(DType::I64).cast(DType::F64);
    let message = tape.gradient(&cut, &x).unwrap_err().to_string();
    assert!(
        message.contains("x contributes to the target at most through cast, which passes no gradient on"),
        "{message}"
    );
    Ok(())
}

/// `Σ (x w) w` is quadratic in `w`.
#[test]
fn a_weight_that_two_layers_share_adds_up() -> Result<()> {
    let (x, w) = (tensor![[1.0, 2.0]], Variable::new(tensor![[1.0, -1.0], [0.5, 3.0]]));
    let tape = GradientTape::persistent();
    let hidden = x.matmul(&w)?;
    let y = hidden.matmul(&w)?;
    // hᵀ 1ᵀ of the second layer, and xᵀ (w 1)ᵀ of the first.
    assert_eq!(hidden.to_vec::<f32>()?, [2.0, 5.0]);
    assert_eq!(tape.gradient(&y, &w)?.to_vec::<f32>()?, [2.0 + 0.0, 2.0 + 3.5, 5.0 + 0.0, 5.0 + 7.0]);
    // Two targets of one weight add up as well.
    assert_eq!(tape.gradient(hidden.sum() + &y.sum(), &w)?.to_vec::<f32>()?, [3.0, 6.5, 7.0, 14.0]);
    Ok(())
}

/// If a factor is 0, the product is 0, even if the other factor is infinite or NaN.
#[test]
fn multiply_no_nan_at_zero() -> Result<()> {
    let a = tensor![f64::INFINITY, f64::NAN, 2.0, 2.0, f64::NAN];
    let b = tensor![0.0, -0.0, 0.0, 3.0, 1.0];
    let product = a.multiply_no_nan(&b)?.to_vec::<f32>()?;
    assert!(product[..4] == [0.0, 0.0, 0.0, 6.0] && product[4].is_nan());
    assert_eq!(twice(&a.slice(..4)?, |x| x.multiply_no_nan(b.slice(..4)?.cast(DType::F64)))?[0], [0.0, 0.0, 0.0, 3.0]);
    // The gradient of b is a: infinite or NaN only where a is.
    let of_b =
        twice(&tensor![0.0, 0.0, 3.0], |x| tensor![f64::INFINITY, 2.0, 2.0].cast(DType::F64).multiply_no_nan(x))?;
    assert_eq!(of_b[0], [f64::INFINITY, 2.0, 2.0]);
    assert_eq!(twice(&tensor![2.0, -1.0], |x| x.multiply_no_nan(x))?, [vec![4.0, -2.0], vec![2.0, 2.0]]);
    assert_eq!(tensor![2, 3].multiply_no_nan(tensor![0, -1])?.to_vec::<i64>()?, [0, -3]);
    Ok(())
}

#[test]
fn atan2_at_the_origin() -> Result<()> {
    let zeros = tensor![0.0, 0.0];
    let angle = |x: &Tensor| x.at(0, 0)?.atan2(x.at(1, 0)?);
    assert_eq!(twice(&zeros, angle)?, [vec![0.0, 0.0], vec![0.0, 0.0]]);
    // On the branch cut along the negative x axis: ∂a = b/(a² + b²), ∂b = -a/(a² + b²).
    assert_eq!(twice(&tensor![0.0, -2.0], angle)?[0], [-0.5, 0.0]);
    Ok(())
}

/// At ±90, where the exponential overflows in float32, and at ±700, close to overflow in float64. Results near 1 or near
/// a difference of such numbers are exact within an epsilon, tiny results within a relative error.
#[test]
fn second_derivatives_far_from_zero() -> Result<()> {
    for x in [1e11, 1e20, f64::INFINITY, -1e20] {
        for dtype in [DType::F32, DType::F64] {
            let x = tensor![x].cast(dtype);
            let functions: [fn(&Tensor) -> Tensor; 4] = [Tensor::silu, Tensor::gelu, Tensor::gelu_tanh, Tensor::erf];
            for f in functions {
                let x = Variable::new(x.clone());
                let (outer, inner) = (GradientTape::new(), GradientTape::new());
                let first = inner.gradient(f(&x.value()), &x)?;
                assert_eq!(outer.gradient(&first, &x)?.item()?, 0.0, "at {:?}", x.value());
            }
        }
    }
    // The factor 2 does not make a gradient overflow either.
    let tape = GradientTape::new();
    let x = tensor![0.1];
    tape.watch(&x);
    let gradient = tape.gradient((x.square() * 3e38).sum(), &x)?.item()?;
    assert!((gradient / 6e37 - 1.0).abs() < 1e-6, "{gradient}");
    Ok(())
}

#[test]
fn exponentials_of_large_numbers() -> Result<()> {
    for (dtype, epsilon) in [(DType::F32, f32::EPSILON as f64), (DType::F64, f64::EPSILON)] {
        for v in [90.0f64, 700.0] {
            let check = |name: &str, found: &[f64], expected: &[f64], absolute: &[f64]| {
                // The spacing of subnormal float32 numbers is 1.4e-45.
                let digit = if dtype == DType::F32 { 1.5e-45 } else { 0.0 };
                for ((found, expected), absolute) in found.iter().zip(expected).zip(absolute) {
                    let allowed = (4.0 * epsilon * expected.abs()).max(digit).max(absolute * epsilon);
                    assert!((found - expected).abs() <= allowed, "{name} of ±{v} as {dtype}: {found}, not {expected}");
                }
            };
            let x = Tensor::from([v, 0.0, -v]).cast(dtype);
            let derivatives = |f: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<[Vec<f64>; 2]> {
                let x = Variable::new(x.clone());
                let outer = GradientTape::new();
                let inner = GradientTape::new();
                let y = f(&x.value())?;
                let first = inner.gradient(&y, &x)?;
                assert!(outer.gradient(&first, &x)?.all_finite());
                Ok([y.cast(DType::F64).to_vec()?, first.cast(DType::F64).to_vec()?])
            };
            let (tail, square) = ((-v).exp(), (-2.0 * v).exp());
            let (relative, first) = ([0.0; 3], [1.0, 0.0, 0.0]);

            let [y, slope] = derivatives(&|x| Ok(x.sigmoid()))?;
            check("sigmoid", &y, &[1.0, 0.5, tail], &relative);
            check("sigmoid'", &slope, &[tail, 0.25, tail], &first);

            let [y, slope] = derivatives(&|x| Ok(x.softplus()))?;
            check("softplus", &y, &[v, 2f64.ln(), tail], &relative);
            check("softplus'", &slope, &[1.0, 0.5, tail], &relative);

            let [y, slope] = derivatives(&|x| Ok(x.logsumexp()))?;
            check("logsumexp", &y, &[v], &relative);
            check("logsumexp'", &slope, &[1.0, tail, square], &relative);

            for (place, expected) in [(0, [tail, -tail, -square]), (2, [-1.0, -tail, 1.0])] {
                let [y, slope] = derivatives(&|x| x.log_softmax(0)?.at(place, 0))?;
                check("log_softmax", &y, &[[-tail, -v, -2.0 * v][place as usize]], &first);
                check("log_softmax'", &slope, &expected, &first);
            }
        }
    }
    Ok(())
}
