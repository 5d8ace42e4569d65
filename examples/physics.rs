//! A network that learns the solution of a differential equation from the equation alone.
//!
//! `u'' = -π² sin(πx)` with `u(0) = u(1) = 0` has the solution `sin(πx)`. The network's output times `x (1 - x)`
//! satisfies both boundary conditions. The loss is the mean square of the residual of the equation. It contains a
//! second derivative, computed with two tapes; a third tape differentiates it with respect to the weights.
//!
//! ```text
//! cargo run --release --example physics
//! ```

mod say;

use std::f64::consts::PI;

use clap::Parser;
use facade::prelude::*;

use say::say;

/// Trains a small network on a differential equation.
#[derive(Parser)]
struct Options {
    /// Steps of Adam
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Learning rate
    #[arg(long, default_value_t = 5e-3)]
    learning_rate: f64,
    /// Seed of the initial weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The trial solution at the points `x`, `[n, 1]`.
fn trial(model: &Sequential, x: &Tensor) -> Result<Tensor> {
    Ok(model.forward(x, Mode::Training)? * x * (1.0 - x))
}

/// The mean square of `u'' + π² sin(πx)`.
fn loss(model: &Sequential, x: &Tensor) -> Result<Tensor> {
    let (second, first) = (GradientTape::new(), GradientTape::new());
    second.watch(x);
    first.watch(x);
    let u = trial(model, x)?;
    let slope = first.gradient(&u, x)?;
    let curvature = second.gradient(&slope, x)?;
    Ok((curvature + PI * PI * (x * PI).sin()).square().mean())
}

fn run(options: &Options) -> Result<()> {
    random::seed(options.seed);
    let model = Sequential::new()
        .add(Dense::new(1, 32).activation(Activation::Tanh))
        .add(Dense::new(32, 32).activation(Activation::Tanh))
        .add(Dense::new(32, 1));
    let weights = model.trainable_weights();
    let mut adam = Adam::new(options.learning_rate);
    let x = Tensor::linspace(0.0, 1.0, 64).reshape([-1, 1])?;
    for step in 0..options.steps {
        let tape = GradientTape::new();
        let loss = loss(&model, &x)?;
        let gradients = tape.gradient(&loss, &weights)?;
        adam.apply(&weights, &gradients)?;
        if step % 200 == 0 {
            say!("step {step}: loss {:.3e}", loss.item()?);
        }
    }
    let between = Tensor::linspace(0.0, 1.0, 1001).reshape([-1, 1])?;
    let error = (trial(&model, &between)? - (&between * PI).sin()).abs().max()?;
    say!("largest error {:.1e}", error.item()?);
    Ok(())
}

fn main() -> Result<()> {
    run(&Options::parse())
}
