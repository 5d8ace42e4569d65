//! Newton's method on Rosenbrock's function, with the gradient and the hessian of the tape.
//!
//! ```text
//! cargo run --example rosenbrock
//! ```

use std::process::ExitCode;

use clap::Parser;
use facade::autograd::{hessian, value_and_grad};
use facade::prelude::*;
use facade::tensor;

/// `100 (y - x²)² + (1 - x)²` of the point `[x, y]`; the minimum is 0, at `[1, 1]`.
fn rosenbrock(point: &Tensor) -> tensor::Result<Tensor> {
    let (x, y) = (point.at(0, 0)?, point.at(1, 0)?);
    Ok(100.0 * (&y - x.square()).square() + (1.0 - &x).square())
}

/// Minimises Rosenbrock's function with Newton's method.
#[derive(Parser)]
struct Options {
    /// Where to start
    #[arg(long, default_value_t = -1.2, allow_negative_numbers = true)]
    x: f64,
    /// Where to start
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    y: f64,
    /// The most steps to take
    #[arg(long, default_value_t = 20)]
    steps: usize,
}

fn run(options: &Options) -> Result<()> {
    let mut point = [options.x, options.y];
    for step in 0..=options.steps {
        let x = Tensor::from(point);
        let (value, gradient) = value_and_grad(rosenbrock, &x)?;
        let (g, h) = (gradient.to_vec::<f64>()?, hessian(rosenbrock, &x)?.to_vec::<f64>()?);
        println!("step {step}: f({:9.6}, {:9.6}) = {:.3e}", point[0], point[1], value.item()?);
        if g.iter().all(|g| g.abs() < 1e-10) {
            break;
        }
        // The inverse of a 2 × 2 matrix, written out.
        let determinant = h[0] * h[3] - h[1] * h[2];
        point[0] -= (h[3] * g[0] - h[1] * g[1]) / determinant;
        point[1] -= (h[0] * g[1] - h[2] * g[0]) / determinant;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rosenbrock: {error}");
            ExitCode::FAILURE
        }
    }
}
