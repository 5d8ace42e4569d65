//! Every rule is compared with central differences in float64, up to the third order, for random shapes, views, broadcasts,
//! axes and attributes.

use autograd::tensor::{DType, Tensor};
use autograd::{GradientOptions, GradientTape, Result, Tolerance, Unconnected, gradcheck, gradgradcheck};
use proptest::prelude::*;
use serde_json::Value;

use crate::table::{Row, Sampler, rows};

/// Shapes of rank 0 to 5 with sizes 0 to 3, of at most 36 elements.
fn shapes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![1 => Just(0usize), 3 => Just(1), 4 => Just(2), 4 => Just(3)];
    prop::collection::vec(size, 0..6).prop_map(|sizes| {
        let mut product = 1;
        let bounded = |n: usize| {
            let n = if product * n > 36 { 1 } else { n };
            product *= n.max(1);
            n
        };
        sizes.into_iter().map(bounded).collect()
    })
}

/// Value and gradients of a row. If `idle` is set, an outer tape watches the same inputs but is not used.
pub(crate) fn evaluate(row: &Row, inputs: &[Tensor], attrs: &Value, idle: bool) -> Result<Vec<Tensor>> {
    let floating: Vec<&Tensor> = inputs.iter().filter(|input| input.dtype().is_float()).collect();
    let outer = idle.then(GradientTape::new);
    outer.iter().for_each(|outer| floating.iter().for_each(|input| outer.watch(*input)));
    let tape = GradientTape::new();
    floating.iter().for_each(|input| tape.watch(*input));
    let output = (row.apply)(inputs, attrs)?;
    let options = GradientOptions::default().unconnected(Unconnected::Zeros);
    let mut all = tape.gradient_with(&output, &floating, options)?;
    all.push(output);
    Ok(all)
}

/// An idle outer tape changes no bit. Float32 results differ from float64 by at most 1e-5 of the largest value, about a
/// hundred units in the last place.
fn check_other_ways(row: &Row, inputs: &[Tensor], attrs: &Value) -> Result<Option<String>> {
    let plain = evaluate(row, inputs, attrs, false)?;
    for (a, b) in plain.iter().zip(evaluate(row, inputs, attrs, true)?) {
        let bits = |x: &Tensor| x.to_vec::<f64>().map(|x| x.into_iter().map(f64::to_bits).collect::<Vec<_>>());
        if bits(a)? != bits(&b)? {
            return Ok(Some(format!("under an idle tape {b} instead of {a}")));
        }
    }
    let cast = |inputs: &[Tensor], dtype| -> Vec<Tensor> {
        inputs.iter().map(|x| if x.dtype().is_float() { x.cast(dtype) } else { x.clone() }).collect()
    };
    let rounded = cast(inputs, DType::F32);
    let wide = evaluate(row, &cast(&rounded, DType::F64), attrs, false)?;
    for (a, b) in wide.iter().zip(evaluate(row, &rounded, attrs, false)?) {
        let (a, b) = (a.to_vec::<f64>()?, b.cast(DType::F64).to_vec::<f64>()?);
        let largest = a.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
        if a.iter().zip(&b).any(|(a, b)| (a - b).abs() > 1e-5 * largest) {
            return Ok(Some(format!("in float32 {b:?} instead of {a:?}")));
        }
    }
    Ok(None)
}

fn floating(inputs: &[Tensor]) -> impl Iterator<Item = &Tensor> {
    inputs.iter().filter(|input| input.dtype().is_float())
}

/// The derivative of `f` at `inputs` along several directions, by one nested tape for each. Without directions it is the
/// value. A direction has a tensor for each floating input.
fn along(f: &dyn Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], directions: &[Vec<Tensor>]) -> Result<Tensor> {
    let Some((last, earlier)) = directions.split_last() else { return f(inputs) };
    let sources: Vec<&Tensor> = floating(inputs).collect();
    let tape = GradientTape::new();
    sources.iter().for_each(|source| tape.watch(*source));
    let y = along(f, inputs, earlier)?;
    let gradients = tape.gradient_with(&y, &sources, GradientOptions::default().unconnected(Unconnected::Zeros))?;
    let mut sum = Tensor::full_of([], 0.0, DType::F64);
    for (gradient, direction) in gradients.iter().zip(last) {
        sum = sum.try_add(gradient.try_mul(direction)?.sum())?;
    }
    Ok(sum)
}

