//! The gradient tape on a scalar, on a matrix and on a list of variables, in the order of chapter 2
//! of *Deep Learning with Python*.
//!
//! ```text
//! cargo run --release --example gradient_tape
//! ```

mod say;

use clap::Parser;
use facade::prelude::*;

use say::say;

/// Shows what a gradient tape returns for a scalar, a matrix and a list of variables.
#[derive(Parser)]
struct Options {
    /// Seed of the random numbers in the last part
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<()> {
    run(&Options::parse())
}

fn run(options: &Options) -> Result<()> {
    // `{:?}` prints a tensor with its shape and type, `{}` only the elements.
    say!("dy/dx of y = 2x + 3 for a scalar x:");
    say!("{:?}\n", scalar()?);

    say!("the same for a tensor x of shape [2, 2]:");
    say!("{:?}\n", matrix()?);

    random::seed(options.seed);
    let [x, dw, db] = list()?;
    say!("y = x · w + b for two variables; x is\n{x:?}");
    say!("dy/dw holds the sum of a column of x in each row\n{dw:?}");
    say!("dy/db counts the rows of x\n{db:?}");
    Ok(())
}

fn scalar() -> Result<Tensor> {
    let x = Variable::new(Tensor::scalar(0.0));
    let tape = GradientTape::new();
    let y = 2.0 * &x + 3.0;
    tape.gradient(&y, &x)
}

fn matrix() -> Result<Tensor> {
    let x = Variable::new(Tensor::zeros([2, 2]));
    let tape = GradientTape::new();
    let y = 2.0 * &x + 3.0;
    // The target is not a scalar, so this is the gradient of the sum of its elements.
    tape.gradient(&y, &x)
}

/// Returns `x` and the gradients for `w` and `b`.
fn list() -> Result<[Tensor; 3]> {
    let w = Variable::new(Tensor::uniform([2, 2], 0.0..1.0)?);
    let b = Variable::new(Tensor::zeros([2]));
    let x = Tensor::uniform([2, 2], 0.0..1.0)?;
    let tape = GradientTape::new();
    let y = x.matmul(&w)? + &b;
    let [dw, db] = tape.gradient(&y, [&w, &b])?;
    Ok([x, dw, db])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chapters_gradients() -> Result<()> {
        assert_eq!(format!("{:?}", scalar()?), "Tensor(2.0, shape=[], dtype=float32)");
        assert_eq!(matrix()?.to_vec::<f32>()?, [2.0; 4]);
        random::seed(0);
        let [x, dw, db] = list()?;
        let x = x.to_vec::<f32>()?;
        let columns = [x[0] + x[2], x[1] + x[3]];
        assert_eq!(dw.to_vec::<f32>()?, [columns[0], columns[0], columns[1], columns[1]]);
        assert_eq!(db.to_vec::<f32>()?, [2.0, 2.0]);
        Ok(())
    }
}
