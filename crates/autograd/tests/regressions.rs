//! Fixed bugs, each with the smallest program that showed it.

use autograd::tensor::ops::Reduction;
use autograd::tensor::{DType, Tensor, parallel_section, recorder, tensor};
use autograd::{CustomOp, GradientTape, Result, Sources, Variable, custom, grad, jacobian, no_record};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

/// Gradients once flowed through integers and booleans as if casts were the identity.
#[test]
fn no_gradient_flows_through_integers_or_booleans() -> Result<()> {
    let x = Variable::new(tensor![1.5, 2.5]).with_name("x");
    for dtype in [DType::I64, DType::Bool, DType::U8] {
        let tape = GradientTape::persistent();
        let y = x.value().cast(dtype).cast(DType::F32) * 0.7;
        assert!(message(tape.gradient(&y, &x)).contains("x contributes to the target at most through cast"));
        // The direct path remains.
        assert_eq!(tape.gradient(y + &x, &x)?.to_vec::<f32>()?, [1.0, 1.0]);
    }
    Ok(())
}

/// Values of a task that a waiting thread ran for another caller once counted as constants.
#[test]
fn values_of_a_stolen_task_are_not_constants() -> Result<()> {
    let w = Variable::new(Tensor::ones([400, 400])).with_name("w");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("a pool");
    pool.install(|| {
        for _ in 0..200 {
            let tape = GradientTape::new();
            let product = || {
                let w = w.value();
                w.matmul(&w).map(|y| y.sum())
            };
            let wait = || std::thread::sleep(std::time::Duration::from_micros(300));
            let (a, b) = rayon::join(product, || rayon::join(wait, || (&w * 3.0).sum()).1);
            match tape.gradient(&a? + &b, &w) {
                // Correct if this thread happened to compute both, else an error; never incomplete.
                Ok(gradient) => assert_eq!(gradient.max()?.item()?, 803.0),
                Err(error) => assert!(error.to_string().contains("computed from w on another thread"), "{error}"),
            }
        }
        Ok(())
    })
}

#[test]
fn a_watched_variable_that_is_frozen_keeps_its_mark_across_threads() -> Result<()> {
    let x = Variable::new(tensor![3.0]).with_name("frozen");
    x.set_trainable(false);
    let tape = GradientTape::new();
    tape.watch(&x);
    let y = std::thread::scope(|scope| scope.spawn(|| &x * &x.value()).join().expect("no panic"));
    assert!(message(tape.gradient(&x * &y, &x)).contains("computed from frozen on another thread"));
    Ok(())
}

#[derive(Debug)]
struct Mistaken(fn(&Tensor) -> Result<Tensor>);

impl CustomOp for Mistaken {
    fn name(&self) -> &str {
        "mistaken"
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        Ok(inputs[0].clone())
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some((self.0)(gradient)?)])
    }
}

/// A gradient of a wrong shape was once reshaped, and one of a lower rank caused a panic.
#[test]
fn a_rule_that_returns_a_wrong_shape_or_type_is_an_error() -> Result<()> {
    let x = Variable::new(Tensor::ones([2, 3]));
    let mistake = |rule| -> Result<String> {
        let tape = GradientTape::new();
        let y = custom(Mistaken(rule), &[&x.value()])?;
        Ok(message(tape.gradient(&y, &x)))
    };
    let shape =
        |shape: &str| format!("mistaken: gradient: the rule returns shape {shape} for an operand of shape [2, 3]");
    assert_eq!(mistake(|g| g.t())?, shape("[3, 2]"));
    assert_eq!(mistake(|_| Ok(Tensor::scalar(1.0)))?, shape("[]"));
    assert_eq!(
        mistake(|g| Ok(g.cast(DType::F64)))?,
        "mistaken: gradient: the rule returns float64 for an operand of type float32"
    );
    Ok(())
}

#[test]
fn the_second_derivative_of_the_norm_at_zero_is_zero() -> Result<()> {
    let x = Variable::new(tensor![0.0, 0.0]);
    let outer = GradientTape::new();
    let inner = GradientTape::new();
    let first = inner.gradient(x.value().norm(), &x)?;
    assert_eq!(outer.gradient(&first, &x)?.to_vec::<f32>()?, [0.0, 0.0]);
    Ok(())
}

/// The gradient of a divisor was once computed from its square, which overflowed.
#[test]
fn the_gradient_of_a_quotient_does_not_overflow() -> Result<()> {
    for (value, expected) in [(1e-23f32, -1e23f32), (1e20, -1e-20)] {
        let (a, b) = (Variable::new(value), Variable::new(value));
        let tape = GradientTape::new();
        let gradient = tape.gradient(&a / &b, &b)?.item()? as f32;
        assert!((gradient / expected - 1.0).abs() < 1e-6, "{gradient} instead of {expected}");
    }
    Ok(())
}

