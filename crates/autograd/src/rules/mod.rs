//! The rules: for each operation, what a tape saves of it, and the gradients of its inputs from those of its outputs.
//!
//! There is one file for each family, named as in `tensor/src/ops/`, and one match arm for each operation. The matches
//! are exhaustive: an operation without a rule does not compile, and one without a derivative says so. Rules are
//! written in operations that have rules themselves, so derivatives of any order follow. [`Pass`] explains the form of
//! an arm.
//!
//! The backward pass sums each gradient over the axes along which its input was broadcast, so no rule has to.
#![deny(clippy::wildcard_enum_match_arm)]

mod attention;
mod binary;
mod composed;
mod context;
mod conv;
mod fused;
mod index;
mod linalg;
mod matmul;
mod movement;
mod normalize;
mod pass;
mod pool;
mod recurrent;
mod reduce;
mod scan;
mod selection;
mod split;
mod unary;
mod unary_gradient;

use tensor::{Error, Op, Result};

pub(crate) use context::{BackwardContext, InputGradients};
use pass::{Forward, Pass};
use selection::{Inputs, Output};

use crate::saved::Saved;

/// What a tape saves of an operation.
pub(crate) fn saved(op: &Op) -> Saved {
    rule(op, Forward)
}

/// The gradients of the inputs of an operation.
pub(crate) fn input_gradients(op: &Op, cx: BackwardContext<'_>) -> Result<InputGradients> {
    rule(op, cx)
}

fn rule<'a, P: Pass<'a>>(op: &Op, pass: P) -> P::Answer {
    match op {
        Op::Unary(op) => unary::rule(op, pass),
        Op::UnaryGradient(op) => unary_gradient::rule(op, pass),
        Op::Binary(op) => binary::rule(op, pass),
        // Truth values have no gradient.
        Op::Logic(_) => pass.none(),
        Op::Reduce(op) => reduce::rule(op, pass),
        Op::Scan(op) => scan::rule(op, pass),
        Op::Matmul(op) => matmul::rule(op, pass),
        Op::Conv(op) => conv::rule(op, pass),
        Op::Pool(op) => pool::rule(op, pass),
        Op::Movement(op) => movement::rule(op, pass),
        Op::Split(op) => split::rule(op, pass),
        Op::Index(op) => index::rule(op, pass),
        Op::Normalize(op) => normalize::rule(op, pass),
        Op::Fused(op) => fused::rule(op, pass),
        Op::Attention(op) => attention::rule(op, pass),
        Op::Recurrent(op) => recurrent::rule(op, pass),
        Op::Linalg(op) => linalg::rule(op, pass),
        Op::Custom(op) => pass.many((Inputs, Output(0)), |_, g, (inputs, output)| {
            let gradients = op.backward(&inputs, output, g)?;
            if gradients.len() != inputs.len() {
                let message = format!("{}: {} gradients for {} inputs", op.name(), gradients.len(), inputs.len());
                return Err(Error::gradient(message));
            }
            Ok(gradients.into())
        }),
    }
}
