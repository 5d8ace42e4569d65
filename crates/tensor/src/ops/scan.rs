//! Operations along one axis that keep it: cumulative sums and products.

use smallvec::smallvec;

use crate::dtype::{DType, Float, with_float};
use crate::error::Result;
use crate::ops::{Outputs, apply, operands};
use crate::shape::normalize_axis;
use crate::tensor::Tensor;

/// An operation along one axis, which keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Sums of all elements up to each.
    CumSum {
        /// The axis.
        axis: usize,
    },
}

impl Scan {
    /// The operation's name.
    pub fn name(&self) -> &'static str {
        match self {
            Scan::CumSum { .. } => "cumsum",
        }
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Outputs> {
        let [x] = operands(inputs, self.name())?;
        match self {
            Scan::CumSum { axis } => {
                let x = x.cast(x.dtype().to_float());
                Ok(smallvec![with_float!(x.dtype(), T => cumulate::<T>(&x, axis), else unreachable!())])
            }
        }
    }
}

fn cumulate<T: Float>(x: &Tensor, axis: usize) -> Tensor {
    let mut values = x.elements::<T>().into_owned();
    let inner: usize = x.shape()[axis + 1..].iter().product();
    let length = x.shape()[axis] * inner;
    for part in values.chunks_mut(length.max(1)) {
        for k in inner..part.len() {
            let before = part[k - inner];
            part[k] += before;
        }
    }
    Tensor::from_vec(values, x.shape()).expect("the same number of elements")
}

impl Tensor {
    /// Sums of all elements up to each along an axis.
    ///
    /// # Errors
    /// If the axis is out of range.
    pub fn cumsum(&self, axis: isize) -> Result<Tensor> {
        let axis = normalize_axis(axis, self.rank(), "cumsum")?;
        debug_assert_ne!(self.dtype(), DType::Bool);
        apply(Scan::CumSum { axis }, &[self])
    }
}
