//! Rules of the operations that move elements. Each gradient undoes the movement.

use smallvec::smallvec;
use tensor::Axes;
use tensor::ops::{Movement, Range, apply};

use super::pass::Pass;
use super::selection::{InputSpec, Nothing};
use crate::unbroadcast::unbroadcast;

pub(super) fn rule<'a, P: Pass<'a>>(op: &Movement, pass: P) -> P::Answer {
    match op {
        Movement::Reshape { .. } => pass.one(InputSpec(0), |g, x| g.reshape(x.shape)),
        Movement::Permute { order } => pass.one(Nothing, |g, ()| {
            let mut inverse: Axes = smallvec![0; order.len()];
            order.iter().enumerate().for_each(|(place, &axis)| inverse[axis] = place);
            apply(Movement::Permute { order: inverse }, &[g])
        }),
        Movement::Expand { .. } => pass.one(InputSpec(0), |g, x| unbroadcast(g.clone(), x)),
        Movement::Slice { ranges } => pass.one(InputSpec(0), |g, x| {
            apply(Movement::SliceBackward { shape: x.shape.clone(), ranges: ranges.clone() }, &[g])
        }),
        Movement::SliceBackward { ranges, .. } => {
            pass.one(Nothing, |g, ()| apply(Movement::Slice { ranges: ranges.clone() }, &[g]))
        }
        Movement::Pad { pads, .. } => pass.one(InputSpec(0), |g, x| {
            let inside = pads.iter().zip(x.shape.iter());
            let ranges = inside.map(|(&(before, _), &count)| Range { start: before, count, step: 1 }).collect();
            apply(Movement::Slice { ranges }, &[g])
        }),
        Movement::BandPart { .. } => pass.one(Nothing, |g, ()| apply(op.clone(), &[g])),
        Movement::Concat { axis } => pass.many(Nothing, |cx, g, ()| {
            let sizes: Vec<usize> = cx.inputs.iter().map(|input| input.tensor.spec().shape[*axis]).collect();
            Ok(g.split(&sizes, *axis)?.into_iter().map(Some).collect())
        }),
    }
}
