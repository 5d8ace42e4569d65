//! Methods that rearrange elements, composed of [`Movement`] operations, which define their gradients.

use crate::error::{Error, Result, placed};
use crate::ops::apply::apply;
use crate::ops::range::whole;
use crate::ops::{Movement, Range};
use crate::shape::{Integer, IntoAxes, Shape, normalize_axis};
use crate::tensor::Tensor;

impl Tensor {
    /// Reverses the order of the elements along some axes; a view.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice.
    #[track_caller]
    pub fn flip(&self, axes: impl IntoAxes) -> Result<Tensor> {
        let mut ranges = whole(self.shape());
        for axis in axes.into_axes(self.rank(), "flip")? {
            let count = ranges[axis].count;
            ranges[axis] = Range { start: count.saturating_sub(1), count, step: -1 };
        }
        apply(Movement::Slice { ranges }, &[self])
    }

    /// The positions `start .. start + count` of one axis. The caller must have checked them.
    #[track_caller]
    fn part(&self, axis: usize, start: usize, count: usize) -> Result<Tensor> {
        let mut ranges = whole(self.shape());
        ranges[axis] = Range { start, count, step: 1 };
        apply(Movement::Slice { ranges }, &[self])
    }

    /// Joins tensors of the same shape along a new axis. `axis` is its index in the result: three tensors `[2, 4]`
    /// stacked along axis 1 give `[2, 3, 4]`.
    ///
    /// # Errors
    /// Returns an error if there is no tensor, if the axis is out of range, if shapes or types differ, or if the result
    /// is larger than memory can address.
    #[track_caller]
    pub fn stack(parts: &[&Tensor], axis: impl Integer) -> Result<Tensor> {
        let Some(first) = parts.first() else {
            return Err(Error::argument("stack", "needs at least one tensor"));
        };
        let axis = normalize_axis(axis, first.rank() + 1, "stack")?;
        if let Some(other) = parts.iter().find(|part| part.shape() != first.shape()) {
            let message = format!("{} and {} differ; all shapes must be equal", first.shape(), other.shape());
            return Err(Error::argument("stack", message));
        }
        let parts: Vec<Tensor> =
            parts.iter().map(|part| part.reshape(part.shape().inserted(axis, 1))).collect::<Result<_>>()?;
        Tensor::concat(&parts.iter().collect::<Vec<_>>(), axis)
    }

    /// Repeats the tensor `repeats[k]` times along axis `k`. As in NumPy, the shorter of shape and repeats is padded
    /// with leading ones.
    ///
    /// # Errors
    /// Returns an error if the result would be larger than memory can address.
    #[track_caller]
    pub fn tile(&self, repeats: impl Into<Shape>) -> Result<Tensor> {
        let repeats = repeats.into();
        let rank = self.rank().max(repeats.len());
        let aligned = |values: &[usize]| -> Vec<usize> {
            std::iter::repeat_n(1, rank - values.len()).chain(values.iter().copied()).collect()
        };
        let (sizes, repeats) = (aligned(self.shape()), aligned(&repeats));
        let pairs = || repeats.iter().zip(&sizes);
        let apart: Shape = pairs().flat_map(|(_, &size)| [1, size]).collect();
        let repeated: Shape = pairs().flat_map(|(&repeat, &size)| [repeat, size]).collect();
        repeated.checked_size("tile")?;
        let joined: Shape = pairs().map(|(repeat, size)| repeat * size).collect();
        self.reshape(apart)?.expand(repeated)?.reshape(joined)
    }

    /// Shifts the elements by `shift` positions along an axis. Elements shifted beyond the last position re-enter at
    /// the first.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn roll(&self, shift: impl Integer, axis: impl Integer) -> Result<Tensor> {
        let axis = normalize_axis(axis, self.rank(), "roll")?;
        let size = self.shape()[axis];
        let shift = shift.to_isize().checked_rem_euclid(size as isize).unwrap_or(0) as usize;
        if shift == 0 {
            return Ok(self.clone());
        }
        let (end, start) = (self.part(axis, size - shift, shift)?, self.part(axis, 0, size - shift)?);
        Tensor::concat(&[&end, &start], axis)
    }

    /// The outer product of two vectors: `[n]` and `[m]` give `[n, m]`.
    ///
    /// # Errors
    /// Returns an error if an operand is not a vector, if the types differ or are bool, or if the result is larger than
    /// memory can address.
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Result<Tensor> {
        if let Some(wrong) = [self, other].into_iter().find(|x| x.rank() != 1) {
            return Err(Error::shape("outer", wrong.shape(), "needs a vector; `x.flatten()` makes one"));
        }
        self.expand_dims(1)?.try_mul(other.expand_dims(0)?)
    }

    /// Broadcasts tensors to their common shape; views.
    ///
    /// # Errors
    /// Returns an error if two shapes do not broadcast.
    #[track_caller]
    pub fn broadcast(parts: &[&Tensor]) -> Result<Vec<Tensor>> {
        let scalar = Shape::default();
        let shape = placed(|| parts.iter().try_fold(scalar, |shape, part| shape.broadcast(part.shape(), "broadcast")))?;
        parts.iter().map(|part| part.expand(&shape)).collect()
    }

    /// Selects one position of an axis and removes the axis; a view. Negative positions count from the end.
    /// `images.at(4, 0)` is the fifth image.
    ///
    /// # Errors
    /// Returns an error if the axis or the position is out of range.
    #[track_caller]
    pub fn at(&self, position: impl Integer, axis: impl Integer) -> Result<Tensor> {
        let axis = normalize_axis(axis, self.rank(), "at")?;
        let (size, position) = (self.shape()[axis], position.to_isize());
        let index = if position < 0 { position.saturating_add_unsigned(size) } else { position };
        if !(0..size as isize).contains(&index) {
            return Err(Error::index("at", position as i64, size));
        }
        self.part(axis, index as usize, 1)?.reshape(self.shape().reduced(&[axis], false))
    }
}
