//! The rules: for every operation, the gradients of its inputs from those of its outputs.
//!
//! One file a family, named as in `tensor/src/ops/`. The matches are exhaustive, so that an
//! operation without a rule does not compile; one that has no derivative says so there. Rules are
//! written in operations that have rules themselves, so that derivatives of any order follow. The
//! tape sums over broadcast axes after each rule, so that no rule has to.
#![deny(clippy::wildcard_enum_match_arm)]

mod binary;
mod conv;
mod fused;
mod index;
mod linalg;
mod matmul;
mod movement;
mod normalize;
mod pool;
mod recurrent;
mod reduce;
mod scan;
mod split;
mod unary;
mod unary_gradient;

use smallvec::{SmallVec, smallvec};
use tensor::{Error, Op, Result, Tensor};

use crate::site::Site;

/// The gradients of the inputs; `None` where there is none, or nobody wants it.
pub(crate) type Parts = SmallVec<[Option<Tensor>; 2]>;

/// What a rule looks at, so that the tape keeps no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Shapes and types alone.
    Nothing,
    /// All inputs.
    Inputs,
    /// Each input for the gradients of the others: one is not kept if all others are constants.
    Others,
    /// The inputs that are not floating: conditions and indices.
    Selectors,
    /// All outputs.
    Output,
    /// The first input and all outputs.
    FirstAndOutput,
    /// All inputs, and all outputs but the first.
    InputsAndLaterOutputs,
    /// All inputs and outputs.
    Both,
}

/// What the rule of an operation needs.
pub(crate) fn needs(op: &Op) -> Needs {
    match op {
        Op::Unary(op) => unary::needs(op),
        Op::UnaryGradient(op) => unary_gradient::needs(op),
        Op::Binary(op) => binary::needs(op),
        Op::Reduce(op) => reduce::needs(op),
        Op::Scan(op) => scan::needs(op),
        Op::Matmul(op) => matmul::needs(op),
        Op::Conv(op) => conv::needs(op),
        Op::Pool(op) => pool::needs(op),
        Op::Movement(op) => movement::needs(op),
        Op::Split(op) => split::needs(op),
        Op::Index(op) => index::needs(op),
        Op::Normalize(op) => normalize::needs(op),
        Op::Fused(op) => fused::needs(op),
        Op::Recurrent(op) => recurrent::needs(op),
        Op::Linalg(op) => linalg::needs(op),
        // Truth values have no gradient.
        Op::Logic(_) => Needs::Nothing,
        Op::Custom(_) => Needs::Both,
    }
}

/// Applies the rule of an operation. `gradients` are those of the outputs, at least one of them there.
pub(crate) fn backward(op: &Op, site: &Site, gradients: &[Option<Tensor>]) -> Result<Parts> {
    match (op, &gradients[0]) {
        (Op::Split(op), _) => split::backward(op, site, gradients),
        (Op::Normalize(op), _) => normalize::backward(op, site, gradients),
        (Op::Linalg(op), _) => linalg::backward(op, site, gradients),
        (Op::Recurrent(op), _) => recurrent::backward(op, site, gradients),
        // In the other families only the first of several outputs is floating and can have a gradient.
        (_, None) => Ok(smallvec![None; site.arity()]),
        (Op::Unary(op), Some(gradient)) => Ok(smallvec![unary::backward(op, site, gradient)?]),
        (Op::UnaryGradient(op), Some(gradient)) => unary_gradient::backward(op, site, gradient),
        (Op::Binary(op), Some(gradient)) => pair(site, |k| binary::backward(op, site, gradient, k)),
        (Op::Reduce(op), Some(gradient)) => Ok(smallvec![reduce::backward(op, site, gradient)?]),
        (Op::Scan(op), Some(gradient)) => Ok(smallvec![Some(scan::backward(op, site, gradient)?)]),
        (Op::Matmul(op), Some(gradient)) => pair(site, |k| matmul::backward(op, site, gradient, k).map(Some)),
        (Op::Conv(op), Some(gradient)) => pair(site, |k| conv::backward(op, site, gradient, k).map(Some)),
        (Op::Pool(op), Some(gradient)) => pool::backward(op, site, gradient),
        (Op::Movement(op), Some(gradient)) => movement::backward(op, site, gradient),
        (Op::Index(op), Some(gradient)) => index::backward(op, site, gradient),
        (Op::Fused(op), Some(gradient)) => fused::backward(op, site, gradient),
        (Op::Logic(_), Some(_)) => Ok(smallvec![None; site.arity()]),
        (Op::Custom(op), Some(gradient)) => {
            let inputs: Vec<Tensor> = (0..site.arity()).map(|k| site.input(k).clone()).collect();
            let parts = op.backward(&inputs, site.output(), gradient)?;
            if parts.len() != inputs.len() {
                let message = format!("{}: {} gradients for {} inputs", op.name(), parts.len(), inputs.len());
                return Err(Error::gradient(message));
            }
            Ok(parts.into())
        }
    }
}

/// The parts of an operation with two inputs, each only if it is wanted.
fn pair(site: &Site, part: impl Fn(usize) -> Result<Option<Tensor>>) -> Result<Parts> {
    let wanted = |k: usize| if site.wants(k) { part(k) } else { Ok(None) };
    Ok(SmallVec::from_buf([wanted(0)?, wanted(1)?]))
}