/// The third derivative along three random directions, and the difference quotient of four points of the second derivative
/// along the last direction. With a step of 1/1024 of the distance to the next pole or kink, the error of the quotient is
/// about ten times 1024⁻⁴ (1e-11) of the derivatives that cancel in it, plus the rounding error of the second derivative
/// (1e-16 of it) divided by the step.
fn third_order(row: &Row, inputs: &[Tensor], attrs: &Value, seed: u64, room: f64) -> Result<[f64; 2]> {
    let mut draw = Sampler::new(&[], seed);
    let mut direction = || floating(inputs).map(|x| draw.within(x.shape(), -1.0, 1.0)).collect::<Vec<_>>();
    let directions = [direction(), direction(), direction()];
    let weights = Sampler::new(&[], !seed).within((row.apply)(inputs, attrs)?.shape(), -1.0, 1.0);
    let f = |x: &[Tensor]| Ok((row.apply)(x, attrs)?.try_mul(&weights)?.sum());
    let step = room / 1024.0;
    let second = |steps: f64| -> Result<f64> {
        let mut parts = directions[2].iter();
        let move_one = |x: &Tensor| match x.dtype().is_float().then(|| parts.next()).flatten() {
            Some(part) => x.try_add(part.try_mul(steps * step)?),
            None => Ok(x.clone()),
        };
        along(&f, &inputs.iter().map(move_one).collect::<Result<Vec<_>>>()?, &directions[..2])?.item()
    };
    let difference = 8.0 * (second(1.0)? - second(-1.0)?) - (second(2.0)? - second(-2.0)?);
    Ok([along(&f, inputs, &directions)?.item()?, difference / (12.0 * step)])
}

fn check(row: &Row, shape: &[usize], seed: u64) -> std::result::Result<(), TestCaseError> {
    let mut sampler = Sampler::new(shape, seed);
    let Some((inputs, attrs)) = (row.sample)(&mut sampler) else { return Ok(()) };
    let f = |x: &[Tensor]| (row.apply)(x, &attrs);
    let output = f(&inputs).map_err(|error| TestCaseError::fail(format!("{}: {error}", row.name)))?;
    if !output.dtype().is_float() || !inputs.iter().any(|input| input.dtype().is_float()) {
        return Ok(());
    }
    let step = attrs["step"].as_f64().unwrap_or(1e-5);
    let describe = |order: &str, error: autograd::Error| {
        let shapes: Vec<_> = inputs.iter().map(Tensor::shape).collect();
        TestCaseError::fail(format!("{} {attrs} of {shapes:?}, {order}: {error}", row.name))
    };
    gradcheck(f, &inputs, Tolerance { step, error: 1e-7 }).map_err(|error| describe("first order", error))?;
    gradgradcheck(f, &inputs, Tolerance { step, error: 1e-6 }).map_err(|error| describe("second order", error))?;
    let [third, difference] =
        third_order(row, &inputs, &attrs, seed, sampler.room).map_err(|error| describe("third order", error))?;
    let error = (third - difference).abs() / (1.0 + difference.abs());
    if error.is_nan() || error > 1e-8 {
        return Err(TestCaseError::fail(format!(
            "{} {attrs}: the third derivative is {third}, but the difference quotient {difference}, off by {error:.1e}",
            row.name
        )));
    }
    match check_other_ways(row, &inputs, &attrs).map_err(|error| describe("other ways", error))? {
        Some(message) => Err(TestCaseError::fail(format!("{} {attrs}: {message}", row.name))),
        None => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_agrees_with_central_differences(shape in shapes(), seed in any::<u64>()) {
        for row in rows() {
            check(&row, &shape, seed)?;
        }
    }
}
