//! The adding problem of Hochreiter & Schmidhuber (1997): two numbers of a random sequence are marked, one in each
//! half, and an LSTM must return their sum at the end.
//!
//! Without memory, the best answer is always 1, the mean. Its mean square error is 1/6, the variance of the sum of two
//! uniform numbers from 0 to 1.
//!
//! ```text
//! cargo run --release --example lstm
//! ```

mod say;

use clap::Parser;
use facade::prelude::*;

use say::say;

/// Trains an LSTM to add two marked numbers of a sequence
#[derive(Parser)]
struct Options {
    /// Steps of Adam, each on new sequences
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Numbers in a sequence
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..))]
    length: u16,
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    #[arg(long, default_value_t = 5e-3)]
    learning_rate: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Sequences `[count, length, 2]` of numbers and marks, and the sums `[count, 1]` of the marked numbers.
fn sequences(draws: &mut Generator, count: usize, length: usize) -> Result<(Tensor, Tensor)> {
    let half = (length / 2) as i64;
    let numbers = draws.uniform([count, length], 0.0..1.0)?;
    let first = draws.integers([count], 0..half)?.one_hot(length)?;
    let second = draws.integers([count], half..length as i64)?.one_hot(length)?;
    let marks = first + second;
    let sums = (&numbers * &marks).sum_keepdims(1)?;
    Ok((Tensor::stack(&[&numbers, &marks], -1)?, sums))
}

fn main() -> Result<()> {
    let options = Options::parse();
    let length = usize::from(options.length);
    random::seed(options.seed);
    let mut draws = random::fork("sequences");
    let model = Sequential::new().add(Lstm::new(2, 32)).add(Dense::new(32, 1));
    let weights = model.trainable_weights();
    let mut adam = Adam::new(options.learning_rate).clip_global_norm(1.0);
    for step in 0..options.steps {
        let (x, sums) = sequences(&mut draws, options.batch_size, length)?;
        let tape = GradientTape::new();
        let loss = mean_squared_error(&sums, &model.forward(&x, Mode::Training)?)?.mean();
        adam.apply(&weights, &tape.gradient(&loss, &weights)?)?;
        if step % 250 == 0 {
            say!("step {step}: loss {:.5}", loss.item()?);
        }
    }

    let (x, sums) = sequences(&mut draws, 2000, length)?;
    for (name, answers) in [("LSTM", model.forward(&x, Mode::Inference)?), ("always 1", sums.ones_like())] {
        let errors = (answers - &sums).abs();
        let close = errors.to_vec::<f32>()?.iter().filter(|&&error| error < 0.04).count() as f64 / 2000.0;
        let square = errors.square().mean().item()?;
        say!("{name}: mean square error {square:.5}, {:.1} % within 0.04, on 2000 new sequences", 100.0 * close);
    }
    Ok(())
}
