//! Derivatives of gradients that one kernel computes, by way of the same computation in ordinary operations.

use tensor::{Result, Tensor};

use super::context::InputGradients;
use crate::gradients::{GradientOptions, Unconnected};
use crate::tape::GradientTape;

/// The gradients of the operands of a gradient: of `cotangents`, the gradients of the outputs of the operation, and of
/// the operation's own `operands`. `gradients` are those of the gradient's outputs.
///
/// `compose` computes, in ordinary operations, the outputs from the operands that it is given, and watches on the tape
/// the values whose gradients are the outputs of the gradient. It returns both.
pub(super) fn gradients_of_gradient(
    cotangents: &[Tensor],
    operands: &[Tensor],
    gradients: &[Option<Tensor>],
    compose: impl FnOnce(&[Tensor], &GradientTape) -> Result<Composed>,
) -> Result<InputGradients> {
    let dtype = cotangents[0].dtype();
    // The reshape gives each a new identity: a tensor that stands in two places has two gradients.
    let renewed = cotangents.iter().chain(operands).map(|input| input.reshape(input.shape()));
    let inputs: Vec<Tensor> = renewed.collect::<Result<_>>()?;
    let (cotangents, operands) = inputs.split_at(cotangents.len());
    let floating: Vec<&Tensor> = inputs.iter().filter(|input| input.dtype().is_float()).collect();

    let outer = GradientTape::new();
    floating.iter().for_each(|input| outer.watch(*input));
    let inner = GradientTape::new();
    let Composed { outputs, sources } = compose(operands, &inner)?;
    let mut target = Tensor::full_of([], 0.0, dtype);
    for (output, cotangent) in outputs.iter().zip(cotangents) {
        target = target.try_add(output.try_mul(cotangent)?.sum())?;
    }
    let zeros = || GradientOptions::default().unconnected(Unconnected::Zeros);
    let first = inner.gradient_with(&target, &sources, zeros())?;
    let mut target = Tensor::full_of([], 0.0, dtype);
    for (value, weight) in first.iter().zip(gradients) {
        if let Some(weight) = weight {
            target = target.try_add(value.try_mul(weight)?.sum())?;
        }
    }
    let mut second = outer.gradient_with(&target, &floating, zeros())?.into_iter();
    Ok(inputs.iter().map(|input| if input.dtype().is_float() { second.next() } else { None }).collect())
}

/// Outputs of an operation, and the values whose gradients are wanted.
pub(super) struct Composed {
    pub(super) outputs: Vec<Tensor>,
    pub(super) sources: Vec<Tensor>,
}
