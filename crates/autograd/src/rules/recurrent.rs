//! Rules of recurrent layers over whole sequences.

use tensor::ops::{Recurrent, Sequence, apply_all};
use tensor::{Error, Result, Tensor};

use super::composed::{Composed, gradients_of_gradient};
use super::context::{BackwardContext, InputGradients};
use super::matmul::rows;
use super::pass::Pass;
use super::selection::{Inputs, Outputs};

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

/// The derivative of the gradient. The results of the forward pass are functions of its operands, so they have no
/// gradient of their own.
fn gradient(sequence: &Sequence, gradients: &[Option<Tensor>], inputs: &[Tensor]) -> Result<InputGradients> {
    let count = sequence.cell.states();
    let (cotangents, others) = inputs.split_at(count);
    let operands = &others[..others.len() - count - 1];
    let mut to_inputs = gradients_of_gradient(cotangents, operands, gradients, |operands, tape| {
        let named = sequence.operands(operands)?;
        let mut sources: Vec<Tensor> = std::iter::once(named.projected).chain(named.states).cloned().collect();
        let mut operands = operands.to_vec();
        if sequence.cell.gates_product() {
            // A bias for each step, whose gradient is that of the product of the step.
            operands[2] = named.bias.expand(named.projected.shape())?;
            sources.push(operands[2].clone());
        }
        sources.iter().for_each(|source| tape.watch(source));
        Ok(Composed { outputs: sequence.composed(&operands)?, sources })
    })?;
    to_inputs.extend((0..=count).map(|_| None));
    Ok(to_inputs)
}
