//! Properties of normalization layers.

use autograd::{GradientTape, checkpoint};
use nn::{
    BatchNorm, Dot, GroupNorm, Initializer, InstanceNorm, Layer, LayerNorm, Mode, RmsNorm, Sequential,
    UnitNormalization,
};
use tensor::{DType, Generator, Result, Tensor, tensor};

fn assert_equal(a: &Tensor, b: &Tensor) {
    assert!(a.allclose(b, 0.0, 1e-5).unwrap(), "{a:?}\n{b:?}");
}

#[test]
fn a_batch_norm_that_is_frozen_keeps_its_statistics() -> Result<()> {
    let layer = BatchNorm::new(2).momentum(0.5);
    let x = tensor![[1.0, 4.0], [3.0, 8.0]];
    let statistics = || -> Result<Vec<f32>> { layer.weight("moving_mean")?.value().to_vec::<f32>() };
    layer.forward(&x, Mode::Training)?;
    assert_eq!(statistics()?, [1.0, 3.0]);
    assert_eq!(layer.weight("moving_variance")?.value().to_vec::<f32>()?, [1.0, 2.5]);
    layer.set_trainable(false);
    let frozen = layer.forward(&x, Mode::Training)?;
    assert_eq!(statistics()?, [1.0, 3.0]);
    assert_equal(&frozen, &layer.forward(&x, Mode::Inference)?);
    // A frozen layer supports a single sample.
    layer.forward(&tensor![[1.0, 4.0]], Mode::Training)?;
    layer.set_trainable(true);
    assert_eq!(layer.trainable_weights().len(), 2);
    layer.forward(&x, Mode::Training)?;
    assert_eq!(statistics()?, [1.5, 4.5]);
    Ok(())
}

#[test]
fn running_statistics_stay_finite() -> Result<()> {
    let layer = BatchNorm::new(2).momentum(0.5);
    let statistics = || -> Result<Vec<Vec<f32>>> {
        ["moving_mean", "moving_variance"].map(|name| layer.weight(name)?.value().to_vec()).into_iter().collect()
    };
    layer.forward(&tensor![[1.0, 4.0], [3.0, 8.0]], Mode::Training)?;
    let before = statistics()?;
    assert_eq!(before, [[1.0, 3.0], [1.0, 2.5]]);
    // Squares of 1e20 overflow float32.
    for large in [1e20, 3e38] {
        let error = layer.forward(&tensor![[1.0, -large], [3.0, large]], Mode::Training).unwrap_err().to_string();
        let expected = format!(
            "batch_norm: the variance of the batch in channel 1 overflows float32, with elements up to {large:.1e}; the \
             running statistics are unchanged. Scale the input, or cast model and input to float64"
        );
        assert_eq!(error, expected);
        assert_eq!(statistics()?, before);
    }
    // A batch with NaN or infinite elements only makes its own loss NaN.
    for bad in [f32::NAN, f32::INFINITY] {
        let output = layer.forward(&tensor![[1.0, bad], [3.0, 8.0]], Mode::Training)?;
        assert!(!output.all_finite());
        assert_eq!(statistics()?, before);
    }
    layer.forward(&tensor![[1.0, 4.0], [3.0, 8.0]], Mode::Training)?;
    assert_eq!(statistics()?, [[1.5, 4.5], [1.0, 3.25]]);
    layer.cast(DType::F64)?;
    layer.forward(&tensor![[1.0, -1e20], [3.0, 1e20]].cast(DType::F64), Mode::Training)?;
    assert!(layer.weight("moving_variance")?.value().all_finite());
    // The variance is 3.24e38, which float32 can represent; the unbiased variance is twice as large.
    let unbiased = BatchNorm::new(1).momentum(0.0).unbiased_variance();
    let error = unbiased.forward(&tensor![[-1.8e19], [1.8e19]], Mode::Training).unwrap_err().to_string();
    assert!(error.contains("the variance of the batch in channel 0 overflows float32"), "{error}");
    assert_eq!(unbiased.weight("moving_variance")?.value().item()?, 1.0);
    Ok(())
}

#[test]
fn statistics_are_not_recorded() -> Result<()> {
    let model = Sequential::new().add(BatchNorm::new(2).momentum(0.0));
    let x = tensor![[1.0, 4.0], [3.0, 8.0]];
    let tape = GradientTape::new();
    tape.watch(&x);
    let y = model.forward(&x, Mode::Training)?;
    let mean = model.weight("batch_norm.moving_mean")?.value();
    assert_eq!(mean.to_vec::<f32>()?, [2.0, 6.0]);
    // The sum of values whose mean is 0 for every x.
    assert_equal(&tape.gradient(&y, &x)?, &Tensor::zeros([2, 2]));
    Ok(())
}

#[test]
fn a_shifted_and_scaled_input_gives_the_same() -> Result<()> {
    let x = Generator::new(1).normal([2, 3, 4], 0.0, 1.0)?;
    let moved = &x * 100.0 + 1000.0;
    for layer in [&LayerNorm::new(4).epsilon(0.0) as &dyn Layer, &GroupNorm::groups(2).epsilon(0.0)] {
        let (y, same) = (layer.forward(&x, Mode::Inference)?, layer.forward(&moved, Mode::Inference)?);
        // At 1000, float32 has four decimal places.
        assert!(y.allclose(&same, 0.0, 1e-4)?, "{}", layer.kind());
    }
    let layer = RmsNorm::new(4).epsilon(0.0);
    assert_equal(&layer.forward(&x, Mode::Inference)?, &layer.forward(&(&x * 100.0), Mode::Inference)?);
    Ok(())
}

