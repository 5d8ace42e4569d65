//! The rule of splitting: the gradients of the pieces are concatenated.

use smallvec::smallvec;
use tensor::Tensor;
use tensor::ops::Split;

use super::pass::Pass;
use super::selection::InputSpec;

pub(super) fn rule<'a, P: Pass<'a>>(op: &Split, pass: P) -> P::Answer {
    pass.all(InputSpec(0), |cx, x| {
        let piece = |(gradient, &size): (&Option<Tensor>, &usize)| match gradient {
            Some(gradient) => gradient.clone(),
            None => Tensor::full_of(x.shape.with(op.axis, size), 0.0, x.dtype),
        };
        let pieces: Vec<Tensor> = cx.gradients.iter().zip(&op.sizes).map(piece).collect();
        Ok(smallvec![Some(Tensor::concat(&pieces.iter().collect::<Vec<_>>(), op.axis)?)])
    })
}
