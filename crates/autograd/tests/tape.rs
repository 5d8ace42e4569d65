//! The semantics of tapes and variables.

use autograd::tensor::{DType, Tensor, tensor};
use autograd::{
    Differentiable, Error, GradientOptions, GradientTape, Result, Unconnected, Variable, checkpoint, no_record,
};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error: Error| error.to_string())
}

#[test]
fn a_scalar_a_matrix_and_a_list_of_variables() -> Result<()> {
    let x = Variable::new(Tensor::scalar(0.0));
    let tape = GradientTape::new();
    let y = 2.0 * &x + 3.0;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 2.0);

    let x = Variable::new(Tensor::zeros([2, 2]));
    let tape = GradientTape::new();
    let y = 2.0 * &x + 3.0;
    assert_eq!(tape.gradient(&y, &x)?.to_vec::<f32>()?, [2.0; 4]);

    let w = Variable::new(tensor![[1.0, 2.0], [3.0, 4.0]]);
    let b = Variable::new(Tensor::zeros([2]));
    let x = tensor![[5.0, 6.0], [7.0, 8.0]];
    let tape = GradientTape::new();
    let y = x.matmul(&w)? + &b;
    let [dw, db] = tape.gradient(&y, [&w, &b])?;
    assert_eq!(dw.to_vec::<f32>()?, [12.0, 12.0, 14.0, 14.0]);
    assert_eq!(db.to_vec::<f32>()?, [2.0, 2.0]);
    Ok(())
}

#[test]
fn the_gradient_of_a_variable_is_the_sum_over_all_reads() -> Result<()> {
    let x = Variable::new(tensor![3.0]);
    let tape = GradientTape::new();
    let before = &x * 2.0;
    x.assign(tensor![10.0])?;
    let after = x.value().square();
    let y = before + after;
    // 2 from the first read, 2 · 10 from the second.
    assert_eq!(tape.gradient(&y, &x)?.item()?, 22.0);
    Ok(())
}

#[test]
fn reads_before_the_tape_are_constants() -> Result<()> {
    let x = Variable::new(tensor![3.0]);
    let old = x.value();
    let tape = GradientTape::new();
    let y = &x * &old;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 3.0);
    Ok(())
}

#[test]
fn in_place_updates_do_not_reach_what_a_tape_keeps() -> Result<()> {
    let x = Variable::new(tensor![3.0, 4.0]);
    let tape = GradientTape::persistent();
    let y = x.value().square();
    x.assign_sub(tensor![1.0, 1.0])?;
    assert_eq!(tape.gradient(&y, &x)?.to_vec::<f32>()?, [6.0, 8.0]);
    assert_eq!(x.value().to_vec::<f32>()?, [2.0, 3.0]);
    Ok(())
}

#[test]
fn a_persistent_tape_answers_again_and_does_not_record_its_backward_pass() -> Result<()> {
    let x = Variable::new(tensor![2.0]);
    let tape = GradientTape::persistent();
    let y = x.value().pow(3.0)?;
    let z = &y * 2.0;
    let length = tape.to_string().lines().count();
    assert_eq!(tape.gradient(&y, &x)?.item()?, 12.0);
    assert_eq!(tape.to_string().lines().count(), length);
    assert_eq!(tape.gradient(&z, &x)?.item()?, 24.0);
    assert_eq!(tape.gradient(&z, &y)?.item()?, 2.0);
    tape.stop();
    let late = &x * 5.0;
    assert!(message(tape.gradient(&late, &x)).contains("does not contribute to the target"));
    Ok(())
}

#[test]
fn nested_tapes_give_higher_derivatives() -> Result<()> {
    let x = Variable::new(Tensor::scalar(1.5));
    let third = GradientTape::new();
    let second = GradientTape::new();
    let first = GradientTape::new();
    let y = x.value().pow(4.0)?;
    let dy = first.gradient(&y, &x)?;
    let ddy = second.gradient(&dy, &x)?;
    let dddy = third.gradient(&ddy, &x)?;
    assert_eq!([dy.item()?, ddy.item()?, dddy.item()?], [13.5, 27.0, 36.0]);
    Ok(())
}

