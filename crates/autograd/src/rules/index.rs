//! Rules of the operations that select elements.

use smallvec::smallvec;
use tensor::ops::{Index, Movement, Range, apply};
use tensor::{Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;

pub(super) fn needs(op: &Index) -> Needs {
    match op {
        Index::Where | Index::Gather { .. } | Index::ScatterAdd { .. } => Needs::Selectors,
        Index::Take { .. } | Index::IndexAdd { .. } => Needs::Selectors,
        Index::OneHot { .. } | Index::Nonzero => Needs::Nothing,
    }
}

pub(super) fn backward(op: &Index, site: &Site, g: &Tensor) -> Result<Parts> {
    let part = |k: usize, part: &dyn Fn() -> Result<Tensor>| site.wants(k).then(part).transpose();
    Ok(match *op {
        Index::Where => {
            let condition = site.input(0);
            smallvec![None, part(1, &|| condition.select(g, 0.0))?, part(2, &|| condition.select(0.0, g))?]
        }
        Index::Gather { axis } => {
            let zeros = Tensor::full_of(site.shape(0), 0.0, site.dtype(0));
            smallvec![Some(zeros.scatter_add(site.input(1), g, axis)?), None]
        }
        Index::ScatterAdd { axis } => {
            // Elements of the source beyond the index were not added.
            let source = || {
                let taken = g.gather(site.input(1), axis)?;
                let shape = site.shape(2).clone();
                if taken.shape() == &shape {
                    return Ok(taken);
                }
                let ranges = taken.shape().iter().map(|&count| Range { start: 0, count, step: 1 }).collect();
                apply(Movement::SliceBackward { shape, ranges }, &[&taken])
            };
            smallvec![Some(g.clone()), None, part(2, &source)?]
        }
        Index::Take { axis } => {
            smallvec![Some(g.index_add(site.input(1), axis, site.shape(0)[axis])?), None]
        }
        Index::IndexAdd { axis, .. } => smallvec![Some(g.take(site.input(1), axis)?), None],
        // The operand is of integers, or the result is.
        Index::OneHot { .. } | Index::Nonzero => smallvec![None],
    })
}
