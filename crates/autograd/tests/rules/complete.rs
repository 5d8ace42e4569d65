//! Every operation has a case: the operations that tapes record for the rows of the table are compared with the list of all
//! operations.

use std::collections::BTreeSet;

use autograd::tensor::{DType, Op, Tensor};
use autograd::{GradientTape, Result};

use crate::golden;
use crate::table::{Sampler, families, rows};

/// The operations that a tape lists.
fn listed(tape: &GradientTape) -> BTreeSet<String> {
    let name = |line: &str| Some(line.split_once(" = ")?.1.split_once('(')?.0.to_string());
    tape.to_string().lines().filter_map(name).collect()
}

fn watch_all(tape: &GradientTape, inputs: &[Tensor]) {
    inputs.iter().for_each(|input| tape.watch(input));
}

/// Applies the operations that have no derivative, because their results are booleans, integers or constants.
fn without_derivative(x: &Tensor, y: &Tensor) -> Result<()> {
    let (less, more) = (x.less(y)?, x.greater(y)?);
    less.logical_and(&more)?.logical_or(&less)?.logical_xor(&more)?.logical_not()?;
    x.less_equal(y)?.any()?;
    x.greater_equal(y)?.all()?;
    x.equal(y)?;
    x.not_equal(y)?;
    let _ = (x.isnan(), x.isfinite(), x.nonzero());
    x.argmax_axis(0)?;
    x.argmin_axis(0)?;
    Ok(())
}

#[test]
fn every_operation_is_in_the_table() -> Result<()> {
    let mut seen = BTreeSet::new();
    for row in rows() {
        for (seed, shape) in [&[2, 3][..], &[3], &[2, 1, 3]].into_iter().cycle().take(12).enumerate() {
            let Some((inputs, attrs)) = (row.sample)(&mut Sampler::new(shape, seed as u64)) else { continue };
            let tape = GradientTape::new();
            watch_all(&tape, &inputs);
            let output = (row.apply)(&inputs, &attrs)?;
            seen.extend(listed(&tape));
            // An outer tape records the operations that only occur in rules.
            if output.dtype().is_float() && inputs.iter().any(|input| input.dtype().is_float()) {
                let outer = GradientTape::new();
                watch_all(&outer, &inputs);
                let inner = GradientTape::new();
                let sources: Vec<Tensor> = inputs.iter().filter(|x| x.dtype().is_float()).cloned().collect();
                watch_all(&inner, &sources);
                let output = (row.apply)(&inputs, &attrs)?;
                let zeros = autograd::GradientOptions::default().unconnected(autograd::Unconnected::Zeros);
                let cotangent = output.ones_like();
                outer.watch(&cotangent);
                inner.gradient_with(&output, &sources, zeros.output_gradient(&cotangent))?;
                seen.extend(listed(&outer));
            }
        }
    }
    let (x, y) = (Tensor::ones([2]).cast(DType::F64), Tensor::zeros([2]).cast(DType::F64));
    let tape = GradientTape::new();
    watch_all(&tape, &[x.clone(), y.clone()]);
    without_derivative(&x, &y)?;
    seen.extend(listed(&tape));

    let missing: Vec<_> = Op::families()
        .into_iter()
        .flat_map(|(family, names)| names.iter().map(move |name| (family, *name)))
        .filter(|(_, name)| !seen.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no row of the table executes {missing:?}");
    Ok(())
}

/// The number of cases: `cargo test -p autograd --test rules family -- --nocapture` prints it.
#[test]
fn every_family_has_cases() {
    let golden = golden::names();
    println!("{:12} {:>5} {:>8} {:>7}", "family", "rows", "drawn", "golden");
    for (family, rows) in families() {
        let draw = |seed: usize| {
            let shape = [&[2, 3][..], &[3], &[2, 1, 3], &[], &[0, 2]][seed % 5];
            rows.iter().filter(|row| (row.sample)(&mut Sampler::new(shape, seed as u64)).is_some()).count()
        };
        let drawn: usize = (0..100).map(draw).sum();
        let cases = golden.iter().filter(|name| rows.iter().any(|row| row.name == **name)).count();
        println!("{family:12} {:5} {drawn:8} {cases:7}", rows.len());
        assert!(drawn >= 50 * rows.len(), "{family}: operands were drawn for {drawn} of {} cases", 100 * rows.len());
        assert!(rows.len() >= 3 && (cases >= rows.len() || family == "scans"), "{family}: {cases} golden cases");
    }
}

/// Views of every kind are among the operands: transposed, reversed, interleaved, repeated.
#[test]
fn operands_are_views_of_every_kind() -> Result<()> {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let x = Sampler::new(&[2, 3], seed).within(&[2, 3], -1.0, 1.0);
        seen.insert(x.view::<f64>()?.strides().to_vec());
    }
    let expected = [&[3, 1][..], &[1, 2], &[-3, -1], &[6, 2], &[0, 1], &[0, 0]];
    for strides in expected {
        assert!(seen.contains(strides), "no operand has strides {strides:?}, but {seen:?}");
    }
    Ok(())
}
