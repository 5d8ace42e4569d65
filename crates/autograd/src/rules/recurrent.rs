//! Rules of recurrent layers over whole sequences.

use tensor::ops::{Recurrent, Sequence, apply_all};
use tensor::{Error, Result, Tensor};

use super::matmul::rows;
use super::{Needs, Parts};
use crate::gradients::{GradientOptions, Unconnected};
use crate::site::Site;
use crate::tape::GradientTape;

pub(super) fn needs(_: &Recurrent) -> Needs {
    Needs::Both
}

pub(super) fn backward(op: &Recurrent, site: &Site, gradients: &[Option<Tensor>]) -> Result<Parts> {
    match op {
        Recurrent::States(sequence) => states(sequence, site, gradients),
        Recurrent::Gradient(sequence) => gradient(sequence, site, gradients),
    }
}

/// One operation goes back through all steps; the gradient of the recurrent kernel is then one product
/// for all of them.
fn states(sequence: &Sequence, site: &Site, gradients: &[Option<Tensor>]) -> Result<Parts> {
    let count = sequence.cell.states();
    if gradients[count].is_some() {
        let message = "the last output is for the gradient alone, and passes none on";
        return Err(Error::gradient(format!("{}: {message}", Recurrent::States(*sequence).name())));
    }
    let operands: Vec<Tensor> = (0..site.arity()).map(|k| site.input(k).clone()).collect();
    let after: Vec<Tensor> = (0..=count).map(|k| site.output_at(k).clone()).collect();
    let given = gradients.iter().zip(&after).take(count);
    let given: Vec<Tensor> = given.map(|(g, state)| g.clone().unwrap_or_else(|| state.zeros_like())).collect();
    let all: Vec<&Tensor> = given.iter().chain(&operands).chain(&after).collect();
    let mut parts = apply_all(Recurrent::Gradient(*sequence), &all)?;
    let of_product = if sequence.cell.gates_product() { parts.pop() } else { None };
    let of_product = of_product.as_ref().unwrap_or(&parts[0]);

    let named = sequence.operands(&operands)?;
    let mut kernel = None;
    if site.wants(1) {
        let (first, all) = (named.states[0].expand_dims(1)?, &after[0]);
        let before = match sequence.backwards {
            false => Tensor::concat(&[&first, &all.slice((.., ..-1))?], 1)?,
            true => Tensor::concat(&[&all.slice((.., 1..))?, &first], 1)?,
        };
        kernel = Some(rows(&before)?.t()?.matmul(&rows(of_product)?)?);
    }
    let bias = if site.wants(2) { Some(of_product.sum_axis([0, 1])?) } else { None };
    let mut parts = parts.into_iter().map(Some);
    let projected = parts.next().flatten();
    Ok([projected, kernel, bias].into_iter().chain(parts).chain(named.mask.map(|_| None)).collect())
}

/// The derivative of the gradient is that of the composed form, differentiated twice. What the forward
/// pass gave is determined by its operands: it has no part of its own.
fn gradient(sequence: &Sequence, site: &Site, gradients: &[Option<Tensor>]) -> Result<Parts> {
    let count = sequence.cell.states();
    let operands = site.arity() - 2 * count - 1;
    // As values of their own: one that stands in two places has two gradients.
    let own = |k: usize| site.input(k).reshape(site.shape(k));
    let inputs: Vec<Tensor> = (0..count + operands).map(own).collect::<Result<_>>()?;
    let (cotangents, operands) = inputs.split_at(count);
    let floating: Vec<&Tensor> = inputs.iter().filter(|input| input.dtype().is_float()).collect();

    let outer = GradientTape::new();
    floating.iter().for_each(|input| outer.watch(*input));
    let inner = GradientTape::new();
    let named = sequence.operands(operands)?;
    let mut sources: Vec<Tensor> = std::iter::once(named.projected).chain(named.states).cloned().collect();
    let mut operands = operands.to_vec();
    if sequence.cell.gates_product() {
        // The bias of each step has the gradient of the product of each step.
        operands[2] = named.bias.expand(named.projected.shape())?;
        sources.push(operands[2].clone());
    }
    sources.iter().for_each(|source| inner.watch(source));
    let states = sequence.composed(&operands)?;
    let weighted = |values: &[Tensor], weights: &[Option<Tensor>]| -> Result<Tensor> {
        let mut sum = Tensor::full_of([], 0.0, site.dtype(0));
        for (value, weight) in values.iter().zip(weights) {
            if let Some(weight) = weight {
                sum = sum.try_add(value.try_mul(weight)?.sum())?;
            }
        }
        Ok(sum)
    };
    let target = weighted(&states, &cotangents.iter().cloned().map(Some).collect::<Vec<_>>())?;
    let zeros = || GradientOptions::default().unconnected(Unconnected::Zeros);
    let parts = inner.gradient_with(&target, &sources, zeros())?;
    let target = weighted(&parts, gradients)?;
    let mut parts = outer.gradient_with(&target, &floating, zeros())?.into_iter();
    let of_inputs = inputs.iter().map(|input| if input.dtype().is_float() { parts.next() } else { None });
    Ok(of_inputs.chain((0..=count).map(|_| None)).collect())
}
