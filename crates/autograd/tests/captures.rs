//! Custom operations whose `forward` uses variables or watched values that are not operands.

use std::fmt;

use autograd::tensor::{Tensor, tensor};
use autograd::{CustomOp, GradientTape, Result, Variable, checkpoint, custom, no_record};

/// `forward` is a closure. The gradient passes through unchanged.
struct Closure<F>(F);

impl<F> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closure")
    }
}

impl<F: Fn(&Tensor) -> Result<Tensor> + Send + Sync> CustomOp for Closure<F> {
    fn name(&self) -> &str {
        "closure"
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        (self.0)(inputs[0])
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(std::iter::once(Some(gradient.clone())).chain(inputs[1..].iter().map(|_| None)).collect())
    }
}

fn apply(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Result<Tensor> {
    custom(Closure(f), &[x])
}

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

#[test]
fn a_captured_variable_is_an_error_that_names_it() -> Result<()> {
    let (w, x) = (Variable::new(tensor![3.0]).with_name("w"), Variable::new(tensor![2.0]));
    let expected = "closure: uses w, which is not an operand, so the gradient for it would be lost; pass it as an \
                    operand, as in `&w.value()`, or use `w.value().stop_gradient()` as a constant";
    let _tape = GradientTape::new();
    let captured = w.clone();
    assert_eq!(message(apply(&x.value(), move |x| Ok(x * &captured))), expected);
    let captured = w.clone();
    let (line, error) = (line!(), custom(Closure(move |x: &Tensor| Ok(x * &captured)), &[&x.value()]).unwrap_err());
    assert_eq!(error.place().map(|place| place.line()), Some(line));
    // The operation may return the variable without computing with it, or have no operand on the tape.
    let captured = w.clone();
    assert_eq!(message(apply(&x.value(), move |_| Ok(captured.value()))), expected);
    let captured = w.clone();
    assert_eq!(message(apply(&tensor![1.0], move |x| Ok(x * &captured))), expected);
    // A value that was computed from the variable outside.
    let captured = &w * 2.0;
    assert!(message(apply(&x.value(), move |x| Ok(x * &captured))).starts_with(
        "closure: uses a tensor of shape [1] computed from w, which is not an operand, so the gradient for it would be \
         lost"
    ));
    Ok(())
}

#[test]
fn a_captured_watched_tensor_is_an_error() -> Result<()> {
    let (a, x) = (tensor![3.0], Variable::new(tensor![2.0]));
    let tape = GradientTape::new();
    tape.watch(&a);
    let captured = a.clone();
    assert_eq!(
        message(apply(&x.value(), move |x| Ok(x * &captured))),
        "closure: uses a tensor of shape [1] that a tape watches, which is not an operand, so the gradient for it would \
         be lost; pass it as an operand, or use its `stop_gradient()` as a constant"
    );
    // The same tensor as operand and captured.
    let captured = a.clone();
    assert!(message(apply(&a, move |x| Ok(x * &captured))).contains("that a tape watches"));
    // As an operand alone.
    let y = apply(&a, |x| Ok(x * 2.0))?;
    assert_eq!(tape.gradient(&y, &a)?.item()?, 1.0);
    Ok(())
}

#[test]
fn captured_constants_are_allowed() -> Result<()> {
    let (w, x) = (Variable::new(tensor![3.0]), Variable::new(tensor![2.0]));
    let frozen = Variable::new(tensor![5.0]);
    frozen.set_trainable(false);
    let (table, old) = (tensor![7.0], w.value());
    // Without a tape everything is a constant.
    let captured = w.clone();
    assert_eq!(apply(&x.value(), move |x| Ok(x * &captured))?.item()?, 6.0);

    let tape = GradientTape::new();
    let captured = w.clone();
    let y = apply(&x.value(), move |x| {
        let constant = no_record(|| captured.value()) * captured.value().stop_gradient();
        Ok(x * &frozen * &table * &old * constant)
    })?;
    assert_eq!(y.item()?, 2.0 * 5.0 * 7.0 * 3.0 * 9.0);
    assert_eq!(tape.gradient(&y, &x)?.item()?, 1.0);

    // A tape inside the operation may differentiate with respect to the operand.
    let tape = GradientTape::new();
    let y = apply(&x.value(), |x| {
        let inner = GradientTape::new();
        inner.watch(x);
        inner.gradient(x.square(), x)
    })?;
    assert_eq!((y.item()?, tape.gradient(&y, &x)?.item()?), (4.0, 1.0));
    // A `no_record` scope around the operation makes a constant of its result.
    let _tape = GradientTape::new();
    let captured = w.clone();
    assert_eq!(no_record(|| apply(&x.value(), move |x| Ok(x * &captured)))?.item()?, 6.0);
    Ok(())
}

#[test]
fn captures_inside_a_checkpoint_are_an_error_of_the_gradient() -> Result<()> {
    let (w, x) = (Variable::new(tensor![3.0]).with_name("w"), Variable::new(tensor![2.0]));
    let tape = GradientTape::new();
    let captured = w.clone();
    let inner = move |x: &Tensor| {
        let captured = captured.clone();
        apply(x, move |x| Ok(x * &captured))
    };
    let y = checkpoint(move |x| inner(&x[0]), &[&x.value()])?;
    assert!(message(tape.gradient(&y, &x)).contains("closure: uses w, which is not an operand"));

    let a = tensor![5.0];
    let tape = GradientTape::new();
    tape.watch(&a);
    let captured = a.clone();
    let inner = move |x: &Tensor| {
        let captured = captured.clone();
        apply(x, move |x| Ok(x * &captured))
    };
    let y = checkpoint(move |x| inner(&x[0]), &[&x.value()])?;
    assert!(message(tape.gradient(&y, &x)).contains("closure: uses a tensor of shape [1] that a tape watches"));

    // Constants that were created outside the segment stay constants.
    let tape = GradientTape::new();
    let table = tensor![5.0];
    let inner = move |x: &Tensor| {
        let table = table.clone();
        apply(x, move |x| Ok(x * &table))
    };
    let y = checkpoint(move |x| inner(&x[0]), &[&x.value()])?;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 1.0);
    Ok(())
}
