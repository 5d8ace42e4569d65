//! Memory does not grow from step to step: buffers return to the pool.

use facade::prelude::*;
use facade::tensor::pool_statistics;

/// Resident memory in bytes, if the system reports it.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_whitespace().nth(1)?.parse::<usize>().ok()? * 4096)
}

/// Runs a step 10,000 times. After the first 500, no block may be allocated from the system, and the process may not
/// grow by more than a megabyte.
fn stays_flat(mut step: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..500 {
        step()?;
    }
    let (blocks, memory) = (pool_statistics().fresh, resident());
    for _ in 0..9_500 {
        step()?;
    }
    assert_eq!(pool_statistics().fresh, blocks, "blocks taken from the system in a steady state");
    if let (Some(before), Some(after)) = (memory, resident()) {
        assert!(after < before + (1 << 20), "resident memory went from {before} to {after}");
    }
    Ok(())
}

// A single test, because the process must run nothing else.
#[test]
fn training_and_inference_need_no_new_memory() -> Result<()> {
    random::seed(0);
    // Large enough for the pool of large blocks.
    let model = Sequential::new()
        .add(Dense::new(64, 160).activation(Activation::Relu))
        .add(Dropout::new(0.1))
        .add(Dense::new(160, 10));
    let weights = model.trainable_weights();
    let (x, y) = (Tensor::normal([64, 64], 0.0, 1.0)?, Tensor::zeros([64]).cast(DType::I64));
    let mut adam = Adam::new(1e-4);
    stays_flat(|| {
        let tape = GradientTape::new();
        let logits = model.forward(&x, Mode::Training)?;
        let loss = sparse_categorical_crossentropy_from_logits(&y, &logits)?.mean();
        let gradients = tape.gradient(&loss, &weights)?;
        adam.apply(&weights, &gradients)?;
        Ok(())
    })?;
    stays_flat(|| {
        model.forward(&x, Mode::Inference)?;
        Ok(())
    })?;
    // A tape that is dropped without a call of `gradient` frees its buffers as well.
    stays_flat(|| {
        let tape = GradientTape::new();
        model.forward(&x, Mode::Training)?;
        drop(tape);
        Ok(())
    })
}
