//! A profile of training has phases and layers, and does not change results.

use std::sync::{Mutex, MutexGuard, PoisonError};

use facade::prelude::*;
use facade::tensor;

/// A profiler covers all threads, so these tests must not run at the same time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn model() -> Sequential {
    random::seed(3);
    Sequential::new()
        .add(Dense::new(20, 30).activation(Activation::Relu))
        .add_named("classes", Sequential::new().add(Dense::new(30, 4)))
}

/// Two training steps. Returns the bits of the weights.
fn train(model: &Sequential) -> Result<Vec<u32>> {
    let (x, y) = (Generator::new(1).normal([8, 20], 0.0, 1.0)?, Generator::new(2).integers([8], 0..4)?);
    let weights = model.trainable_weights();
    let mut optimizer = Adam::new(1e-2);
    for _ in 0..2 {
        let tape = GradientTape::new();
        let logits = model.forward(&x, Mode::Training)?;
        let loss = sparse_categorical_crossentropy_from_logits(&y, &logits)?.mean();
        optimizer.apply(&weights, &tape.gradient(&loss, &weights)?)?;
    }
    let values = weights.iter().map(|weight| weight.value().to_vec::<f32>());
    Ok(values.collect::<tensor::Result<Vec<_>>>()?.concat().into_iter().map(f32::to_bits).collect())
}

#[test]
fn a_training_step_has_three_phases() -> Result<()> {
    let _alone = alone();
    let model = model();
    let profiler = Profiler::start();
    train(&model)?;
    let profile = profiler.stop();
    let (batch, inputs, hidden, classes) = (8, 20, 30, 4);
    let products = 2 * 2 * batch * hidden * (inputs + classes);
    let forward = profile.row("matmul", Phase::Forward).expect("two a step");
    assert_eq!((forward.calls, forward.flops), (4, products));
    // The same for the gradient of each operand except the data.
    let backward = profile.row("matmul", Phase::Backward).expect("three a step");
    assert_eq!((backward.calls, backward.flops), (6, 2 * products - 2 * 2 * batch * hidden * inputs));
    assert!(profile.row("relu", Phase::Backward).is_none());
    assert_eq!(profile.row("relu_gradient", Phase::Backward).expect("one a step").flops, 2 * batch * hidden);
    // Four weights per step. Adam has two states, so three pairs of operations per element.
    let weights = inputs * hidden + hidden + hidden * classes + classes;
    let update = profile.row("update", Phase::Update).expect("four a step");
    assert_eq!((update.calls, update.flops, update.bytes), (8, 2 * 6 * weights, 2 * 7 * 4 * weights));
    Ok(())
}

#[test]
fn layers_are_scopes() -> Result<()> {
    let _alone = alone();
    let model = model();
    let profiler = Profiler::start();
    train(&model)?;
    let profile = profiler.stop();
    let mut scopes: Vec<_> = profile.scopes().iter().map(|row| (row.path.as_str(), row.calls)).collect();
    scopes.sort();
    assert_eq!(scopes, [("classes", 2), ("classes.dense", 2), ("dense", 2)]);
    Ok(())
}

#[test]
fn what_is_computed_anew_for_a_gradient_belongs_to_it() -> Result<()> {
    let _alone = alone();
    let x = Variable::new(tensor![1.0, 2.0]);
    let profiler = Profiler::start();
    let tape = GradientTape::new();
    let y = checkpoint(|inputs: &[Tensor]| Ok(inputs[0].exp()), &[&x.value()])?.sum();
    tape.gradient(&y, &x)?;
    let profile = profiler.stop();
    let calls = |phase| profile.row("exp", phase).expect("called").calls;
    assert_eq!((calls(Phase::Forward), calls(Phase::Backward)), (1, 1));
    Ok(())
}

#[test]
fn training_ends_with_the_same_bits() -> Result<()> {
    let _alone = alone();
    let without = train(&model())?;
    let profiler = Profiler::start();
    let with = train(&model())?;
    drop(profiler);
    assert_eq!(without, with);
    Ok(())
}
