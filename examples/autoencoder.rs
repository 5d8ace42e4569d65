//! An autoencoder for MNIST: 784 → 128 → 32 → 128 → 784. It compresses each image to 32 numbers and reconstructs it
//! from these.
//!
//! ```text
//! cargo run --release --example autoencoder -- --output digits.pgm
//! ```

mod say;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use facade::prelude::*;

use say::{complain, say};

/// Trains an autoencoder on MNIST
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write ten test images above their reconstructions here, as a PGM image
    #[arg(long)]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("autoencoder: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> std::result::Result<(), Box<dyn std::error::Error>> {
    random::seed(options.seed);
    let mnist = mnist::load()?;
    let [train, test] = [&mnist.train_images, &mnist.test_images]
        .map(|images| images.reshape([-1, 28 * 28]).map(|rows| rows.cast(DType::F32) / 255.0));
    let (train, test) = (train?, test?);

    let encoder = Sequential::new().add(Dense::new(28 * 28, 128).activation(Activation::Relu)).add(Dense::new(128, 32));
    let decoder = Sequential::new()
        .add(Dense::new(32, 128).activation(Activation::Relu))
        .add(Dense::new(128, 28 * 28).activation(Activation::Sigmoid));
    let model = Sequential::new().add_named("encoder", encoder).add_named("decoder", decoder);
    let mut trainer = Trainer::new(&model, MeanSquaredError, Adam::new(options.learning_rate));
    let images = ArrayDataset::from_tensors(&train, &train)?;
    trainer.fit(&images, Fit::epochs(options.epochs).batch_size(options.batch_size))?;

    let drawn = model.forward(&test, Mode::Inference)?;
    let error = |answers: &Tensor| (answers - &test).square().mean().item();
    say!("mean square error on the test images: {:.5}", error(&drawn)?);
    say!("for the mean training image as prediction: {:.5}", error(&train.mean_keepdims(0)?)?);
    if let Some(path) = &options.output {
        let picture = pgm(&[&test.slice(..10)?, &drawn.slice(..10)?])?;
        std::fs::write(path, picture).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Rows of images, each `[count, 784]` from 0 to 1, as a binary PGM file.
fn pgm(rows: &[&Tensor]) -> Result<Vec<u8>> {
    let count = rows[0].shape()[0];
    let images = Tensor::stack(rows, 0)?.reshape([rows.len(), count, 28, 28])?;
    let picture = images.transpose(1, 2)?.to_vec::<f32>()?;
    let mut file = format!("P5 {} {} 255\n", count * 28, rows.len() * 28).into_bytes();
    file.extend(picture.iter().map(|ink| (ink * 255.0).round() as u8));
    Ok(file)
}
