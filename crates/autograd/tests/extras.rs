//! Custom operations, checkpoints, memory, anomalies and drawings.

use autograd::tensor::{Tensor, tensor};
use autograd::{CustomOp, GradientTape, Result, Tolerance, Variable, checkpoint, custom, gradcheck, gradgradcheck};

#[derive(Debug)]
struct Cube;

impl CustomOp for Cube {
    fn name(&self) -> &str {
        "cube"
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        inputs[0].pow(3.0)
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(gradient.try_mul(inputs[0].square())?.try_mul(3.0)?)])
    }
}

#[derive(Debug)]
struct Opaque;

impl CustomOp for Opaque {
    fn name(&self) -> &str {
        "opaque"
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        Ok(inputs[0].sin())
    }
}

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

#[test]
fn a_custom_operation_is_checked_like_any_other() -> Result<()> {
    let x = [tensor![0.5, -1.5]];
    gradcheck(|x| custom(Cube, &[&x[0]]), &x, Tolerance::default())?;
    gradgradcheck(|x| custom(Cube, &[&x[0]]), &x, Tolerance::default())
}

#[test]
fn a_correct_second_derivative_near_a_pole_passes() -> Result<()> {
    // Terms of a few hundred cancel to -0.9. A difference of two points has an error of 1.5e-6.
    let x = [tensor![-1.77134702, 1.48112581, -0.42133424], tensor![0.10627897]];
    gradgradcheck(|x| x[0].try_div(&x[1]), &x, Tolerance { step: 1e-5, error: 1e-8 })
}

#[test]
fn an_operation_without_a_derivative_says_so_by_name() {
    let x = Variable::new(tensor![1.0]);
    let tape = GradientTape::new();
    let y = custom(Opaque, &[&x.value()]).unwrap();
    assert_eq!(message(tape.gradient(&y, &x)), "gradient: gradient: opaque has no derivative");
}

/// Ten layers of 64 × 64 numbers in two segments.
fn deep(x: &Tensor, weights: &[Variable], segments: bool) -> Result<Tensor> {
    let layers = |x: &Tensor, weights: &[Variable]| -> Result<Tensor> {
        weights.iter().try_fold(x.clone(), |x, w| x.matmul(w).map(|y| y.tanh()))
    };
    let mut x = x.clone();
    for part in weights.chunks(5) {
        let part = part.to_vec();
        x = if segments { checkpoint(move |x| layers(&x[0], &part), &[&x])? } else { layers(&x, &part)? };
    }
    Ok(x)
}

#[test]
fn a_checkpoint_saves_memory_and_gives_the_same_bits() -> Result<()> {
    autograd::tensor::random::seed(3);
    let weights: Vec<Variable> =
        (0..10).map(|_| Tensor::normal([64, 64], 0.0, 0.2).map(Variable::new)).collect::<Result<_>>()?;
    let x = Tensor::normal([64, 64], 0.0, 1.0)?;
    let run = |segments| -> Result<(usize, Vec<Tensor>)> {
        let tape = GradientTape::new();
        let loss = deep(&x, &weights, segments)?.square().mean();
        Ok((tape.memory(), tape.gradient(&loss, &weights)?))
    };
    let ((plain_memory, plain), (memory, gradients)) = (run(false)?, run(true)?);
    for (a, b) in plain.iter().zip(&gradients) {
        assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?);
    }
    // 16 KiB for each matrix: eleven activations and nine weights (the first weight is not saved, because the input is
    // a constant), or three activations and ten weights.
    assert_eq!((plain_memory, memory), ((11 + 9) * 16384, (3 + 10) * 16384));
    Ok(())
}

#[test]
fn a_checkpoint_can_be_differentiated_twice() -> Result<()> {
    gradgradcheck(
        |x| checkpoint(|x| Ok((&x[0] * &x[1]).tanh()), &[&x[0], &x[1]]),
        &[tensor![0.3, -0.8], tensor![1.2, 0.4]],
        Tolerance::default(),
    )
}

#[test]
fn a_checkpoint_that_cannot_be_repeated_is_an_error() -> Result<()> {
    let x = Variable::new(tensor![1.0]);
    let tape = GradientTape::new();
    let y = checkpoint(|x| Ok(&x[0] * Tensor::uniform([1], 0.0..1.0)?), &[&x.value()])?;
    assert!(message(tape.gradient(&y, &x)).contains("the segment returned a different result when it was recomputed"));

    let (w, x) = (Variable::new(tensor![2.0]), tensor![1.0]);
    let inside = w.clone();
    let tape = GradientTape::new();
    let y = checkpoint(move |x| Ok(&x[0] * &inside), &[&x])?;
    w.assign(tensor![3.0])?;
    assert!(message(tape.gradient(&y, &w)).contains("the variables it reads must not change"));
    Ok(())
}

#[test]
fn a_chain_of_additions_saves_no_values() -> Result<()> {
    let x = Variable::new(tensor![1.0, 2.0, 3.0]);
    let tape = GradientTape::new();
    let y = (0..1000).fold(x.value(), |y, _| y + 0.5);
    assert_eq!(tape.memory(), 0);
    assert_eq!(tape.gradient(&y, &x)?.to_vec::<f32>()?, [1.0; 3]);

    // A product saves a constant factor, but not the other one.
    let (large, small) = (Tensor::ones([100]), Variable::new(tensor![2.0]));
    let tape = GradientTape::new();
    let _y = &large * &small;
    assert_eq!(tape.memory(), 400);
    Ok(())
}

#[test]
fn the_first_anomaly_is_named() -> Result<()> {
    let x = Variable::new(tensor![0.0, 1.0]);
    let tape = GradientTape::new();
    tape.detect_anomalies();
    let y = (x.value().log() * 2.0).exp();
    assert_eq!(
        message(tape.gradient(&y, &x)),
        "gradient: anomaly: the result of log, of shape [2], is the first with NaN or infinite elements"
    );
    let tape = GradientTape::new();
    tape.detect_anomalies();
    let y = x.value().sqrt() * 2.0;
    assert_eq!(
        message(tape.gradient(&y, &x)),
        "gradient: anomaly: the gradient of sqrt for an operand of shape [2] is the first with NaN or infinite elements"
    );
    Ok(())
}

#[test]
fn the_operation_that_blocks_a_path_is_named() -> Result<()> {
    let x = Variable::new(tensor![1.0, 3.0]).with_name("scores");
    let tape = GradientTape::new();
    let y = x.value().argmax_axis(0)?.one_hot(2)? * 2.0;
    assert_eq!(
        message(tape.gradient(&y, &x)),
        "gradient: scores contributes to the target at most through argmax, which passes no gradient on, so it has no \
         gradient; to get zeros instead of this error, pass `Unconnected::Zeros`, or use `jacobian`"
    );
    Ok(())
}

#[test]
fn a_tape_is_drawn_in_dot() -> Result<()> {
    let w = Variable::new(tensor![[1.0], [2.0]]).with_name("w");
    let tape = GradientTape::new();
    let _y = tensor![[3.0, 4.0]].matmul(&w)?.tanh();
    assert_eq!(
        tape.to_dot(),
        r#"digraph tape {
  rankdir=BT;
  node [fontname="sans-serif"];
  n0 [shape=box, style=filled, fillcolor=lightblue, label="w"];
  n1 [label="matmul\nfloat32 [1, 1]"];
  n0 -> n1;
  n2 [label="tanh\nfloat32 [1, 1]"];
  n1 -> n2;
}
"#
    );
    Ok(())
}
