//! The dependencies of a checkpointed segment besides its inputs: variables and captured values.

use autograd::tensor::{DType, Tensor, tensor};
use autograd::{
    Differentiable, GradientTape, Result, Tolerance, Variable, checkpoint, gradcheck, gradgradcheck, hessian, no_record,
};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

/// `x · captured`, checkpointed.
fn product(x: &Tensor, captured: &Tensor) -> Result<Tensor> {
    let captured = captured.clone();
    checkpoint(move |x| Ok(&x[0] * &captured), &[x])
}

/// Captured values once counted as constants.
#[test]
fn a_captured_tensor_that_is_watched_has_its_gradient() -> Result<()> {
    let (x, a) = (tensor![3.0], tensor![2.0]);
    let tape = GradientTape::persistent();
    tape.watch(&a);
    let y = product(&x, &a)? + &a;
    // d(xa + a)/da = x + 1, for each request.
    assert_eq!(tape.gradient(&y, &a)?.item()?, 4.0);
    assert_eq!(tape.gradient(&y, &a)?.item()?, 4.0);

    let tape = GradientTape::new();
    tape.watch(&a);
    // d(xa² + a)/da = 2xa + 1.
    let y = product(&x, &a.square())? + &a;
    assert_eq!(tape.gradient(&y, &a)?.item()?, 13.0);
    Ok(())
}

#[test]
fn a_captured_value_of_a_variable_has_its_gradient() -> Result<()> {
    let (w, x) = (Variable::new(tensor![5.0]), tensor![3.0]);
    let old = w.value();
    let tape = GradientTape::persistent();
    // Read before the segment, computed before it, and read inside.
    let read = product(&x, &w.value())?;
    assert_eq!(tape.gradient(&read, &w)?.item()?, 3.0);
    let computed = product(&x, &w.value().square())?;
    assert_eq!(tape.gradient(&computed, &w)?.item()?, 30.0);
    let (captured, inside) = (w.value(), w.clone());
    let both = checkpoint(move |x| Ok(&x[0] * &captured * &inside), &[&x])?;
    assert_eq!(tape.gradient(&both, &w)?.item()?, 30.0);
    // A read that is older than the tape is a constant, as without a checkpoint.
    let constant = product(&w.value(), &old)?;
    assert_eq!(tape.gradient(&constant, &w)?.item()?, 5.0);
    // A segment may return what it captured.
    let captured = w.value().square();
    let same = checkpoint(move |_| Ok(captured.clone()), &[&x])?;
    assert_eq!(tape.gradient(&same, &w)?.item()?, 10.0);

    let frozen = Variable::new(tensor![7.0]);
    frozen.set_trainable(false);
    tape.watch(&frozen);
    let y = product(&x, &frozen.value())?;
    assert_eq!(tape.gradient(&y, &frozen)?.item()?, 3.0);
    Ok(())
}

/// Each position once got the sum of the gradients of all positions.
#[test]
fn one_tensor_in_several_places_counts_once_in_each() -> Result<()> {
    let x = tensor![3.0];
    let cube = |x: &Tensor| {
        let captured = x.clone();
        checkpoint(move |x| Ok(&x[0] * &x[1] * &captured), &[x, x])
    };
    let tape = GradientTape::new();
    tape.watch(&x);
    let y = cube(&x)?;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 27.0);
    gradcheck(|x| cube(&x[0]), &[tensor![0.7, -1.3]], Tolerance::default())?;
    gradgradcheck(|x| cube(&x[0]), &[tensor![0.7, -1.3]], Tolerance::default())?;
    assert_eq!(hessian(cube, &x)?.item()?, 18.0);
    Ok(())
}

#[test]
fn derivatives_of_any_order_reach_what_is_captured() -> Result<()> {
    let f = |x: &[Tensor]| {
        let (a, b) = (x[1].tanh(), &x[0] * &x[1]);
        checkpoint(move |x| Ok((&x[0] * &a).sin() * &b), &[&x[0]])
    };
    let inputs = [tensor![0.3, -0.8], tensor![1.2, 0.4]];
    gradcheck(f, &inputs, Tolerance::default())?;
    gradgradcheck(f, &inputs, Tolerance::default())?;

    let (x, a) = (tensor![3.0], Variable::new(tensor![2.0]));
    let [third, second, first] = [(); 3].map(|()| GradientTape::new());
    let y = product(&x, &a.value().pow(4.0)?)?;
    let slope = first.gradient(&y, &a)?;
    let curvature = second.gradient(&slope, &a)?;
    let change = third.gradient(&curvature, &a)?;
    // 3 · 4a³, 3 · 12a², 3 · 24a.
    assert_eq!([slope.item()?, curvature.item()?, change.item()?], [96.0, 144.0, 144.0]);
    Ok(())
}

