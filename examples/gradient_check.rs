//! A custom operation and a check of its gradient, once correct and once with a mistake.
//!
//! ```text
//! cargo run --example gradient_check
//! ```

mod say;

use clap::Parser;
use facade::autograd::{Tolerance, gradcheck, gradgradcheck};
use facade::prelude::*;

use say::say;

/// `x · softplus(x)` as one operation.
#[derive(Debug)]
struct Bend {
    /// Whether the derivative lacks a term.
    mistaken: bool,
}

impl CustomOp for Bend {
    fn name(&self) -> &str {
        "bend"
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        inputs[0].try_mul(inputs[0].softplus())
    }

    // softplus(x) + x · sigmoid(x), in operations that can be differentiated again.
    fn backward(&self, inputs: &[Tensor], _: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let x = &inputs[0];
        let slope = if self.mistaken { x.softplus() } else { x.softplus().try_add(x.try_mul(x.sigmoid())?)? };
        Ok(vec![Some(gradient.try_mul(slope)?)])
    }
}

/// Checks the gradient of an operation against difference quotients.
#[derive(Parser)]
struct Options {
    /// Number of random inputs
    #[arg(long, default_value_t = 20)]
    size: usize,
    /// Seed of the inputs
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn run(options: &Options) -> Result<()> {
    let x = [Generator::new(options.seed).normal([options.size], 0.0, 2.0)?];
    let bend = |mistaken: bool| move |x: &[Tensor]| custom(Bend { mistaken }, &[&x[0]]);
    gradcheck(bend(false), &x, Tolerance::default())?;
    gradgradcheck(bend(false), &x, Tolerance::default())?;
    say!("bend: first and second derivatives agree with difference quotients on {} numbers", options.size);
    match gradcheck(bend(true), &x, Tolerance::default()) {
        Ok(()) => say!("the mistake was not found; try more numbers"),
        Err(error) => say!("with a term left out: {error}"),
    }
    Ok(())
}

fn main() -> Result<()> {
    run(&Options::parse())
}
