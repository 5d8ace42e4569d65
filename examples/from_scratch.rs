//! The chapter's classifier from scratch: a dense layer, a sequential model, a batch generator, a training step, a loop
//! and an evaluation, using only tensors, the gradient tape and MNIST.
//!
//! ```text
//! cargo run --release --example from_scratch
//! ```

mod say;

use std::path::PathBuf;
use std::process::ExitCode;

use autograd::tensor::{DType, Tensor, random};
use autograd::{GradientTape, Result, Variable};
use clap::Parser;
use data::{Mnist, mnist};

use say::{complain, say};

/// A dense layer: `activation(x · w + b)`.
struct NaiveDense {
    w: Variable,
    b: Variable,
    activation: fn(&Tensor) -> Result<Tensor>,
}

impl NaiveDense {
    fn new(input_size: usize, output_size: usize, activation: fn(&Tensor) -> Result<Tensor>) -> Result<NaiveDense> {
        let w = Variable::new(Tensor::uniform([input_size, output_size], 0.0..0.1)?);
        let b = Variable::new(Tensor::zeros([output_size]));
        Ok(NaiveDense { w, b, activation })
    }

    fn call(&self, inputs: &Tensor) -> Result<Tensor> {
        (self.activation)(&inputs.matmul(&self.w)?.try_add(&self.b)?)
    }

    fn weights(&self) -> [&Variable; 2] {
        [&self.w, &self.b]
    }
}

/// Layers, one after the other.
struct NaiveSequential {
    layers: Vec<NaiveDense>,
}

impl NaiveSequential {
    fn call(&self, inputs: &Tensor) -> Result<Tensor> {
        self.layers.iter().try_fold(inputs.clone(), |x, layer| layer.call(&x))
    }

    fn weights(&self) -> Vec<&Variable> {
        self.layers.iter().flat_map(NaiveDense::weights).collect()
    }
}

/// Returns a data set in batches, in the order of the file.
struct BatchGenerator<'a> {
    index: usize,
    images: &'a Tensor,
    labels: &'a Tensor,
    batch_size: usize,
    num_batches: usize,
}

impl<'a> BatchGenerator<'a> {
    fn new(images: &'a Tensor, labels: &'a Tensor, batch_size: usize) -> BatchGenerator<'a> {
        let num_batches = labels.size().div_ceil(batch_size);
        BatchGenerator { index: 0, images, labels, batch_size, num_batches }
    }

    fn next(&mut self) -> Result<(Tensor, Tensor)> {
        let end = (self.index + self.batch_size).min(self.labels.size());
        let batch = (scaled(&self.images.slice(self.index..end)?)?, self.labels.slice(self.index..end)?);
        self.index = end;
        Ok(batch)
    }
}

/// Bytes `[n, 28, 28]` as numbers from 0 to 1, `[n, 784]`. It is called for one batch at a time, so the data set stays
/// 55 MB of bytes instead of 220 MB of float32.
fn scaled(images: &Tensor) -> Result<Tensor> {
    images.reshape([-1, 28 * 28])?.cast(DType::F32).try_div(255.0)
}

/// Minus the logarithm of the predicted probability of the right class. As in Keras, probabilities are clipped so that
/// none is zero.
fn sparse_categorical_crossentropy(labels: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    predictions.clamp(1e-7, 1.0 - 1e-7)?.log().softmax_cross_entropy(labels)
}

fn one_training_step(model: &NaiveSequential, images: &Tensor, labels: &Tensor, learning_rate: f64) -> Result<f64> {
    let tape = GradientTape::new();
    let predictions = model.call(images)?;
    let per_sample_losses = sparse_categorical_crossentropy(labels, &predictions)?;
    let average_loss = per_sample_losses.mean();
    let weights = model.weights();
    let gradients = tape.gradient(&average_loss, &weights)?;
    update_weights(&gradients, &weights, learning_rate)?;
    average_loss.item()
}

fn update_weights(gradients: &[Tensor], weights: &[&Variable], learning_rate: f64) -> Result<()> {
    for (gradient, weight) in gradients.iter().zip(weights) {
        weight.assign_sub(gradient.try_mul(learning_rate)?)?;
    }
    Ok(())
}

fn fit(model: &NaiveSequential, images: &Tensor, labels: &Tensor, options: &Options) -> Result<()> {
    for epoch in 0..options.epochs {
        say!("epoch {epoch}");
        let mut batches = BatchGenerator::new(images, labels, options.batch_size);
        for batch in 0..batches.num_batches {
            let (images, labels) = batches.next()?;
            let loss = one_training_step(model, &images, &labels, options.learning_rate)?;
            if batch % 100 == 0 {
                say!("loss at batch {batch}: {loss:.2}");
            }
        }
    }
    Ok(())
}

/// The chapter's classifier, from scratch, on MNIST.
#[derive(Parser)]
struct Options {
    /// Passes over the 60,000 training images
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    /// Learning rate
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    /// Seed of the initial weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder with the four MNIST files; by default those in this library
    #[arg(long)]
    data: Option<PathBuf>,
}

fn run(options: &Options) -> std::result::Result<(), Box<dyn std::error::Error>> {
    if options.batch_size == 0 {
        return Err("--batch-size 0: must be at least 1".into());
    }
    if !options.learning_rate.is_finite() {
        return Err(format!("--learning-rate {}: must be a finite number", options.learning_rate).into());
    }
    random::seed(options.seed);
    let model = NaiveSequential {
        layers: vec![NaiveDense::new(28 * 28, 512, |x| Ok(x.relu()))?, NaiveDense::new(512, 10, |x| x.softmax(-1))?],
    };
    assert_eq!(model.weights().len(), 4);

    let Mnist { train_images, train_labels, test_images, test_labels } = match &options.data {
        Some(folder) => mnist::load_from(folder)?,
        None => mnist::load()?,
    };
    fit(&model, &train_images, &train_labels, options)?;

    let predictions = model.call(&scaled(&test_images)?)?;
    let predicted_labels = predictions.argmax_axis(1)?;
    let matches = predicted_labels.equal(test_labels.cast(DType::I64))?;
    say!("test accuracy {:.4}", matches.mean().item()?);
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("from_scratch: {error}");
            ExitCode::FAILURE
        }
    }
}
