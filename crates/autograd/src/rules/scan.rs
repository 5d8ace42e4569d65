//! Rules of the operations along one axis.

use tensor::ops::Scan;
use tensor::{Result, Tensor};

use super::Needs;
use crate::tape::Site;

pub(super) fn needs(op: &Scan) -> Needs {
    match op {
        Scan::CumSum { .. } => Needs::Nothing,
    }
}

pub(super) fn backward(op: &Scan, site: &Site, g: &Tensor) -> Result<Option<Tensor>> {
    let _ = site;
    Ok(Some(match *op {
        // Each element is in all sums from its place on.
        Scan::CumSum { axis } => {
            let axis = axis as isize;
            g.flip(axis)?.cumsum(axis)?.flip(axis)?
        }
    }))
}
