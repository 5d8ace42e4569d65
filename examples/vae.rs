//! A variational autoencoder for MNIST (Kingma & Welling 2014), which generates new digits.
//!
//! The encoder returns means and log-variances of 16 numbers. The decoder returns a logit for each of the 784 pixels,
//! for the probability of ink. The loss is the negative evidence lower bound in nats per image: the cross-entropy of the
//! pixels and the divergence of the 16 numbers from the normal distribution.
//!
//! ```text
//! cargo run --release --example vae -- --output digits.pgm
//! ```

mod say;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use facade::prelude::*;

use say::{complain, say};

const PIXELS: usize = 28 * 28;
const LATENT: usize = 16;
/// Digits along each side of the picture.
const SIDE: usize = 10;

/// Trains a variational autoencoder on MNIST
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 15)]
    epochs: usize,
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write a hundred digits drawn by the decoder here, as a PGM image
    #[arg(long)]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("vae: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> std::result::Result<(), Box<dyn std::error::Error>> {
    random::seed(options.seed);
    let mnist = mnist::load()?;
    let train = mnist.train_images.reshape([-1, PIXELS as isize])?;
    let test = mnist.test_images.reshape([-1, PIXELS as isize])?.cast(DType::F32) / 255.0;

    let hidden = |inputs| Dense::new(inputs, 256).activation(Activation::Relu);
    let encoder = Sequential::new().add(hidden(PIXELS)).add(Dense::new(256, 2 * LATENT));
    let decoder = Sequential::new().add(hidden(LATENT)).add(Dense::new(256, PIXELS));
    let weights = [encoder.trainable_weights(), decoder.trainable_weights()].concat();
    let mut adam = Adam::new(options.learning_rate);
    let (mut order, mut noise) = (random::fork("order"), random::fork("noise"));
    let images = train.shape()[0];
    for epoch in 0..options.epochs {
        let order = order.permutation(images);
        let mut sum = 0.0;
        for start in (0..images).step_by(options.batch_size) {
            let batch = order.slice(start..images.min(start + options.batch_size))?;
            let x = train.take(&batch, 0)?.cast(DType::F32) / 255.0;
            let tape = GradientTape::new();
            let loss = loss(&encoder, &decoder, &x, &mut noise)?;
            adam.apply(&weights, &tape.gradient(&loss, &weights)?)?;
            sum += loss.item()? * batch.size() as f64;
        }
        say!("epoch {epoch}: loss {:.2}", sum / images as f64);
    }

    say!("test loss {:.2} nats per image", loss(&encoder, &decoder, &test, &mut noise)?.item()?);
    say!("with the mean training image as prediction: {:.2}", mean_image_loss(&train, &test)?);
    if let Some(path) = &options.output {
        let latent = random::fork("digits").normal([SIDE * SIDE, LATENT], 0.0, 1.0)?;
        let picture = pgm(&decoder.forward(&latent, Mode::Inference)?.sigmoid())?;
        std::fs::write(path, picture).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

/// The mean negative evidence lower bound of images `[batch, 784]`, with one sample of the 16 numbers per image.
fn loss(encoder: &Sequential, decoder: &Sequential, x: &Tensor, noise: &mut Generator) -> Result<Tensor> {
    let code = encoder.forward(x, Mode::Training)?.chunk(2, -1)?;
    let (mean, log_variance) = (&code[0], &code[1]);
    // The reparameterization mean + deviation · noise lets gradients reach mean and deviation.
    let drawn = mean + (log_variance * 0.5).exp() * noise.normal(mean.shape().clone(), 0.0, 1.0)?;
    let pixels = cross_entropy(x, &decoder.forward(&drawn, Mode::Training)?)?;
    let divergence = (mean.square() + log_variance.exp() - log_variance - 1.0).sum_axis(-1)?.mean() * 0.5;
    Ok(pixels + divergence)
}

/// The cross-entropy of pixels and their logits, summed over pixels and averaged over images.
fn cross_entropy(x: &Tensor, logits: &Tensor) -> Result<Tensor> {
    Ok(binary_crossentropy_from_logits(x, logits)?.mean() * PIXELS as f64)
}

/// The cross-entropy of `test` if each pixel is predicted by its mean in `train`, clamped to `[1e-4, 1 - 1e-4]` so that
/// no value has probability 0.
fn mean_image_loss(train: &Tensor, test: &Tensor) -> Result<f64> {
    let mean = (train.mean_axis(0)? / 255.0).clamp(1e-4, 1.0 - 1e-4)?;
    let logits = (&mean / (1.0 - &mean)).log();
    cross_entropy(test, &(test.zeros_like() + logits))?.item()
}

/// A square of images, `[100, 784]` from 0 to 1, as a binary PGM file.
fn pgm(images: &Tensor) -> Result<Vec<u8>> {
    let picture = images.reshape([SIDE, SIDE, 28, 28])?.transpose(1, 2)?.to_vec::<f32>()?;
    let mut file = format!("P5 {0} {0} 255\n", SIDE * 28).into_bytes();
    file.extend(picture.iter().map(|ink| (ink * 255.0).round() as u8));
    Ok(file)
}
