//! The rule of attention.

use tensor::ops::{Attention, Scoring, apply_all};
use tensor::{Error, Result, Shape, Tensor};

use super::composed::{Composed, gradients_of_gradient};
use super::context::{BackwardContext, InputGradients};
use super::pass::Pass;
use super::selection::{Inputs, Outputs};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Attention, pass: P) -> P::Answer {
    match *op {
        Attention::Attend(scoring) => {
            pass.all((Inputs, Outputs), |cx, (operands, outputs)| attend(scoring, cx, &operands, &outputs))
        }
        Attention::Gradient { scoring, of_mask } => {
            pass.all(Inputs, |cx, inputs| gradient(scoring, of_mask, cx.gradients, &inputs))
        }
    }
}

fn attend(
    scoring: Scoring,
    cx: BackwardContext<'_>,
    operands: &[Tensor],
    outputs: &[Tensor],
) -> Result<InputGradients> {
    let [Some(g), None] = cx.gradients else {
        return Err(Error::gradient("attention: the second output is only for the gradient, and has none itself"));
    };
    let of_mask = operands.get(3).is_some_and(|mask| mask.dtype().is_float() && (cx.needs_gradient)(3));
    let all: Vec<&Tensor> = std::iter::once(g).chain(operands).chain(outputs).collect();
    let mut gradients: InputGradients =
        apply_all(Attention::Gradient { scoring, of_mask }, &all)?.into_iter().map(Some).collect();
    cx.fill(&mut gradients);
    Ok(gradients)
}

/// The derivative of the gradient. The outputs of the forward pass are functions of its operands, so they have no
/// gradient of their own.
fn gradient(
    scoring: Scoring,
    of_mask: bool,
    gradients: &[Option<Tensor>],
    inputs: &[Tensor],
) -> Result<InputGradients> {
    let (cotangents, others) = inputs.split_at(1);
    let operands = &others[..others.len() - 2];
    let (queries, keys) = (operands[0].shape(), operands[1].shape());
    let scores = [queries[queries.rank() - 2], keys[keys.rank() - 2]];
    let leading = &cotangents[0].shape()[..cotangents[0].rank() - 2];
    let mut to_inputs = gradients_of_gradient(cotangents, operands, gradients, |operands, tape| {
        let mut operands = operands.to_vec();
        let sources = &mut operands[..if of_mask { 4 } else { 3 }];
        // The gradients have all the leading axes of the result, and that of the mask has the shape of the scores.
        for (k, source) in sources.iter_mut().enumerate() {
            let matrix =
                if k == 3 { scores } else { [source.shape()[source.rank() - 2], source.shape()[source.rank() - 1]] };
            *source = source.expand(leading.iter().copied().chain(matrix).collect::<Shape>())?;
            tape.watch(&*source);
        }
        let sources = sources.to_vec();
        Ok(Composed { outputs: vec![scoring.composed(&operands)?], sources })
    })?;
    to_inputs.extend([None, None]);
    Ok(to_inputs)
}
