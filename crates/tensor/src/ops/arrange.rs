//! Methods that arrange elements, composed of the operations of the family [`Movement`], through
//! which their gradients flow.

use crate::error::{Error, Result, placed};
use crate::ops::range::whole;
use crate::ops::{Movement, Range, apply};
use crate::shape::{Integer, IntoAxes, Shape, normalize_axis};
use crate::tensor::Tensor;

impl Tensor {
    /// The elements along some axes in reverse order; a view.
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

    /// Positions `start .. start + count` of one axis, which the caller has checked.
    #[track_caller]
    fn part(&self, axis: usize, start: usize, count: usize) -> Result<Tensor> {
        let mut ranges = whole(self.shape());
        ranges[axis] = Range { start, count, step: 1 };
        apply(Movement::Slice { ranges }, &[self])
    }

    /// Tensors of one shape as the entries along a new axis, inserted before `axis` (which counts
    /// the axes of the result): three times `[2, 4]` along axis 1 is `[2, 3, 4]`.
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

    /// The tensor laid side by side with itself, `repeats[k]` times along axis `k`; as in NumPy,
    /// whichever of shape and repeats is shorter is taken to begin with ones.
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

    /// The elements moved by `shift` positions along an axis; those that leave at one end come in
    /// at the other.
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

    /// All products of an element of this vector with one of the other: `[n]` and `[m]` give
    /// `[n, m]`.
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

    /// Tensors expanded to the one shape that they broadcast to; views.
    ///
    /// # Errors
    /// Returns an error if two shapes do not broadcast.
    #[track_caller]
    pub fn broadcast(parts: &[&Tensor]) -> Result<Vec<Tensor>> {
        let scalar = Shape::default();
        let shape = placed(|| parts.iter().try_fold(scalar, |shape, part| shape.broadcast(part.shape(), "broadcast")))?;
        parts.iter().map(|part| part.expand(&shape)).collect()
    }

    /// The entry at one position of an axis, which vanishes; counted from the end where negative:
    /// `images.at(4, 0)` is the fifth image. A view.
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
