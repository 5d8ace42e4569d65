//! Rules of the operations that select elements.

use smallvec::smallvec;
use tensor::ops::Index;
use tensor::{Result, Tensor};

use super::{Needs, Parts};
use crate::tape::Site;

pub(super) fn needs(op: &Index) -> Needs {
    match op {
        Index::Where => Needs::Inputs,
        Index::OneHot { .. } => Needs::Nothing,
    }
}

pub(super) fn backward(op: &Index, site: &Site, g: &Tensor) -> Result<Parts> {
    Ok(match op {
        Index::Where => {
            let condition = site.input(0);
            let a = if site.wants(1) { Some(condition.select(g, 0.0)?) } else { None };
            let b = if site.wants(2) { Some(condition.select(0.0, g)?) } else { None };
            smallvec![None, a, b]
        }
        // Class numbers are integers, and have no gradient.
        Index::OneHot { .. } => smallvec![None],
    })
}
