//! What a rule uses, as a value: it tells the recorder what to save, and the backward pass what to hand to the rule.

use tensor::Tensor;

use super::context::BackwardContext;
use crate::saved::{Saved, Spec};

/// A selection of inputs and outputs of an operation.
pub(crate) trait Selection: Copy {
    /// What the rule receives.
    type Values<'a>;

    /// What the tape saves.
    fn saved(self) -> Saved;

    /// Takes the saved values from a recorded operation.
    fn values<'a>(self, cx: BackwardContext<'a>) -> Self::Values<'a>;
}

/// No value.
#[derive(Clone, Copy)]
pub(crate) struct Nothing;

/// Shape and element type of an input.
#[derive(Clone, Copy)]
pub(crate) struct InputSpec(pub(crate) usize);

/// One input.
#[derive(Clone, Copy)]
pub(crate) struct Input(pub(crate) usize);

/// One output.
#[derive(Clone, Copy)]
pub(crate) struct Output(pub(crate) usize);

/// All inputs.
#[derive(Clone, Copy)]
pub(crate) struct Inputs;

/// All outputs.
#[derive(Clone, Copy)]
pub(crate) struct Outputs;

impl Selection for Nothing {
    type Values<'a> = ();

    fn saved(self) -> Saved {
        Saved::NOTHING
    }

    fn values(self, _: BackwardContext<'_>) {}
}

impl Selection for InputSpec {
    type Values<'a> = Spec<'a>;

    fn saved(self) -> Saved {
        Saved::NOTHING
    }

    fn values<'a>(self, cx: BackwardContext<'a>) -> Spec<'a> {
        cx.inputs[self.0].tensor.spec()
    }
}

impl Selection for Input {
    type Values<'a> = &'a Tensor;

    fn saved(self) -> Saved {
        Saved::input(self.0)
    }

    fn values<'a>(self, cx: BackwardContext<'a>) -> &'a Tensor {
        cx.inputs[self.0].tensor.value()
    }
}

impl Selection for Output {
    type Values<'a> = &'a Tensor;

    fn saved(self) -> Saved {
        Saved::output(self.0)
    }

    fn values<'a>(self, cx: BackwardContext<'a>) -> &'a Tensor {
        cx.outputs[self.0].value()
    }
}

impl Selection for Inputs {
    type Values<'a> = Vec<Tensor>;

    fn saved(self) -> Saved {
        Saved::INPUTS
    }

    fn values(self, cx: BackwardContext<'_>) -> Vec<Tensor> {
        cx.inputs.iter().map(|input| input.tensor.value().clone()).collect()
    }
}

impl Selection for Outputs {
    type Values<'a> = Vec<Tensor>;

    fn saved(self) -> Saved {
        Saved::OUTPUTS
    }

    fn values(self, cx: BackwardContext<'_>) -> Vec<Tensor> {
        cx.outputs.iter().map(|output| output.value().clone()).collect()
    }
}

impl<A: Selection, B: Selection> Selection for (A, B) {
    type Values<'a> = (A::Values<'a>, B::Values<'a>);

    fn saved(self) -> Saved {
        self.0.saved().and(self.1.saved())
    }

    fn values<'a>(self, cx: BackwardContext<'a>) -> Self::Values<'a> {
        (self.0.values(cx), self.1.values(cx))
    }
}

impl<A: Selection, B: Selection, C: Selection> Selection for (A, B, C) {
    type Values<'a> = (A::Values<'a>, B::Values<'a>, C::Values<'a>);

    fn saved(self) -> Saved {
        self.0.saved().and(self.1.saved()).and(self.2.saved())
    }

    fn values<'a>(self, cx: BackwardContext<'a>) -> Self::Values<'a> {
        (self.0.values(cx), self.1.values(cx), self.2.values(cx))
    }
}

impl<A: Selection, B: Selection, C: Selection, D: Selection> Selection for (A, B, C, D) {
    type Values<'a> = (A::Values<'a>, B::Values<'a>, C::Values<'a>, D::Values<'a>);

    fn saved(self) -> Saved {
        self.0.saved().and(self.1.saved()).and(self.2.saved()).and(self.3.saved())
    }

    fn values<'a>(self, cx: BackwardContext<'a>) -> Self::Values<'a> {
        (self.0.values(cx), self.1.values(cx), self.2.values(cx), self.3.values(cx))
    }
}
