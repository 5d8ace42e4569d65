//! Newton's method on Rosenbrock's function, whose curved valley takes steepest descent thousands of steps. The library
//! computes gradient and Hessian.
//!
//! ```text
//! cargo run --release --example rosenbrock
//! ```

mod say;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use facade::autograd::{hessian, value_and_grad};
use facade::prelude::{Result, Tensor, tensor};

use say::{complain, say};

/// `100 (y - x²)² + (1 - x)²` at the point `[x, y]`; the minimum is 0, at `[1, 1]`.
fn rosenbrock(point: &Tensor) -> Result<Tensor> {
    let (x, y) = (point.at(0, 0)?, point.at(1, 0)?);
    Ok(100.0 * (&y - x.square()).square() + (1.0 - &x).square())
}

/// The search direction for this gradient and Hessian, and its name: Newton's step `-H⁻¹ g`, or the negative gradient
/// if the Hessian is not positive definite, because Newton's step might then lead uphill.
fn direction(gradient: &Tensor, hessian: &Tensor) -> Result<(Tensor, &'static str)> {
    let h = hessian.to_vec::<f64>()?;
    let determinant = h[0] * h[3] - h[1] * h[2];
    if h[0] <= 0.0 || determinant <= 0.0 {
        return Ok((gradient.try_neg()?, "gradient"));
    }
    // The inverse of a 2 × 2 matrix, written out.
    let adjugate = tensor![[h[3], -h[1]], [-h[2], h[0]]].cast(gradient.dtype());
    Ok((adjugate.matmul(gradient)?.try_div(-determinant)?, "Newton"))
}

/// Backtracking line search: the largest of the factors `1, ½, ¼, …` for which the step lowers the value by at least a
/// ten-thousandth of the decrease predicted by the slope (Armijo 1966), and the new point; `None` if even tiny steps do
/// not.
fn search(point: &Tensor, value: f64, slope: f64, step: &Tensor) -> Result<Option<(f64, Tensor)>> {
    let mut scale = 1.0;
    while scale > 1e-15 {
        let next = point.try_add(step.try_mul(scale)?)?;
        if rosenbrock(&next)?.item()? <= value + 1e-4 * scale * slope {
            return Ok(Some((scale, next)));
        }
        scale /= 2.0;
    }
    Ok(None)
}

/// Minimises Rosenbrock's function with Newton's method.
#[derive(Parser)]
struct Options {
    /// First coordinate of the start
    #[arg(long, default_value_t = -1.2, allow_negative_numbers = true)]
    x: f64,
    /// Second coordinate of the start
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    y: f64,
    /// Maximum number of steps
    #[arg(long, default_value_t = 100)]
    steps: usize,
}

/// Prints every step and returns the minimum.
fn run(options: &Options) -> std::result::Result<[f64; 2], Box<dyn Error>> {
    let (mut point, mut how) = (Tensor::from([options.x, options.y]), String::new());
    for number in 0..=options.steps {
        let (value, gradient) = value_and_grad(rosenbrock, &point)?;
        let (at, value, norm) = (point.to_vec::<f64>()?, value.item()?, gradient.norm().item()?);
        say!("step {number}: f({:9.6}, {:9.6}) = {value:.3e}{how}", at[0], at[1]);
        if norm < 1e-10 {
            return Ok([at[0], at[1]]);
        }
        let (step, name) = direction(&gradient, &hessian(rosenbrock, &point)?)?;
        let slope = gradient.matmul(&step)?.item()?;
        let Some((scale, next)) = search(&point, value, slope, &step)? else {
            return Err(format!("no step from ({}, {}) lowers the value, {value:e}", at[0], at[1]).into());
        };
        (point, how) = (next, format!(" after {scale} of the {name} step"));
    }
    Err(format!("not converged after {} steps; more --steps may help", options.steps).into())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(x: f64, y: f64, steps: usize) -> std::result::Result<[f64; 2], String> {
        run(&Options { x, y, steps }).map_err(|error| error.to_string())
    }

    /// At (0, 0.005) the Hessian is singular, and above the parabola it is not positive definite.
    #[test]
    fn the_minimum_is_found_from_everywhere() {
        for (x, y) in [(-1.2, 1.0), (0.0, 0.005), (0.0, 1.0), (-3.0, 50.0), (5.0, -5.0), (1.0, 1.0), (-10.0, 3.0)] {
            let [a, b] = from(x, y, 100).unwrap();
            assert!((a - 1.0).abs() < 1e-9 && (b - 1.0).abs() < 1e-9, "from ({x}, {y}) to ({a}, {b})");
        }
    }

    #[test]
    fn a_run_that_does_not_converge_is_an_error() {
        assert_eq!(from(-1.2, 1.0, 1), Err("not converged after 1 steps; more --steps may help".into()));
        assert_eq!(from(f64::NAN, 1.0, 9), Err("no step from (NaN, 1) lowers the value, NaN".into()));
        assert_eq!(from(1e200, 1.0, 9), Err(format!("no step from ({}, 1) lowers the value, inf", 1e200)));
    }
}