#[test]
fn each_source_without_a_gradient_has_its_own_error() -> Result<()> {
    let x = Variable::new(tensor![1.0]).with_name("kernel");
    let other = Variable::new(tensor![1.0]).with_name("unused");
    let read = Variable::new(tensor![1.0]).with_name("read");

    let tape = GradientTape::persistent();
    let y = &x * 2.0;
    let _aside = &read * 2.0;
    assert_eq!(
        message(tape.gradient(&y, &other)),
        "gradient: unused was not used by any operation that the tape recorded, so it has no gradient; to get zeros \
         instead of this error, pass `Unconnected::Zeros`, or use `jacobian`"
    );
    assert!(message(tape.gradient(&y, &read)).starts_with("gradient: read does not contribute to the target"));
    let zeros = GradientOptions::default().unconnected(Unconnected::Zeros);
    assert_eq!(tape.gradient_with(&y, &other, zeros)?.item()?, 0.0);
    assert_eq!(
        message(tape.gradient(&y, &tensor![1.0])),
        "gradient: source 0, a tensor of shape [1], was never watched; make it a variable (`Variable::new`), or call \
         `tape.watch(&x)` before it is used"
    );
    let class = y.argmax_axis(0)?;
    assert!(message(tape.gradient(&class, &x)).contains("the target is of type int64"));
    let counts = Variable::new(tensor![1, 2]).with_name("counts");
    assert_eq!(
        message(tape.gradient(&y, &counts)),
        "gradient: counts is of type int64; only floating types have gradients"
    );
    let options = GradientOptions::default().output_gradient(&tensor![1.0, 2.0]);
    assert_eq!(
        message(tape.gradient_with(&y, &x, options)),
        "gradient: the output gradient is float32 [2], but the target is float32 [1]"
    );
    Ok(())
}

#[test]
fn stop_gradient_and_no_record_make_constants() -> Result<()> {
    let x = Variable::new(tensor![3.0]);
    let tape = GradientTape::new();
    let y = &x * x.value().stop_gradient() + no_record(|| x.value().square());
    assert_eq!(tape.gradient(&y, &x)?.item()?, 3.0);
    Ok(())
}

#[test]
fn frozen_variables_and_plain_tensors_are_watched_on_request() -> Result<()> {
    let frozen = Variable::new(tensor![3.0]);
    frozen.set_trainable(false);
    let x = tensor![5.0];
    let tape = GradientTape::persistent();
    let unwatched = &frozen * 7.0;
    tape.watch(&frozen);
    tape.watch(&x);
    let y = &frozen * &x + unwatched;
    assert_eq!(tape.gradient(&y, &frozen)?.item()?, 5.0);
    assert_eq!(tape.gradient(&y, &x)?.item()?, 3.0);
    // The target is the source itself.
    assert_eq!(tape.gradient(&x, &x)?.item()?, 1.0);
    Ok(())
}

#[test]
fn a_value_of_another_thread_does_not_pass_for_a_constant() -> Result<()> {
    let x = Variable::new(tensor![1.0]).with_name("shared");
    let tape = GradientTape::new();
    let here = &x * 2.0;
    let there = std::thread::scope(|scope| scope.spawn(|| &x * 5.0).join().expect("no panic"));
    let y = &here + &there;
    assert_eq!(
        message(tape.gradient(&y, &x)),
        "gradient: an operand of add was computed from shared on another thread while this tape ran, so its part of \
         the gradient is unknown; use a tape on that thread, or `stop_gradient`"
    );

    let tape = GradientTape::new();
    let there = std::thread::scope(|scope| scope.spawn(|| (&x * 5.0).stop_gradient()).join().expect("no panic"));
    let y = &x * 2.0 + there;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 2.0);

    // Computed before the tape: a constant.
    let there = std::thread::scope(|scope| scope.spawn(|| &x * 5.0).join().expect("no panic"));
    let tape = GradientTape::new();
    let y = &x * 2.0 + there;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 2.0);
    Ok(())
}

