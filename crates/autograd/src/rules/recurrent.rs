//! Rules of recurrent layers over whole sequences.

use tensor::ops::{Recurrent, Sequence, apply_all};
use tensor::{Error, Result, Tensor};

use super::context::{BackwardContext, InputGradients};
use super::matmul::rows;
use super::pass::Pass;
use super::selection::{Inputs, Outputs};
use crate::gradients::{GradientOptions, Unconnected};
use crate::tape::GradientTape;

pub(super) fn rule<'a, P: Pass<'a>>(op: &Recurrent, pass: P) -> P::Answer {
    match op {
        Recurrent::States(sequence) => {
            pass.all((Inputs, Outputs), |cx, (operands, outputs)| states(sequence, cx, operands, outputs))
        }
        Recurrent::Gradient(sequence) => pass.all(Inputs, |cx, inputs| gradient(sequence, cx.gradients, &inputs)),
    }
}

/// One operation goes back through all steps. The gradient of the recurrent kernel is then one product for all of them.
fn states(
    sequence: &Sequence,
    cx: BackwardContext<'_>,
    operands: Vec<Tensor>,
    after: Vec<Tensor>,
) -> Result<InputGradients> {
    let count = sequence.cell.states();
    if cx.gradients[count].is_some() {
        let message = "the last output is only for the gradient, and has none itself";
        return Err(Error::gradient(format!("{}: {message}", Recurrent::States(*sequence).name())));
    }
    let given = cx.gradients.iter().zip(&after).take(count);
    let given: Vec<Tensor> = given.map(|(g, state)| g.clone().unwrap_or_else(|| state.zeros_like())).collect();
    let all: Vec<&Tensor> = given.iter().chain(&operands).chain(&after).collect();
    let mut gradients = apply_all(Recurrent::Gradient(*sequence), &all)?;
    let of_product = if sequence.cell.gates_product() { gradients.pop() } else { None };
    let of_product = of_product.as_ref().unwrap_or(&gradients[0]);

    let named = sequence.operands(&operands)?;
    let to_kernel = cx.if_needed(1, || {
        let (first, all) = (named.states[0].expand_dims(1)?, &after[0]);
        let before = match sequence.backwards {
            false => Tensor::concat(&[&first, &all.slice((.., ..-1))?], 1)?,
            true => Tensor::concat(&[&all.slice((.., 1..))?, &first], 1)?,
        };
        rows(&before)?.t()?.matmul(&rows(of_product)?)
    })?;
    let to_bias = cx.if_needed(2, || of_product.sum_axis([0, 1]))?;
    let mut rest = gradients.into_iter().map(Some);
    let to_projected = rest.next().flatten();
    Ok([to_projected, to_kernel, to_bias].into_iter().chain(rest).chain(named.mask.map(|_| None)).collect())
}

/// The derivative of the gradient: differentiates the composed form twice. The results of the forward pass are
/// functions of its operands, so they have no gradient of their own.
fn gradient(sequence: &Sequence, gradients: &[Option<Tensor>], inputs: &[Tensor]) -> Result<InputGradients> {
    let count = sequence.cell.states();
    let operands = inputs.len() - 2 * count - 1;
    let dtype = inputs[0].dtype();
    // The reshape gives each a new identity: a tensor that stands in two places has two gradients.
    let renewed = inputs[..count + operands].iter().map(|input| input.reshape(input.shape()));
    let inputs: Vec<Tensor> = renewed.collect::<Result<_>>()?;
    let (cotangents, operands) = inputs.split_at(count);
    let floating: Vec<&Tensor> = inputs.iter().filter(|input| input.dtype().is_float()).collect();

    let outer = GradientTape::new();
    floating.iter().for_each(|input| outer.watch(*input));
    let inner = GradientTape::new();
    let named = sequence.operands(operands)?;
    let mut sources: Vec<Tensor> = std::iter::once(named.projected).chain(named.states).cloned().collect();
    let mut operands = operands.to_vec();
    if sequence.cell.gates_product() {
        // A bias for each step, whose gradient is that of the product of the step.
        operands[2] = named.bias.expand(named.projected.shape())?;
        sources.push(operands[2].clone());
    }
    sources.iter().for_each(|source| inner.watch(source));
    let states = sequence.composed(&operands)?;
    let weighted = |values: &[Tensor], weights: &[Option<Tensor>]| -> Result<Tensor> {
        let mut sum = Tensor::full_of([], 0.0, dtype);
        for (value, weight) in values.iter().zip(weights) {
            if let Some(weight) = weight {
                sum = sum.try_add(value.try_mul(weight)?.sum())?;
            }
        }
        Ok(sum)
    };
    let target = weighted(&states, &cotangents.iter().cloned().map(Some).collect::<Vec<_>>())?;
    let zeros = || GradientOptions::default().unconnected(Unconnected::Zeros);
    let first = inner.gradient_with(&target, &sources, zeros())?;
    let target = weighted(&first, gradients)?;
    let mut second = outer.gradient_with(&target, &floating, zeros())?.into_iter();
    let to_inputs = inputs.iter().map(|input| if input.dtype().is_float() { second.next() } else { None });
    Ok(to_inputs.chain((0..=count).map(|_| None)).collect())
}
