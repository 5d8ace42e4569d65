//! The chapter's run, step for step against TensorFlow's: same data, same initial weights.

use facade::prelude::*;
use serde_json::Value;

/// Fractions of multiples of the golden ratio, as `chapter.json` describes: element `i`, counted
/// over both kernels.
fn initial_weights(first: u64, count: u64) -> Vec<f32> {
    let fraction = |i: u64| ((i * 2_654_435_761) % (1 << 32)) as f64 / (1u64 << 32) as f64;
    (first..first + count).map(|i| (0.1 * fraction(i)) as f32).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

#[test]
fn losses_and_accuracies_are_those_of_tensorflow() -> Result<()> {
    let golden: Value = serde_json::from_str(include_str!("chapter.json")).expect("JSON");
    let model = Sequential::new()
        .add(Dense::new(784, 512).activation(Activation::Relu))
        .add(Dense::new(512, 10).activation(Activation::Softmax));
    let weights = model.weights();
    weights[0].assign(Tensor::from_vec(initial_weights(0, 784 * 512), [784, 512])?)?;
    weights[2].assign(Tensor::from_vec(initial_weights(784 * 512, 512 * 10), [512, 10])?)?;
    let check = &golden["weights_check"];
    assert_eq!(weights[2].value().slice(0..1)?.cast(DType::F64).to_vec::<f64>()?, numbers(&check["w2_first_row"]));

    let Mnist { train_images, train_labels, test_images, test_labels } = mnist::load()?;
    let flat = |images: &Tensor, labels: &Tensor| -> Result<ArrayDataset> {
        Ok(ArrayDataset::from_tensors(&images.reshape([-1, 784])?, labels)?.divide_features(255.0))
    };
    let (train, test) = (flat(&train_images, &train_labels)?, flat(&test_images, &test_labels)?);
    let mut trainer =
        Trainer::new(&model, SparseCategoricalCrossentropy::default(), Sgd::new(1e-3)).metric(Accuracy::default());

    let mut losses = Vec::new();
    let fit = Fit::epochs(10).batch_size(128).verbose(Verbose::Silent).validation(&test);
    let history = trainer.fit(&train, fit.on_batch(|end| losses.push(end.loss)))?;

    // Ten times the drift between float32 and float64 that the file records.
    for (step, (&loss, expected)) in losses.iter().zip(numbers(&golden["float32"]["step_losses"])).enumerate() {
        assert!((loss - expected).abs() < 1e-4, "step {step}: {loss} instead of {expected}");
    }
    assert_eq!(losses.len(), 10 * 469);
    let accuracies = history.get("val_accuracy").expect("a metric of the trainer");
    for (epoch, expected) in golden["float32"]["epochs"].as_array().expect("a list").iter().enumerate() {
        let expected = expected["test_accuracy"].as_f64().expect("a number");
        let found = accuracies[epoch];
        assert!((found - expected).abs() < 1e-3, "epoch {epoch}: {found} instead of {expected}");
    }
    Ok(())
}
