//! Operations along one axis that keep it: cumulative sums and products, sorting.

use smallvec::smallvec;

use crate::dtype::{DType, with_dtype};
use crate::error::{Error, Result};
use crate::kernels::index::gather;
use crate::kernels::scan::{cumulate, order};
use crate::ops::Outputs;
use crate::ops::apply::{apply, apply_pair};
use crate::ops::cast::converted;
use crate::ops::checks::{check_axis, operands};
use crate::shape::{Integer, normalize_axis};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// An operation along one axis that keeps the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Cumulative sums. Integers and bools give int64.
    CumSum {
        /// The axis.
        axis: usize,
    },
    /// Cumulative products. Integers and bools give int64.
    CumProd {
        /// The axis.
        axis: usize,
    },
    /// Two outputs: the sorted elements, NaN last, and their int64 indices. The sort is stable.
    Sort {
        /// The axis.
        axis: usize,
        /// Whether the largest comes first.
        descending: bool,
    },
    /// Two outputs: the first `k` sorted elements, NaN last, and their int64 indices.
    TopK {
        /// The axis.
        axis: usize,
        /// The number of elements, at most the size of the axis.
        k: usize,
        /// Whether to take the largest elements (the largest first) instead of the smallest.
        largest: bool,
    },
}

names! { Scan:
    Scan::CumSum { .. } => "cumsum",
    Scan::CumProd { .. } => "cumprod",
    Scan::Sort { .. } => "sort",
    Scan::TopK { .. } => "topk",
}

impl Scan {
    pub(crate) fn flops(self, inputs: &[&Tensor], _: &[Tensor]) -> u64 {
        match self {
            Scan::CumSum { .. } | Scan::CumProd { .. } => inputs[0].size() as u64,
            Scan::Sort { .. } | Scan::TopK { .. } => 0,
        }
    }

    pub(super) fn forward(self, inputs: &[&Tensor]) -> Result<Outputs> {
        let [x] = operands(inputs, self.name())?;
        let (Scan::CumSum { axis } | Scan::CumProd { axis } | Scan::Sort { axis, .. } | Scan::TopK { axis, .. }) = self;
        check_axis(axis, x.rank(), self.name())?;
        let sorted = |count: usize, descending: bool| {
            let shape = x.shape().with(axis, count);
            let order = with_dtype!(x.dtype(), T => order::<T>(x.typed(), axis, count, descending));
            let indices = Tensor::from_buffer(order, shape.clone());
            let values = with_dtype!(x.dtype(), T => gather::<T>(x.typed(), indices.typed(), axis));
            Ok(smallvec![Tensor::from_buffer(values, shape), indices])
        };
        match self {
            Scan::CumSum { .. } => Ok(smallvec![Tensor::from_buffer(sums(x, axis), x.shape().clone())]),
            Scan::CumProd { .. } => Ok(smallvec![Tensor::from_buffer(products(x, axis), x.shape().clone())]),
            Scan::Sort { descending, .. } => sorted(x.shape()[axis], descending),
            Scan::TopK { k, largest, .. } if k <= x.shape()[axis] => sorted(k, largest),
            Scan::TopK { k, .. } => {
                let message = format!("axis {axis} has {} elements, fewer than k = {k}", x.shape()[axis]);
                Err(Error::shape("topk", x.shape(), message))
            }
        }
    }
}

/// Cumulative sums. Floats are accumulated in float64: the last of many sums is as accurate as the first.
fn sums(x: &Tensor, axis: usize) -> Buffer {
    match x.dtype() {
        DType::F32 => cumulate(x.typed(), axis, 0.0, |sum: f64, x: f32| sum + x as f64, |sum| sum as f32),
        DType::F64 => cumulate(x.typed(), axis, 0.0, |sum: f64, x: f64| sum + x, |sum| sum),
        DType::I64 | DType::U8 | DType::Bool => {
            cumulate(converted(x, DType::I64).typed(), axis, 0, i64::wrapping_add, |sum| sum)
        }
    }
}

fn products(x: &Tensor, axis: usize) -> Buffer {
    match x.dtype() {
        DType::F32 => {
            cumulate(x.typed(), axis, 1.0, |product: f64, x: f32| product * x as f64, |product| product as f32)
        }
        DType::F64 => cumulate(x.typed(), axis, 1.0, |product: f64, x: f64| product * x, |product| product),
        DType::I64 | DType::U8 | DType::Bool => {
            cumulate(converted(x, DType::I64).typed(), axis, 1, i64::wrapping_mul, |product| product)
        }
    }
}

impl Tensor {
    /// The cumulative sums along an axis. Integers and bools give int64, which wraps.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn cumsum(&self, axis: impl Integer) -> Result<Tensor> {
        apply(Scan::CumSum { axis: normalize_axis(axis, self.rank(), "cumsum")? }, &[self])
    }

    /// The cumulative products along an axis. Integers and bools give int64, which wraps.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn cumprod(&self, axis: impl Integer) -> Result<Tensor> {
        apply(Scan::CumProd { axis: normalize_axis(axis, self.rank(), "cumprod")? }, &[self])
    }

    /// Sorts the elements along an axis in ascending order. Returns them and their original indices (int64). NaN comes
    /// last, and equal elements keep their order. Gradients flow back to the original positions.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let (values, indices) = tensor![3.0, 1.0, 2.0].sort(0)?;
    /// assert_eq!(values.to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 2, 0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn sort(&self, axis: impl Integer) -> Result<(Tensor, Tensor)> {
        self.sort_by(axis, false)
    }

    /// [`Tensor::sort`] in descending order. NaN comes last here too.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn sort_descending(&self, axis: impl Integer) -> Result<(Tensor, Tensor)> {
        self.sort_by(axis, true)
    }

    #[track_caller]
    fn sort_by(&self, axis: impl Integer, descending: bool) -> Result<(Tensor, Tensor)> {
        apply_pair(Scan::Sort { axis: normalize_axis(axis, self.rank(), "sort")?, descending }, self)
    }

    /// The int64 indices that sort the elements along an axis in ascending order; see [`Tensor::sort`].
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn argsort(&self, axis: impl Integer) -> Result<Tensor> {
        Ok(self.sort(axis)?.1)
    }

    /// The `k` largest elements along an axis, the largest first, and their int64 indices. Equal elements keep their
    /// order. NaN is taken only if there are fewer than `k` numbers.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range or has fewer than `k` elements.
    #[track_caller]
    pub fn topk(&self, k: usize, axis: impl Integer) -> Result<(Tensor, Tensor)> {
        apply_pair(Scan::TopK { axis: normalize_axis(axis, self.rank(), "topk")?, k, largest: true }, self)
    }

    /// The `k` smallest elements along an axis, the smallest first, and their int64 indices.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range or has fewer than `k` elements.
    #[track_caller]
    pub fn bottomk(&self, k: usize, axis: impl Integer) -> Result<(Tensor, Tensor)> {
        apply_pair(Scan::TopK { axis: normalize_axis(axis, self.rank(), "topk")?, k, largest: false }, self)
    }
}
