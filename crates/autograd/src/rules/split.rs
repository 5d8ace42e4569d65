//! The rule of splitting: the pieces are put together again.

use smallvec::smallvec;
use tensor::ops::Split;
use tensor::{Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;

pub(super) fn needs(_: &Split) -> Needs {
    Needs::Nothing
}

pub(super) fn backward(op: &Split, site: &Site, gradients: &[Option<Tensor>]) -> Result<Parts> {
    let pieces: Vec<Tensor> = gradients
        .iter()
        .zip(&op.sizes)
        .map(|(gradient, &size)| match gradient {
            Some(gradient) => gradient.clone(),
            None => Tensor::full_of(site.shape(0).with(op.axis, size), 0.0, site.dtype(0)),
        })
        .collect();
    Ok(smallvec![Some(Tensor::concat(&pieces.iter().collect::<Vec<_>>(), op.axis)?)])
}
