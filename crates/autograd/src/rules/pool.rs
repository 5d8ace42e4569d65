//! Rules of pooling. The windows' maxima stay where they are: only what is taken or put there has a
//! derivative.

use smallvec::smallvec;
use tensor::ops::{Pool, apply};
use tensor::{Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;

pub(super) fn needs(op: &Pool) -> Needs {
    match op {
        Pool::Max(_) | Pool::MaxInput(_) | Pool::MaxPick(_) => Needs::Inputs,
        Pool::Average { .. } | Pool::AverageInput { .. } => Needs::Nothing,
    }
}

pub(super) fn backward(op: &Pool, site: &Site, g: &Tensor) -> Result<Parts> {
    // The derivative for `x`, by which the maxima are found, is zero but where they change place.
    let second = |op: Pool| site.wants(1).then(|| apply(op, &[site.input(0), g])).transpose();
    Ok(match *op {
        Pool::Max(cells) => smallvec![Some(apply(Pool::MaxInput(cells), &[site.input(0), g])?)],
        Pool::MaxInput(cells) => smallvec![None, second(Pool::MaxPick(cells))?],
        Pool::MaxPick(cells) => smallvec![None, second(Pool::MaxInput(cells))?],
        Pool::Average { cells, count_padding } => {
            let size = [site.shape(0)[1], site.shape(0)[2]];
            smallvec![Some(apply(Pool::AverageInput { cells, count_padding, size }, &[g])?)]
        }
        Pool::AverageInput { cells, count_padding, .. } => {
            smallvec![Some(apply(Pool::Average { cells, count_padding }, &[g])?)]
        }
    })
}
