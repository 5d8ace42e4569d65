//! The chapter's network on MNIST, compared step by step with TensorFlow: `golden/chapter.json` has all losses of the
//! first epoch, and the accuracy after each of ten.

use data::{ArrayDataset, Dataset, Mnist, mnist};
use nn::{Activation, Dense, Initializer, Sequential, SparseCategoricalCrossentropy};
use optim::Sgd;
use serde_json::Value;
use tensor::Tensor;
use train::{Accuracy, Fit, Trainer, Verbose};

/// The tolerance for TensorFlow's losses in float32, which differ from those in float64 by up to 1.5e-5.
const TOLERANCE: f64 = 1e-4;

/// Fractions of multiples of the golden ratio from `start` on, up to 0.1.
fn kernel(start: u64, shape: [usize; 2]) -> Initializer {
    let fraction =
        |i: u64| (0.1 * (i.wrapping_mul(2_654_435_761) % (1 << 32)) as f64 / f64::from(1u32 << 31) / 2.0) as f32;
    let values = (start..).take(shape[0] * shape[1]).map(fraction).collect();
    Initializer::Value(Tensor::from_vec(values, shape).unwrap())
}

#[test]
fn losses_and_accuracies_are_those_of_tensorflow() {
    let golden: Value = serde_json::from_str(include_str!("golden/chapter.json")).unwrap();
    let golden = &golden["float32"];
    let losses: Vec<f64> = golden["step_losses"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    let close = |value: f64, expected: f64, what: &str| {
        assert!((value - expected).abs() < TOLERANCE, "{what}: {value} instead of {expected}");
    };
    let Mnist { train_images, train_labels, test_images, test_labels } = mnist::load().unwrap();
    let flat = |images: &Tensor, labels: &Tensor| {
        ArrayDataset::from_tensors(&images.reshape([-1, 784]).unwrap(), labels).unwrap().divide_features(255.0)
    };
    let (train, test) = (flat(&train_images, &train_labels), flat(&test_images, &test_labels));
    let model = Sequential::new()
        .add(Dense::new(784, 512).activation(Activation::Relu).kernel_initializer(kernel(0, [784, 512])))
        .add(Dense::new(512, 10).activation(Activation::Softmax).kernel_initializer(kernel(784 * 512, [512, 10])));
    let mut trainer =
        Trainer::new(&model, SparseCategoricalCrossentropy::default(), Sgd::new(1e-3)).metric(Accuracy::default());

    let mut steps = Vec::new();
    let options = Fit::epochs(10).batch_size(128).validation(&test).verbose(Verbose::Silent);
    let history = trainer.fit(&train, options.on_batch(|end| steps.push(end.loss))).unwrap();
    assert_eq!((losses.len(), steps.len()), (469, 10 * 469));
    for (step, (loss, expected)) in steps.iter().zip(&losses).enumerate() {
        close(*loss, *expected, &format!("step {step}"));
    }
    for (k, epoch) in golden["epochs"].as_array().unwrap().iter().enumerate() {
        let expected = |name: &str| epoch[name].as_f64().unwrap();
        close(steps[469 * k], expected("first_loss"), "first loss");
        close(steps[469 * k + 468], expected("last_loss"), "last loss");
        let accuracy = history.get("val_accuracy").unwrap()[k];
        // A few images of 10,000.
        assert!((accuracy - expected("test_accuracy")).abs() < 4e-4, "{accuracy} after epoch {k}");
        let mean = steps[469 * k..][..468].iter().sum::<f64>() * 128.0 + steps[469 * k + 468] * 96.0;
        assert!((history.get("loss").unwrap()[k] - mean / 60_000.0).abs() < 1e-9);
    }
}