/// This was once a deadlock: the updating thread held the lock while it waited for the pool of the readers.
#[test]
fn a_variable_is_updated_while_workers_read_it() -> Result<()> {
    let w = Variable::new(Tensor::ones([1 << 18]));
    let gradient = Tensor::ones([1 << 18]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                rayon::join(|| (0..200).for_each(|_| drop(w.value())), || (0..200).for_each(|_| drop(&w + 1.0)))
            });
        }
        (0..50).try_for_each(|_| w.assign_sub(&gradient))
    })?;
    assert_eq!(w.value().max()?.item()?, -49.0);
    Ok(())
}

#[test]
fn no_change_of_several_threads_is_lost() -> Result<()> {
    let w = Variable::new(Tensor::zeros([1 << 15]));
    let one = Tensor::ones([1 << 15]);
    std::thread::scope(|scope| {
        let add = || (0..100).try_for_each(|_| w.assign_add(&one));
        let others: Vec<_> = (0..3).map(|_| scope.spawn(add)).collect();
        others.into_iter().map(|thread| thread.join().expect("no panic")).chain([add()]).collect::<Result<()>>()
    })?;
    assert_eq!((w.value().min()?.item()?, w.value().max()?.item()?), (400.0, 400.0));
    Ok(())
}

/// A tape whose gradient was requested inside `no_record` once never stopped recording.
#[test]
fn a_tape_ends_inside_no_record_too() -> Result<()> {
    let x = Variable::new(tensor![3.0]);
    let tape = GradientTape::new();
    let y = x.value().square();
    assert_eq!(no_record(|| tape.gradient(&y, &x))?.item()?, 6.0);
    let before = autograd::tensor::pool_statistics().fresh;
    (0..10_000).for_each(|_| drop(Tensor::ones([100]) * &x));
    assert!(autograd::tensor::pool_statistics().fresh < before + 100);
    // A tape that starts inside works.
    let inside = no_record(|| {
        let tape = GradientTape::new();
        let y = x.value().square();
        tape.gradient(&y, &x)
    });
    assert_eq!(inside?.item()?, 6.0);
    Ok(())
}

/// The search for anomalies once ran a kernel while the recorders were borrowed.
#[test]
fn anomalies_are_searched_for_in_large_views() -> Result<()> {
    let x = Variable::new(Tensor::ones([300, 300]));
    let tape = GradientTape::new();
    tape.detect_anomalies();
    let y = x.value().t()?;
    assert_eq!(tape.gradient(&y, &x)?.sum().item()?, 90_000.0);
    Ok(())
}

#[test]
fn a_source_larger_than_its_index_has_a_gradient() -> Result<()> {
    let (x, source) = (Tensor::zeros([4]), Variable::new(tensor![1.0, 2.0, 3.0]));
    let tape = GradientTape::new();
    let y = x.scatter_add(&tensor![1, 0], &source.value(), 0)?;
    assert_eq!(tape.gradient(&y, &source)?.to_vec::<f32>()?, [1.0, 1.0, 0.0]);
    Ok(())
}

/// Views can be larger than memory. The product of their sizes once wrapped.
#[test]
fn a_product_larger_than_memory_is_an_error() -> Result<()> {
    let a = Tensor::ones([1, 1]).expand([(1 << 58) + 1, 1])?;
    let b = Tensor::ones([1, 1]).expand([1, 64])?;
    assert!(message(a.matmul(&b)).contains("is larger than memory can address"));
    Ok(())
}

