//! Comparing gradients with central finite differences.

use tensor::{DType, Error, Result, Tensor};

use crate::gradients::{GradientOptions, Unconnected};
use crate::tape::GradientTape;

/// The step and the accepted error of [`gradcheck`].
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// The step `h` of the difference. The error of the quotient is about `h⁴ / 30` times the fifth derivative, plus the
    /// rounding error of the function divided by `h`. The function must be smooth within `2h`.
    pub step: f64,
    /// The largest accepted error, relative to `1 + |quotient|`.
    pub error: f64,
}

impl Default for Tolerance {
    /// A step of 1e-5 and an error of 1e-6, for smooth functions of values near 1.
    fn default() -> Self {
        Tolerance { step: 1e-5, error: 1e-6 }
    }
}

/// Compares the gradients of `f` at `inputs` with finite differences, in float64, for every element of every floating
/// input.
///
/// The difference is the central one of four points, `(8 (f(x + h) - f(x - h)) - f(x + 2h) + f(x - 2h)) / 12h`
/// (Abramowitz and Stegun, 25.3.6). If `f` returns several elements, their sum with unequal weights is checked.
///
/// ```
/// # use autograd::{Tolerance, gradcheck};
/// # use tensor::tensor;
/// gradcheck(|x| Ok(x[0].tanh().matmul(&x[1])?), &[tensor![[0.5, -1.0]], tensor![[2.0], [3.0]]], Tolerance::default())?;
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// Returns an error with input, element and both numbers if a gradient is wrong, or the error of `f`.
pub fn gradcheck(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], tolerance: Tolerance) -> Result<()> {
    let weighted = |inputs: &[Tensor]| {
        let output = f(inputs)?;
        weights(&output)?.try_mul(output).map(|product| product.sum())
    };
    compare(&weighted, &doubles(inputs)?, tolerance)
}

/// Compares second derivatives with finite differences, as [`gradcheck`] does: the gradients of the weighted sum of the
/// gradients of `f`.
///
/// # Errors
/// As [`gradcheck`].
pub fn gradgradcheck(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], tolerance: Tolerance) -> Result<()> {
    let slope = |inputs: &[Tensor]| {
        let tape = GradientTape::new();
        let watched: Vec<Tensor> = inputs.iter().filter(|input| input.dtype().is_float()).cloned().collect();
        watched.iter().for_each(|input| tape.watch(input));
        let output = f(inputs)?;
        let options = GradientOptions::default().unconnected(Unconnected::Zeros);
        let gradients = tape.gradient_with(&weights(&output)?.try_mul(&output)?, &watched, options)?;
        let mut sum = Tensor::full_of([], 0.0, DType::F64);
        for gradient in gradients {
            sum = sum.try_add(weights(&gradient)?.try_mul(&gradient)?.sum())?;
        }
        Ok(sum)
    };
    compare(&slope, &doubles(inputs)?, tolerance)
}

/// The inputs, those that are floating as float64.
fn doubles(inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    Ok(inputs.iter().map(|x| if x.dtype().is_float() { x.cast(DType::F64) } else { x.clone() }).collect())
}

/// Unequal numbers between 0.5 and 1.5 in the shape of `x`, the same at each call.
fn weights(x: &Tensor) -> Result<Tensor> {
    let values = (0..x.size()).map(|k| 0.5 + (k as f64 * 0.618_033_988_749_895 + 0.3).fract());
    values.collect::<Tensor>().reshape(x.shape())
}

fn compare(f: &dyn Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], tolerance: Tolerance) -> Result<()> {
    let tape = GradientTape::new();
    let floating: Vec<Tensor> = inputs.iter().filter(|x| x.dtype().is_float()).map(Tensor::stop_gradient).collect();
    let mut position = floating.iter();
    let watched: Vec<Tensor> = inputs
        .iter()
        .map(|x| if x.dtype().is_float() { position.next().expect("one for each").clone() } else { x.clone() })
        .collect();
    floating.iter().for_each(|x| tape.watch(x));
    let output = f(&watched)?;
    let options = GradientOptions::default().unconnected(Unconnected::Zeros);
    let gradients = tape.gradient_with(&output, &floating, options)?;
    let mut gradients = gradients.iter();
    for (number, input) in inputs.iter().enumerate().filter(|(_, input)| input.dtype().is_float()) {
        let gradient = gradients.next().expect("one for each floating input").to_vec::<f64>()?;
        let values = input.to_vec::<f64>()?;
        for (element, (&value, &gradient)) in values.iter().zip(&gradient).enumerate() {
            let step = tolerance.step * value.abs().max(1.0);
            let after = |steps: f64| -> Result<f64> {
                let mut values = values.clone();
                values[element] = value + steps * step;
                let mut inputs = inputs.to_vec();
                inputs[number] = Tensor::from_vec(values, input.shape())?;
                f(&inputs)?.item()
            };
            let quotient = (8.0 * (after(1.0)? - after(-1.0)?) - (after(2.0)? - after(-2.0)?)) / (12.0 * step);
            let error = (gradient - quotient).abs() / (1.0 + quotient.abs());
            if error.is_nan() || error > tolerance.error {
                return Err(Error::gradient(format!(
                    "element {element} of input {number}: the gradient is {gradient}, but the difference quotient is \
                     {quotient}; the error {error:.1e} exceeds {:.1e}",
                    tolerance.error
                )));
            }
        }
    }
    Ok(())
}
