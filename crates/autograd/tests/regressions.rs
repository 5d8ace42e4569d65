//! Mistakes that were found, each with the least program that showed it.

use autograd::tensor::{DType, Tensor, tensor};
use autograd::{CustomOp, GradientTape, Result, Variable, checkpoint, custom, no_record};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

/// Gradients once flowed through integers and truth values as if casts were the identity.
#[test]
fn no_gradient_passes_integers_or_truth_values() -> Result<()> {
    let x = Variable::new(tensor![1.5, 2.5]).named("x");
    for dtype in [DType::I64, DType::Bool, DType::U8] {
        let tape = GradientTape::persistent();
        let y = x.value().cast(dtype).cast(DType::F32) * 0.7;
        assert!(message(tape.gradient(&y, &x)).contains("x has no part in the target but through cast"));
        // What goes around it stays.
        assert_eq!(tape.gradient(y + &x, &x)?.to_vec::<f32>()?, [1.0, 1.0]);
    }
    Ok(())
}

/// A task that a waiting thread ran for somebody else once passed for one of its constants.
#[test]
fn a_stolen_task_is_no_constant_of_the_tape() -> Result<()> {
    let w = Variable::new(Tensor::ones([400, 400])).named("w");
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
                // Computed here, by luck, or refused; never left out.
                Ok(gradient) => assert_eq!(gradient.max()?.item()?, 803.0),
                Err(error) => assert!(error.to_string().contains("computed from w on another thread"), "{error}"),
            }
        }
        Ok(())
    })
}

#[test]
fn a_watched_variable_that_is_frozen_keeps_its_mark_across_threads() -> Result<()> {
    let x = Variable::new(tensor![3.0]).named("frozen");
    x.set_trainable(false);
    let tape = GradientTape::new();
    tape.watch(&x);
    let y = std::thread::scope(|scope| scope.spawn(|| &x * &x.value()).join().expect("no panic"));
    assert!(message(tape.gradient(&x * &y, &x)).contains("computed from frozen on another thread"));
    Ok(())
}

/// A value captured by a checkpoint lost its gradient.
#[test]
fn a_checkpoint_refuses_what_it_captures() {
    let (w, x) = (Variable::new(tensor![3.0]).named("w"), tensor![2.0]);
    let _tape = GradientTape::new();
    let read = w.value();
    let expected = "gradient: checkpoint: the segment uses a value that was read or computed from w before it; read \
                    variables inside, and pass computed values as inputs";
    assert_eq!(message(checkpoint(move |x| Ok(&x[0] * &read), &[&x])), expected);
    let computed = &w * 1.0;
    assert_eq!(message(checkpoint(move |x| Ok(&x[0] * &computed), &[&x])), expected);
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

/// A gradient of another shape was once reshaped, and one of lower rank panicked.
#[test]
fn a_rule_that_gives_another_shape_or_type_is_an_error() -> Result<()> {
    let x = Variable::new(Tensor::ones([2, 3]));
    let mistake = |rule| -> Result<String> {
        let tape = GradientTape::new();
        let y = custom(Mistaken(rule), &[&x.value()])?;
        Ok(message(tape.gradient(&y, &x)))
    };
    let shape =
        |shape: &str| format!("mistaken: gradient: the rule gives shape {shape} for an operand of shape [2, 3]");
    assert_eq!(mistake(|g| g.t())?, shape("[3, 2]"));
    assert_eq!(mistake(|_| Ok(Tensor::scalar(1.0)))?, shape("[]"));
    assert_eq!(
        mistake(|g| Ok(g.cast(DType::F64)))?,
        "mistaken: gradient: the rule gives float64 for an operand of type float32"
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

/// The gradient for a divisor once went over its square.
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

/// Once a deadlock: the updating thread held the lock while it waited for the readers' pool.
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

/// A tape that was asked inside `no_record` once went on recording for ever.
#[test]
fn a_tape_ends_inside_no_record_too() -> Result<()> {
    let x = Variable::new(tensor![3.0]);
    let tape = GradientTape::new();
    let y = x.value().square();
    assert_eq!(no_record(|| tape.gradient(&y, &x))?.item()?, 6.0);
    let before = autograd::tensor::pool_statistics().fresh;
    (0..10_000).for_each(|_| drop(Tensor::ones([100]) * &x));
    assert!(autograd::tensor::pool_statistics().fresh < before + 100);
    // And one that begins in there works.
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

/// Sizes of views can be larger than memory; their product once wrapped.
#[test]
fn a_product_larger_than_memory_is_an_error() -> Result<()> {
    let a = Tensor::ones([1, 1]).expand([(1 << 59) + 1, 1])?;
    let b = Tensor::ones([1, 1]).expand([1, 32])?;
    assert!(message(a.matmul(&b)).contains("is larger than memory can address"));
    Ok(())
}
