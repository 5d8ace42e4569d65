//! The small convolutional network of *Deep Learning with Python* on MNIST: three convolutions, two poolings and a
//! dense layer classify 99 % of the test images correctly.
//!
//! ```text
//! cargo run --release --example convnet
//! ```

mod say;

use std::path::PathBuf;

use clap::Parser;
use facade::prelude::*;

use say::say;

/// Trains a small convolutional network on MNIST
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Train only on the first N images
    #[arg(long, default_value_t = 60_000)]
    images: usize,
    /// Folder with the four MNIST files; by default those in this library
    #[arg(long)]
    mnist: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    random::seed(options.seed);
    let Mnist { train_images, train_labels, test_images, test_labels } = match &options.mnist {
        Some(folder) => mnist::load_from(folder)?,
        None => mnist::load()?,
    };
    let samples = |images: &Tensor, labels: &Tensor, count: usize| -> Result<Pipeline> {
        let count = count.min(labels.size());
        let images = images.slice(..count)?.reshape([count, 28, 28, 1])?;
        Ok(ArrayDataset::from_tensors(&images, &labels.slice(..count)?)?.divide_features(255.0))
    };
    let train = samples(&train_images, &train_labels, options.images)?;
    let test = samples(&test_images, &test_labels, usize::MAX)?;

    let convolution = |filters| Conv2d::filters(filters, [3, 3]).activation(Activation::Relu);
    let model = Sequential::new()
        .add(convolution(32))
        .add(MaxPool2d::new([2, 2]))
        .add(convolution(64))
        .add(MaxPool2d::new([2, 2]))
        .add(convolution(128))
        .add(Flatten)
        .add(Dense::units(10).activation(Activation::Softmax));
    // Lazily initialized layers get their weights here.
    model.forward(&Tensor::zeros([1, 28, 28, 1]), Mode::Inference)?;

    let loss = SparseCategoricalCrossentropy::default();
    let mut trainer = Trainer::new(&model, loss, RmsProp::new(options.learning_rate)).metric(Accuracy::default());
    trainer.fit(&train, Fit::epochs(options.epochs).batch_size(options.batch_size))?;
    let score = trainer.evaluate(&test)?;
    say!("test loss {:.4}, test accuracy {:.4}", score.loss, score.get("accuracy").unwrap_or(f64::NAN));
    Ok(())
}