#[test]
fn weights_scale_and_shift() -> Result<()> {
    let gamma = Initializer::Value(tensor![2.0, 3.0]);
    let layer = LayerNorm::new(2).gamma_initializer(gamma).beta_initializer(Initializer::Ones).epsilon(0.0);
    assert_equal(&layer.forward(&tensor![[1.0, 3.0]], Mode::Inference)?, &tensor![[-1.0, 4.0]]);
    let wrong = LayerNorm::new(2).epsilon(-1.0).forward(&tensor![[1.0, 3.0]], Mode::Inference).unwrap_err();
    assert_eq!(wrong.to_string(), "normalize: epsilon -1.0 must be a number from 0 on");
    let wrong = BatchNorm::new(2).momentum(1.5).forward(&tensor![[1.0, 3.0]], Mode::Inference).unwrap_err();
    assert_eq!(wrong.to_string(), "batch_norm: the momentum 1.5 must lie between 0 and 1");
    let wrong = BatchNorm::new(2).epsilon(-2.0).forward(&tensor![[1.0, 3.0]], Mode::Inference).unwrap_err();
    assert_eq!(wrong.to_string(), "batch_norm: epsilon -2.0 must be finite and at least 0");
    let wrong = LayerNorm::over([]).forward(&tensor![[1.0, 3.0]], Mode::Inference).unwrap_err();
    assert_eq!(wrong.to_string(), "layer_norm: there are no axes to normalize; there must be at least 1");
    Ok(())
}

/// The backward pass runs the segment again, which once updated the statistics twice.
#[test]
fn a_checkpoint_updates_statistics_once() -> Result<()> {
    let (x, momentum) = (Generator::new(2).normal([5, 2], 1.0, 2.0)?, 0.5);
    let step = |checkpointed: usize| -> Result<Vec<Vec<f32>>> {
        let layer = std::sync::Arc::new(BatchNorm::new(2).momentum(momentum));
        let tape = GradientTape::new();
        tape.watch(&x);
        let inner = layer.clone();
        let once = move |x: &[Tensor]| inner.forward(&x[0], Mode::Training);
        let y = match checkpointed {
            0 => once(std::slice::from_ref(&x))?,
            1 => checkpoint(once, &[&x])?,
            // Nested segments.
            _ => checkpoint(move |x| checkpoint(once.clone(), &[&x[0]]), &[&x])?,
        };
        let weights = layer.trainable_weights();
        let gradients = tape.gradient(y.tanh().square(), &weights)?;
        let values = gradients
            .iter()
            .map(|gradient| gradient.to_vec())
            .chain(layer.weights().iter().map(|weight| weight.value().to_vec()).collect::<Vec<_>>());
        values.collect()
    };
    let plain = step(0)?;
    assert_eq!(plain.len(), 6);
    assert_eq!(step(1)?, plain);
    assert_eq!(step(2)?, plain);
    Ok(())
}

/// `x / max(‖x‖, 1e-12)`, so vectors that are shorter than 1e-12 are divided by it, and no gradient is NaN.
#[test]
fn unit_normalization_of_short_and_long_vectors() -> Result<()> {
    let x = tensor![[0.0, 0.0], [3e-13, 4e-13], [3e30, 4e30]];
    let tape = GradientTape::new();
    tape.watch(&x);
    let y = UnitNormalization::default().forward(&x, Mode::Training)?;
    assert_equal(&y, &tensor![[0.0, 0.0], [0.3, 0.4], [0.6, 0.8]]);
    let gradient = tape.gradient(y.sum(), &x)?;
    assert_equal(&(&gradient * 1e-12).slice(..2)?, &tensor![[1.0, 1.0], [1.0, 1.0]]);
    assert!(gradient.all_finite());
    Ok(())
}

#[test]
fn a_normalized_dot_product_with_zeros_is_zero() -> Result<()> {
    let (zeros, x) = (tensor![[0.0, 0.0]], tensor![[3.0, 4.0]]);
    let tape = GradientTape::new();
    tape.watch(&zeros);
    let y = Dot::along(1).normalize().forward_many(&[&zeros, &x], Mode::Training)?;
    assert_eq!(y.to_vec::<f32>()?, [0.0]);
    assert_equal(&(tape.gradient(&y, &zeros)? * 1e-7), &tensor![[0.6, 0.8]]);
    Ok(())
}

#[test]
fn instance_norm_is_group_norm_with_one_channel_a_group() -> Result<()> {
    let x = Generator::new(3).normal([2, 3, 4, 6], 1.0, 2.0)?;
    let expected = GroupNorm::groups(6).epsilon(1e-5).forward(&x, Mode::Inference)?;
    for layer in [InstanceNorm::default(), InstanceNorm::new(6).affine()] {
        assert!(layer.forward(&x, Mode::Inference)?.allclose(&expected, 0.0, 0.0)?);
    }
    // The options of weights may come before and after.
    let layer = InstanceNorm::new(6).beta_initializer(Initializer::Ones).affine();
    assert_equal(&layer.forward(&x, Mode::Inference)?, &(expected + 1.0));
    Ok(())
}
