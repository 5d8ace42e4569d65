//! Rules of the operations that select elements. They use the conditions and indices only.

use smallvec::smallvec;
use tensor::ops::{Index, Movement, Range, apply};
use tensor::{Result, Shape, Tensor};

use super::pass::Pass;
use super::selection::{Input, InputSpec};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Index, pass: P) -> P::Answer {
    match *op {
        Index::Where => pass.many(Input(0), |cx, g, condition| {
            let to_first = cx.if_needed(1, || condition.select(g, 0.0))?;
            let to_second = cx.if_needed(2, || condition.select(0.0, g))?;
            Ok(smallvec![None, to_first, to_second])
        }),
        Index::Gather { axis } => {
            pass.one((InputSpec(0), Input(1)), |g, (x, index)| x.zeros().scatter_add(index, g, axis))
        }
        Index::ScatterAdd { axis } => pass.many((Input(1), InputSpec(2)), |cx, g, (index, source)| {
            let to_source = cx.if_needed(2, || pad_to(g.gather(index, axis)?, source.shape))?;
            Ok(smallvec![Some(g.clone()), None, to_source])
        }),
        Index::Take { axis } => {
            pass.one((InputSpec(0), Input(1)), |g, (x, index)| g.index_add(index, axis, x.shape[axis]))
        }
        Index::IndexAdd { axis, .. } => pass.one(Input(1), |g, index| g.take(index, axis)),
        Index::OneHot { .. } | Index::Nonzero => pass.none(),
    }
}

/// `x`, and zeros after it in each axis up to `shape`. Elements of a scattered source beyond the index were not added.
fn pad_to(x: Tensor, shape: &Shape) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x);
    }
    let ranges = x.shape().iter().map(|&count| Range { start: 0, count, step: 1 }).collect();
    apply(Movement::SliceBackward { shape: shape.clone(), ranges }, &[&x])
}