#[test]
fn segments_inside_segments_capture_too() -> Result<()> {
    let (x, outside, w) = (tensor![0.5, -0.2], tensor![1.5, 2.0], Variable::new(tensor![0.3, 0.9]));
    let plain = |x: &Tensor, outside: &Tensor| {
        let between = (x * outside).tanh();
        ((&between * x).sin() * outside * &w).try_add(&between)
    };
    let nested = |x: &Tensor, outside: &Tensor| {
        let (outside, w) = (outside.clone(), w.clone());
        let outer = move |x: &[Tensor]| {
            let between = (&x[0] * &outside).tanh();
            let (captured, outside, w) = (between.clone(), outside.clone(), w.clone());
            let inner = move |x: &[Tensor]| Ok((&captured * &x[0]).sin() * &outside * &w);
            checkpoint(inner, &[&x[0]])?.try_add(&between)
        };
        checkpoint(outer, &[x])
    };
    let gradients = |f: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>| -> Result<Vec<Vec<f32>>> {
        let tape = GradientTape::new();
        tape.watch(&x);
        tape.watch(&outside);
        let y = f(&x, &outside)?;
        let all = tape.gradient(&y, [x.source(), outside.source(), w.source()])?;
        all.iter().map(Tensor::to_vec).collect()
    };
    let (expected, found) = (gradients(&plain)?, gradients(&nested)?);
    for (expected, found) in expected.iter().flatten().zip(found.iter().flatten()) {
        assert!((expected - found).abs() < 1e-6, "{found} instead of {expected}");
    }
    Ok(())
}

#[test]
fn captured_constants_and_integers_stay_off_the_tape() -> Result<()> {
    let (x, w) = (Variable::new(tensor![3.0, 4.0]), tensor![0.5, 2.0]);
    let (index, counter) = (tensor![1, 0], Variable::new(tensor![7]));
    let tape = GradientTape::new();
    let segment = move |x: &[Tensor]| {
        let count = counter.value().cast(DType::F32);
        Ok(x[0].take(&index, 0)? * &w * &count)
    };
    let y = checkpoint(segment, &[&x.value()])?;
    assert!(tape.to_string().contains("= checkpoint(%0)"), "{tape}");
    assert_eq!(tape.gradient(&y, &x)?.to_vec::<f32>()?, [14.0, 3.5]);

    // A constant input is an operand, but no gradient is computed for it.
    let (x, w) = (tensor![3.0], Variable::new(tensor![2.0]));
    let inside = w.clone();
    let tape = GradientTape::new();
    let y = checkpoint(move |x| Ok(&x[0] * &inside), &[&x])?;
    assert_eq!(tape.gradient(&y, &w)?.item()?, 3.0);

    let y = no_record(|| product(&x, &w.value()))?;
    let tape = GradientTape::new();
    assert!(message(tape.gradient(&y, &w)).contains("was not used by any operation that the tape recorded"));
    Ok(())
}

#[test]
fn a_value_captured_from_another_thread_is_an_error() -> Result<()> {
    let (w, x) = (Variable::new(tensor![3.0]).with_name("w"), tensor![2.0]);
    let tape = GradientTape::new();
    let elsewhere = std::thread::scope(|scope| scope.spawn(|| &w * 2.0).join().expect("no panic"));
    let y = product(&x, &elsewhere)? + &w;
    assert!(message(tape.gradient(&y, &w)).contains("an operand of checkpoint was computed from w on another thread"));
    // A tape of another thread gets the same error.
    let tape = GradientTape::new();
    let (captured, x) = (&w * 2.0, &x);
    let y = std::thread::scope(|scope| scope.spawn(|| product(x, &captured)).join().expect("no panic"))?;
    assert!(message(tape.gradient(y + &w, &w)).contains("computed from w on another thread"));
    Ok(())
}
