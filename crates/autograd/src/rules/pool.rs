//! Rules of pooling. The positions of the maxima are piecewise constant, so only the values that are read or written
//! there have a derivative.

use smallvec::smallvec;
use tensor::ops::{Pool, apply};

use super::pass::Pass;
use super::selection::{Input, InputSpec, Nothing};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Pool, pass: P) -> P::Answer {
    match *op {
        Pool::Max(cells) => pass.one(Input(0), |g, x| apply(Pool::MaxInput(cells), &[x, g])),
        Pool::MaxInput(cells) => pass
            .many(Input(0), |cx, g, x| Ok(smallvec![None, cx.if_needed(1, || apply(Pool::MaxPick(cells), &[x, g]))?])),
        Pool::MaxPick(cells) => pass
            .many(Input(0), |cx, g, x| Ok(smallvec![None, cx.if_needed(1, || apply(Pool::MaxInput(cells), &[x, g]))?])),
        Pool::Average { cells, count_padding } => pass.one(InputSpec(0), |g, x| {
            let size = [x.shape[1], x.shape[2]];
            apply(Pool::AverageInput { cells, count_padding, size }, &[g])
        }),
        Pool::AverageInput { cells, count_padding, .. } => {
            pass.one(Nothing, |g, ()| apply(Pool::Average { cells, count_padding }, &[g]))
        }
    }
}
