//! Splitting a tensor along an axis.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::ops::Outputs;
use crate::ops::apply::apply_all;
use crate::ops::checks::{check_axis, operands};
use crate::ops::range::{Range, cut, whole};
use crate::shape::{Integer, Shape, normalize_axis};
use crate::tensor::Tensor;

/// Pieces of given sizes along one axis, one output each. Slices would give the same values, but the gradient of each
/// slice has the full shape of the operand. The gradient of a split is the concatenation of the pieces' gradients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The axis.
    pub axis: usize,
    /// The sizes of the pieces: a nonempty list that adds up to the size of the axis.
    pub sizes: Vec<usize>,
}

names! { Split: Split { .. } => "split" }

impl Split {
    pub(crate) fn flops(&self, _: &[&Tensor], _: &[Tensor]) -> u64 {
        0
    }

    pub(super) fn forward(&self, inputs: &[&Tensor]) -> Result<Outputs> {
        let [x] = operands(inputs, self.name())?;
        check_axis(self.axis, x.rank(), self.name())?;
        check_count(self.sizes.len(), x, self.name())?;
        let total = self.sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if total != Some(x.shape()[self.axis]) || self.sizes.is_empty() {
            let message =
                format!("sizes {:?} must add up to {}, that of axis {}", self.sizes, x.shape()[self.axis], self.axis);
            return Err(Error::shape(self.name(), x.shape(), message));
        }
        let mut ranges = whole(x.shape());
        let mut start = 0;
        let piece = |&count: &usize| {
            ranges[self.axis] = Range { start, count, step: 1 };
            start += count;
            cut(x, &ranges)
        };
        Ok(self.sizes.iter().map(piece).collect())
    }
}

/// Returns an error if a list cannot hold `count` pieces.
#[track_caller]
fn check_count(count: usize, x: &Tensor, operation: &str) -> Result<()> {
    // A piece is a reference and what it refers to.
    if count <= isize::MAX as usize / (size_of::<Tensor>() + size_of::<Array>()) {
        return Ok(());
    }
    Err(Error::shape(operation, x.shape(), format!("{count} pieces are more than memory can hold")))
}

impl Tensor {
    /// Splits the tensor into pieces of the given sizes along an axis; views.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range, or the sizes do not add up to the size of the axis.
    #[track_caller]
    pub fn split(&self, sizes: impl Into<Shape>, axis: impl Integer) -> Result<Vec<Tensor>> {
        let axis = normalize_axis(axis, self.rank(), "split")?;
        let sizes = sizes.into();
        if sizes.is_empty() && self.shape()[axis] == 0 {
            return Ok(Vec::new());
        }
        apply_all(Split { axis, sizes: sizes.to_vec() }, &[self]).map(|pieces| pieces.into_vec())
    }

    /// At most `count` pieces along an axis, as PyTorch's `chunk`; views. All have the size `⌈n / count⌉`, except that the
    /// last one may be smaller. An empty axis gives one empty piece. For pieces of equal size, check that `count` divides
    /// the axis, or use [`split`](Tensor::split).
    ///
    /// # Errors
    /// Returns an error if the axis is out of range or `count` is 0.
    #[track_caller]
    pub fn chunk(&self, count: usize, axis: impl Integer) -> Result<Vec<Tensor>> {
        let axis = normalize_axis(axis, self.rank(), "chunk")?;
        if count == 0 {
            return Err(Error::argument("chunk", "needs a count of at least 1, not 0"));
        }
        let size = self.shape()[axis];
        let length = size.div_ceil(count).max(1);
        check_count(size.div_ceil(length), self, "chunk")?;
        let sizes: Vec<usize> = (0..size.max(1)).step_by(length).map(|start| length.min(size - start)).collect();
        self.split(sizes, axis)
    }

    /// Splits the tensor into the entries along an axis, which is removed; views.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn unstack(&self, axis: impl Integer) -> Result<Vec<Tensor>> {
        let axis = normalize_axis(axis, self.rank(), "unstack")?;
        let shape = self.shape().reduced(&[axis], false);
        check_count(self.shape()[axis], self, "unstack")?;
        let pieces = self.split(vec![1; self.shape()[axis]], axis)?;
        pieces.iter().map(|piece| piece.reshape(&shape)).collect()
    }
}