#[test]
fn the_same_tensor_as_both_operands() -> Result<()> {
    let x = Variable::new(tensor![3.0, -2.0]);
    let value = x.value();
    let tape = GradientTape::new();
    let v = x.value();
    let y = &v * &v - &v;
    assert_eq!(tape.gradient(&y, &x)?.to_vec::<f32>()?, [5.0, -5.0]);
    let tape = GradientTape::new();
    tape.watch(&value);
    let y = Tensor::concat(&[&value, &value], 0)?;
    assert_eq!(tape.gradient(&y, &value)?.to_vec::<f32>()?, [2.0, 2.0]);
    Ok(())
}

#[test]
fn variables_check_what_is_assigned() {
    let x = Variable::new(tensor![1.0, 2.0]).with_name("bias");
    assert_eq!(message(x.assign(tensor![1.0])), "bias: assign: shape [1]: the variable has shape [2]");
    assert_eq!(
        message(x.assign_sub(tensor![1, 2])),
        "bias: assign_sub: int64 and float32 differ; cast the int64 one, as in `x.cast(DType::F32)`"
    );
    x.cast(DType::F64).unwrap();
    x.assign_add(1.0).unwrap();
    assert_eq!(x.value().to_vec::<f64>().unwrap(), [2.0, 3.0]);
}

#[test]
fn a_tape_prints_its_operations() -> Result<()> {
    let w = Variable::new(tensor![[1.0], [2.0]]).with_name("w");
    let tape = GradientTape::new();
    let _y = tensor![[3.0, 4.0]].matmul(&w)?.tanh();
    assert_eq!(
        tape.to_string(),
        "%0 = w\n%1: float32 [1, 1] = matmul(float32 [1, 2], %0)\n%2: float32 [1, 1] = tanh(%1)\n"
    );
    Ok(())
}

/// The error once said that a frozen variable was not read, and that a tensor watched too late was not connected.
#[test]
fn the_error_for_a_frozen_or_late_source_says_why() -> Result<()> {
    let x = Variable::new(tensor![3.0]).with_name("backbone");
    x.set_trainable(false);
    let other = Variable::new(tensor![2.0]);
    let tape = GradientTape::persistent();
    let y = &x * &other;
    let frozen = message(tape.gradient(&y, &x));
    assert!(
        frozen.starts_with(
            "gradient: backbone is not trainable and was not watched (call `set_trainable(true)`, or `tape.watch(&x)` \
             before it is used), so it has no gradient"
        ),
        "{frozen}"
    );
    tape.watch(&x);
    let late = message(tape.gradient(&y, &x));
    assert!(late.starts_with("gradient: backbone was not used by any operation after `tape.watch`, so"), "{late}");
    // Frozen when it was used, but trainable when the gradient is requested.
    let thawed = Variable::new(tensor![3.0]).with_name("thawed");
    thawed.set_trainable(false);
    let z = &thawed * &other;
    thawed.set_trainable(true);
    let late = message(tape.gradient(&z, &thawed));
    assert!(late.starts_with("gradient: thawed was not used by any operation that the tape recorded, so"), "{late}");

    let a = tensor![1.0];
    let y = &a * &other;
    tape.watch(&a);
    let _later = &a * 2.0;
    let late = message(tape.gradient(&y, &a));
    assert!(
        late.starts_with(
            "gradient: source 0, a tensor of shape [1], does not contribute to the target (values computed from it \
             before `tape.watch` do not count), so it has no gradient"
        ),
        "{late}"
    );
    // The reason is different for a tensor that was watched in time but not used.
    let b = tensor![1.0];
    let tape = GradientTape::new();
    tape.watch(&b);
    let y = &other * 2.0;
    let unused = message(tape.gradient(&y, &b));
    assert!(unused.contains("does not contribute to the target, so"), "{unused}");
    Ok(())
}