/// The gradients of the sum of `f` of two float32 numbers.
fn of_pair(a: f32, b: f32, f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<[f32; 2]> {
    let [a, b] = [Variable::new(a), Variable::new(b)];
    let tape = GradientTape::new();
    let y = f(&a.value(), &b.value())?;
    let [da, db] = tape.gradient(&y, [&a, &b])?;
    Ok([da.item()? as f32, db.item()? as f32])
}

/// The gradient of the sum of `f` at `x`.
fn of_one(x: Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<f64>> {
    let x = Variable::new(x);
    let tape = GradientTape::new();
    let y = f(&x.value())?;
    tape.gradient(&y, &x)?.cast(DType::F64).to_vec()
}

fn close(found: &[f64], expected: &[f64], error: f64) {
    let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= error * b.abs();
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(near), "{found:?} instead of {expected:?}");
}

/// The gradients of `atan2` were once computed from `a² + b²`, which overflows or underflows long before they do.
#[test]
fn the_gradients_of_atan2_neither_overflow_nor_vanish() -> Result<()> {
    for scale in [1e20f32, 1e-25, 1e38, 1e-38] {
        let [da, db] = of_pair(3.0 * scale, -2.0 * scale, |a, b| a.atan2(b))?;
        let unit = 1.0 / (13.0 * scale as f64);
        close(&[da as f64, db as f64], &[-2.0 * unit, -3.0 * unit], 1e-6);
    }
    assert_eq!(of_pair(1e-30, 1e20, |a, b| a.atan2(b))?, [1e-20, 0.0]);
    assert_eq!(of_pair(f32::INFINITY, 1.0, |a, b| a.atan2(b))?[0], 0.0);
    // ∂²/∂a² is -2ab / (a² + b²)², and ∂²/∂a∂b (a² - b²) / (a² + b²)².
    let (a, b) = (Variable::new(3e15f32), Variable::new(2e15f32));
    let outer = GradientTape::new();
    let inner = GradientTape::new();
    let slope = inner.gradient(a.value().atan2(&b)?, &a)?;
    let [aa, ab] = outer.gradient(&slope, [&a, &b])?;
    close(&[aa.item()?, ab.item()?], &[-12e-30 / 169.0, 5e-30 / 169.0], 1e-6);
    Ok(())
}

/// The gradients of products were once quotients of the product, even if it had overflowed or underflowed.
#[test]
fn the_gradients_of_a_product_that_under_or_overflows() -> Result<()> {
    assert_eq!(of_one(tensor![1e-30, 1e-20], |x| Ok(x.prod()))?, [1e-20f32 as f64, 1e-30f32 as f64]);
    assert_eq!(of_one(tensor![1e30, 1e20], |x| Ok(x.prod()))?, [1e20f32 as f64, 1e30f32 as f64]);
    // A subnormal product has fewer digits.
    assert_eq!(of_one(tensor![1e-20, 2e-20], |x| Ok(x.prod()))?, [2e-20f32 as f64, 1e-20f32 as f64]);
    // One row overflows, the other does not.
    let rows = of_one(tensor![[1e-30, 1e-20, 1e30], [2.0, 3.0, 4.0]], |x| x.prod_axis(1))?;
    close(&rows, &[1e10, 1.0, 1e-50, 12.0, 8.0, 6.0].map(|x: f64| x as f32 as f64), 2e-7);
    // x₀ + x₀x₁ + x₀x₁x₂.
    let running = of_one(tensor![1e-30, 1e-20, 3e30], |x| x.cumprod(0))?;
    close(&running, &[1.0 + 1e-20 + 3e10, 1e-30 + 3.0, 1e-50].map(|x: f64| x as f32 as f64), 2e-7);
    assert_eq!(of_one(tensor![f32::INFINITY, 2.0, 3.0], |x| Ok(x.prod()))?, [6.0, f64::INFINITY, f64::INFINITY]);
    Ok(())
}

/// The exact gradients of products once took memory in proportion to the square of the axis: 40 GB here.
#[test]
fn the_gradients_of_a_long_product_take_memory_in_proportion() -> Result<()> {
    let n = 100_000;
    let x = Tensor::concat(&[&tensor![0.0], &Tensor::full([n - 1], 0.9999)], 0)?;
    let r = 0.9999f32 as f64;
    let whole = of_one(x.clone(), |x| Ok(x.prod()))?;
    close(&whole[..2], &[r.powi(n as i32 - 1), 0.0], 1e-6);
    // 1 + r + r² + …, up to rⁿ⁻¹.
    let running = of_one(x, |x| x.cumprod(0))?;
    close(&[running[0], running[n - 1]], &[(1.0 - r.powi(n as i32)) / (1.0 - r), 0.0], 1e-6);
    Ok(())
}

/// The standard deviation of equal numbers once had a NaN gradient, and that of tiny numbers the gradient 0, because the
/// variance underflowed.
#[test]
fn the_gradient_of_a_standard_deviation() -> Result<()> {
    assert_eq!(of_one(tensor![2.0, 2.0, 2.0], |x| Ok(x.std()))?, [0.0; 3]);
    close(&of_one(tensor![[2.0, 2.0], [1.0, 3.0]], |x| x.std_axis(1))?, &[0.0, 0.0, -0.5, 0.5], 2e-7);
    let x = Variable::new(tensor![2.0, 2.0]);
    let outer = GradientTape::new();
    let inner = GradientTape::new();
    let first = inner.gradient(x.value().std(), &x)?;
    assert_eq!(outer.gradient(&first, &x)?.to_vec::<f32>()?, [0.0, 0.0]);
    for scale in [1e-30f32, 1e25] {
        let x = tensor![1.0, 3.0] * scale;
        close(&[x.std().item()?], &[scale as f64], 1e-6);
        close(&of_one(x, |x| Ok(x.std()))?, &[-0.5, 0.5], 1e-6);
    }
    Ok(())
}

/// The norm of float32 numbers below 3e-39 once had infinite gradients.
#[test]
fn the_gradient_of_a_tiny_norm_is_finite() -> Result<()> {
    close(&of_one(tensor![3e-40, -4e-40], |x| Ok(x.norm()))?, &[0.6, -0.8], 1e-4);
    Ok(())
}

/// Gradients at NaN are those of PyTorch, except for `abs`. `maximum`, `minimum`, `relu`, `elu` and `selu` once differed.
#[test]
fn gradients_at_nan() -> Result<()> {
    let nan = f32::NAN;
    for (a, b) in [(nan, 1.0), (1.0, nan), (nan, nan)] {
        assert_eq!(of_pair(a, b, |a, b| a.maximum(b))?, [1.0, 1.0]);
        assert_eq!(of_pair(a, b, |a, b| a.minimum(b))?, [1.0, 1.0]);
    }
    assert_eq!(of_one(tensor![nan, 2.0, -1.0], |x| Ok(x.relu()))?, [1.0, 1.0, 0.0]);
    assert_eq!(of_one(tensor![nan, 0.0, 2.0], |x| x.clamp(-1.0, 1.0))?, [0.0, 1.0, 0.0]);
    assert_eq!(of_one(tensor![nan], |x| x.clamp(-1.0, None))?, [0.0]);
    assert!(of_one(tensor![nan], |x| Ok(x.abs()))?[0].is_nan());
    assert_eq!(of_one(tensor![nan], |x| Ok(x.leaky_relu(0.25)))?, [0.25]);
    assert_eq!(of_one(tensor![nan], |x| Ok(x.elu(0.25)))?, [1.0]);
    assert_eq!(of_one(tensor![nan], |x| Ok(x.selu()))?, [1.050_701f32 as f64]);
    for reduction in [Reduction::Max, Reduction::Min] {
        let gradient = of_one(tensor![[nan, 1.0], [2.0, 3.0]], |x| x.reduce(reduction, 1, false))?;
        assert!(gradient[..2].iter().all(|g| g.is_nan()) && gradient[2] + gradient[3] == 1.0, "{gradient:?}");
    }
    Ok(())
}

/// This public function once panicked.
#[test]
fn a_wrong_number_of_gradients_is_an_error() {
    let found = message(<&Tensor as Sources>::arrange(vec![]));
    assert_eq!(found, "arrange: 0 gradients for 1 sources");
    let found = message(<[&Variable; 2] as Sources>::arrange(vec![Tensor::ones([2])]));
    assert_eq!(found, "arrange: 1 gradients for 2 sources");
    assert_eq!(<&[Variable] as Sources>::arrange(vec![Tensor::ones([2])]).map(|list| list.len()).ok(), Some(1));
}

/// `grad` has no options, but its error once recommended only an option.
#[test]
fn the_error_for_an_unused_input_says_how_to_get_zeros() -> Result<()> {
    let x = tensor![1.0, 2.0];
    let found = message(grad(|_| Ok(Tensor::scalar(1.0)), &x));
    assert_eq!(
        found,
        "grad: gradient: source 0, a tensor of shape [2], does not contribute to the target, so it has no gradient; \
         to get zeros instead of this error, pass `Unconnected::Zeros`, or use `jacobian`"
    );
    assert_eq!(jacobian(|_| Ok(Tensor::scalar(1.0)), &x)?.to_vec::<f32>()?, [0.0, 0.0]);
    Ok(())
}

/// A tape that ended inside a parallel section was once in the list of recorders again afterwards, and recorded for ever.
#[test]
fn a_tape_that_ends_in_a_parallel_section_records_no_more() -> Result<()> {
    let x = Variable::new(tensor![1.0]);
    let tape = GradientTape::new();
    let y = &x * 2.0;
    assert!(recorder::is_watched(&y));
    assert_eq!(parallel_section(|| tape.gradient(&y, &x))?.to_vec::<f32>()?, [2.0]);
    assert!(!recorder::is_watched(&(&x * 3.0)));
    Ok(())
}

/// The first tape of a process, made inside a parallel section, once stayed in the list of the code outside.
#[test]
fn a_tape_that_begins_in_a_parallel_section_sees_only_the_section() -> Result<()> {
    let x = Variable::new(tensor![1.0]);
    let _tape = parallel_section(|| {
        let tape = GradientTape::new();
        assert!(recorder::is_watched(&(&x * 2.0)));
        tape
    });
    assert!(!recorder::is_watched(&(&x * 2.0)));
    Ok(())
}
