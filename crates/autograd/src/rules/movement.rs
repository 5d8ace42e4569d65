//! Rules of the operations that move elements: each is undone.

use smallvec::smallvec;
use tensor::ops::{Movement, Range, apply};
use tensor::{Axes, Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;
use crate::unbroadcast::unbroadcast;

pub(super) fn needs(_: &Movement) -> Needs {
    Needs::Nothing
}

pub(super) fn backward(op: &Movement, site: &Site, g: &Tensor) -> Result<Parts> {
    Ok(smallvec![Some(match op {
        Movement::Reshape { .. } => g.reshape(site.shape(0))?,
        Movement::Permute { order } => {
            let mut inverse: Axes = smallvec![0; order.len()];
            order.iter().enumerate().for_each(|(place, &axis)| inverse[axis] = place);
            apply(Movement::Permute { order: inverse }, &[g])?
        }
        Movement::Expand { .. } => unbroadcast(g.clone(), site.shape(0), site.dtype(0))?,
        Movement::Slice { ranges } => {
            apply(Movement::SliceBackward { shape: site.shape(0).clone(), ranges: ranges.clone() }, &[g])?
        }
        Movement::SliceBackward { ranges, .. } => apply(Movement::Slice { ranges: ranges.clone() }, &[g])?,
        Movement::Pad { pads, .. } => {
            let inside = pads.iter().zip(site.shape(0).iter());
            let ranges = inside.map(|(&(before, _), &count)| Range { start: before, count, step: 1 }).collect();
            apply(Movement::Slice { ranges }, &[g])?
        }
        Movement::BandPart { .. } => apply(op.clone(), &[g])?,
        Movement::Concat { axis } => return pieces(site, g, *axis),
    })])
}

/// The gradient of each operand of a concatenation: its piece.
fn pieces(site: &Site, g: &Tensor, axis: usize) -> Result<Parts> {
    let sizes: Vec<usize> = (0..site.arity()).map(|k| site.shape(k)[axis]).collect();
    Ok(g.split(&sizes, axis)?.into_iter().map(Some).collect())
}
