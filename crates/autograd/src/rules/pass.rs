//! The two passes that run a rule.

use smallvec::SmallVec;
use tensor::{Result, Tensor};

use super::context::{BackwardContext, InputGradients};
use super::selection::{Nothing, Selection};
use crate::saved::{Saved, Spec};

/// A pass over the rule of an operation.
///
/// A rule states at once which values it uses and how it computes gradients from exactly these, as in
/// `pass.one(Output(0), |g, y| g.try_mul(y))`. The forward pass takes the first part, to know what to save, and drops
/// the closure, which then costs nothing. The backward pass calls the closure with the saved values. A rule therefore
/// cannot use a value that was not saved.
///
/// In the closures `g` is the gradient of the first output.
pub(crate) trait Pass<'a>: Sized {
    /// What the pass takes from a rule.
    type Answer;

    /// The gradients of all inputs from those of all outputs. The rules below are special cases.
    fn all<S: Selection>(
        self,
        saved: S,
        gradients: impl FnOnce(BackwardContext<'a>, S::Values<'a>) -> Result<InputGradients>,
    ) -> Self::Answer;

    /// The gradients of two inputs in each of which the operation is linear. Each gradient is computed from `g`, the
    /// other input, and shape and type of its own input. An input is not saved if the other one is a constant.
    fn bilinear(
        self,
        first: impl FnOnce(&'a Tensor, &'a Tensor, Spec<'a>) -> Result<Tensor>,
        second: impl FnOnce(&'a Tensor, &'a Tensor, Spec<'a>) -> Result<Tensor>,
    ) -> Self::Answer;

    /// The gradients of all inputs, if only the first output can have a gradient.
    fn many<S: Selection>(
        self,
        saved: S,
        gradients: impl FnOnce(BackwardContext<'a>, &'a Tensor, S::Values<'a>) -> Result<InputGradients>,
    ) -> Self::Answer {
        self.all(saved, |cx, values| match &cx.gradients[0] {
            Some(g) => gradients(cx, g, values),
            None => Ok(cx.none()),
        })
    }

    /// The gradient of the first input. Other inputs have none.
    fn one<S: Selection>(
        self,
        saved: S,
        gradient: impl FnOnce(&'a Tensor, S::Values<'a>) -> Result<Tensor>,
    ) -> Self::Answer {
        self.many(saved, |cx, g, values| {
            let mut gradients = InputGradients::new();
            gradients.push(Some(gradient(g, values)?));
            cx.fill(&mut gradients);
            Ok(gradients)
        })
    }

    /// The gradients of the first and the second input, each computed only if it is needed. Other inputs have none.
    fn two<S: Selection>(
        self,
        saved: S,
        first: impl FnOnce(&'a Tensor, S::Values<'a>) -> Result<Tensor>,
        second: impl FnOnce(&'a Tensor, S::Values<'a>) -> Result<Tensor>,
    ) -> Self::Answer {
        self.many(saved, |cx, g, _| {
            let mut gradients = InputGradients::new();
            gradients.push(cx.if_needed(0, || first(g, saved.values(cx)))?);
            gradients.push(cx.if_needed(1, || second(g, saved.values(cx)))?);
            cx.fill(&mut gradients);
            Ok(gradients)
        })
    }

    /// No gradient: the outputs are indices, integers or booleans, or the inputs are.
    fn none(self) -> Self::Answer {
        self.all(Nothing, |cx, ()| Ok(cx.none()))
    }
}

/// The pass of the recorder, which asks what to save.
pub(super) struct Forward;

impl<'a> Pass<'a> for Forward {
    type Answer = Saved;

    fn all<S: Selection>(
        self,
        saved: S,
        _: impl FnOnce(BackwardContext<'a>, S::Values<'a>) -> Result<InputGradients>,
    ) -> Saved {
        saved.saved()
    }

    fn bilinear(
        self,
        _: impl FnOnce(&'a Tensor, &'a Tensor, Spec<'a>) -> Result<Tensor>,
        _: impl FnOnce(&'a Tensor, &'a Tensor, Spec<'a>) -> Result<Tensor>,
    ) -> Saved {
        Saved::OTHERS
    }
}

/// The backward pass, which asks for the gradients of the inputs.
impl<'a> Pass<'a> for BackwardContext<'a> {
    type Answer = Result<InputGradients>;

    fn all<S: Selection>(
        self,
        saved: S,
        gradients: impl FnOnce(BackwardContext<'a>, S::Values<'a>) -> Result<InputGradients>,
    ) -> Result<InputGradients> {
        gradients(self, saved.values(self))
    }

    fn bilinear(
        self,
        first: impl FnOnce(&'a Tensor, &'a Tensor, Spec<'a>) -> Result<Tensor>,
        second: impl FnOnce(&'a Tensor, &'a Tensor, Spec<'a>) -> Result<Tensor>,
    ) -> Result<InputGradients> {
        let Some(g) = &self.gradients[0] else { return Ok(self.none()) };
        let [a, b] = [0, 1].map(|k| &self.inputs[k].tensor);
        let first = self.if_needed(0, || first(g, b.value(), a.spec()))?;
        let second = self.if_needed(1, || second(g, a.value(), b.spec()))?;
        Ok(SmallVec::from_buf([first, second]))
    }
}