#[test]
fn an_error_of_a_tape_knows_the_call() -> Result<()> {
    let (x, other) = (Variable::new(tensor![1.0]), Variable::new(tensor![2.0]));
    let y = || &x * 2.0;
    let tape = GradientTape::persistent();
    let target = y();
    let once = GradientTape::new();
    let errors = [
        (line!(), tape.gradient(&target, &other).unwrap_err()),
        (line!(), tape.gradient(1.0, &x).unwrap_err()),
        (line!(), tape.trainable_variables(1.0).unwrap_err()),
        (line!(), once.gradient(y(), &other).unwrap_err()),
    ];
    for (line, error) in errors {
        assert_eq!(error.place().map(|place| (place.file(), place.line())), Some((file!(), line)), "{error}");
    }
    Ok(())
}

#[test]
fn sources_in_every_form() -> Result<()> {
    let weights = [Variable::new(tensor![2.0]), Variable::new(tensor![3.0])];
    let tape = GradientTape::persistent();
    let x = tensor![5.0];
    tape.watch(&x);
    let y = &weights[0] * &weights[1] * &x;
    let values = |gradients: &[Tensor]| gradients.iter().map(Tensor::item).collect::<Result<Vec<_>>>();
    let expected = [15.0, 10.0];
    assert_eq!(values(&tape.gradient(&y, &weights)?)?, expected);
    assert_eq!(values(&tape.gradient(&y, weights.clone())?)?, expected);
    assert_eq!(values(&tape.gradient(&y, &weights.each_ref())?)?, expected);
    assert_eq!(values(&tape.gradient(&y, weights.each_ref())?)?, expected);
    assert_eq!(values(&tape.gradient(&y, &weights[..])?)?, expected);
    assert_eq!(values(&tape.gradient(&y, &weights.to_vec())?)?, expected);
    assert_eq!(values(&tape.gradient(&y, &weights.iter().collect::<Vec<_>>())?)?, expected);
    // Variables and tensors together.
    let [dw, dx] = tape.gradient(&y, [weights[0].source(), x.source()])?;
    assert_eq!([dw.item()?, dx.item()?], [15.0, 6.0]);
    Ok(())
}

#[test]
fn a_tape_names_the_trainable_variables_that_a_target_depends_on() -> Result<()> {
    let [used_late, used, frozen, aside, stopped, compared] =
        ["used_late", "used", "frozen", "aside", "stopped", "compared"]
            .map(|name| Variable::new(tensor![2.0]).with_name(name));
    frozen.set_trainable(false);
    let names = |variables: Vec<Variable>| variables.iter().map(Variable::name).collect::<Vec<_>>();
    let tape = GradientTape::persistent();
    let first = &used * 3.0 + (&stopped * 2.0).stop_gradient() + no_record(|| &stopped * 2.0);
    let loss = (first * &frozen + &used).sum() * &used_late;
    let metric = &loss * &aside;
    let loss = loss + compared.value().greater(1.0)?.cast(DType::F32);
    assert_eq!(names(tape.trainable_variables(&loss)?), ["used", "used_late"]);
    // The call does not consume the tape.
    assert_eq!(tape.gradient(&loss, &used)?.item()?, 2.0 * (3.0 * 2.0 + 1.0));
    assert_eq!(names(tape.trainable_variables(&metric)?), ["used", "used_late", "aside"]);
    assert_eq!(names(tape.trainable_variables(&used)?), ["used"]);
    assert!(tape.trainable_variables(tensor![1.0])?.is_empty());
    assert!(message(tape.trainable_variables(1.0)).contains("the number 1"));

    // Variables of a checkpointed segment count.
    let tape = GradientTape::new();
    let y = checkpoint(
        {
            let used = used.clone();
            move |x| Ok(&x[0] * &used)
        },
        &[&tensor![1.0]],
    )?;
    assert_eq!(names(tape.trainable_variables(&y)?), ["used"]);
    Ok(())
}
