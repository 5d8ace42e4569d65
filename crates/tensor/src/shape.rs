//! Shapes, strides, broadcasting and axes: pure arithmetic on sizes, no data.

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::per_axis::{INLINE_RANK, PerAxis};

/// The sizes of a tensor's axes; `[]` is the shape of a scalar.
///
/// Arrays, slices and vectors convert to it: `Shape::from([2, 3])`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(PerAxis<usize>);

/// Distances, in elements, between neighbours along each axis: 0 for a broadcast axis, negative for a reversed one.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Strides(PerAxis<isize>);

/// A list of axes: distinct, each below the rank.
pub type Axes = SmallVec<[usize; 2]>;

impl Deref for Shape {
    type Target = [usize];
    #[inline]
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl Deref for Strides {
    type Target = [isize];
    #[inline]
    fn deref(&self) -> &[isize] {
        &self.0
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Self {
        Shape(sizes[..].into())
    }
}

impl<const N: usize> From<&[usize; N]> for Shape {
    fn from(sizes: &[usize; N]) -> Self {
        Shape(sizes[..].into())
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Self {
        Shape(sizes[..].into())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(sizes: Vec<usize>) -> Self {
        Shape(sizes[..].into())
    }
}

impl From<&Vec<usize>> for Shape {
    fn from(sizes: &Vec<usize>) -> Self {
        Shape(sizes[..].into())
    }
}

/// The shape of a scalar.
impl From<()> for Shape {
    fn from((): ()) -> Self {
        Shape::default()
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(sizes: I) -> Self {
        Shape(sizes.into_iter().collect())
    }
}

impl FromIterator<isize> for Strides {
    fn from_iter<I: IntoIterator<Item = isize>>(strides: I) -> Self {
        Strides(strides.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0[..])
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0[..])
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, other: &[usize]) -> bool {
        self.0[..] == *other
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self.0[..] == other[..]
    }
}

impl Shape {
    /// The product of the sizes of some axes. It may overflow if another size is 0; then it saturates.
    pub(crate) fn product(&self, axes: impl IntoIterator<Item = usize>) -> usize {
        axes.into_iter().fold(1, |product, axis| product.saturating_mul(self.0[axis]))
    }

    /// The index along each axis of the element at `flat` in row-major order, as NumPy's `unravel_index`.
    ///
    /// ```
    /// # use tensor::Shape;
    /// assert_eq!(Shape::from([2, 3]).unravel_index(5), [1, 2]);
    /// ```
    pub fn unravel_index(&self, mut flat: usize) -> Vec<usize> {
        let mut index = vec![0; self.len()];
        for (place, &size) in index.iter_mut().zip(self.iter()).rev() {
            *place = flat % size.max(1);
            flat /= size.max(1);
        }
        index
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements: the product of the sizes, 1 for a scalar.
    ///
    /// # Panics
    /// Panics if the product exceeds `usize`, as `Vec` panics if its capacity overflows. [`Shape::checked_size`]
    /// returns an error instead.
    pub fn size(&self) -> usize {
        let size = self.0.fold(Some(1usize), |size, n| size?.checked_mul(n));
        size.unwrap_or_else(|| if self.0.contains(&0) { 0 } else { panic!("capacity overflow: shape {self}") })
    }

    /// The number of elements of a shape that comes from outside.
    ///
    /// # Errors
    /// Returns an error if a tensor of this shape would exceed the address space. Sizes of 0 count as 1.
    #[track_caller]
    pub fn checked_size(&self, operation: &str) -> Result<usize> {
        // 8 bytes an element, times 2 because the pool rounds allocations up.
        match self.0.fold(Some(1usize), |product, n| product?.checked_mul(n.max(1))) {
            Some(product) if product <= isize::MAX as usize / 16 => Ok(if self.0.contains(&0) { 0 } else { product }),
            _ => Err(Error::argument(operation, format!("a tensor of shape {self} is larger than memory can address"))),
        }
    }

    /// Row-major strides; zeros if the shape has no elements.
    #[inline]
    pub(crate) fn strides(&self) -> Strides {
        let mut size = 1isize;
        let strides = self.0.map_from_last(|n| {
            let stride = size;
            size = size.wrapping_mul(n as isize);
            stride
        });
        Strides(if size == 0 { PerAxis::repeat(0, self.rank()) } else { strides })
    }

    /// This shape with the size of `axis` replaced by `size`.
    pub fn with(&self, axis: usize, size: usize) -> Shape {
        let mut shape = self.clone();
        shape.0[axis] = size;
        shape
    }

    /// This shape with an axis of `size` inserted before `axis`.
    pub fn inserted(&self, axis: usize, size: usize) -> Shape {
        let mut shape = self.clone();
        shape.0.insert(axis, size);
        shape
    }

    /// This shape without `axes`, or with size 1 for each of them if `keep` is set.
    pub fn reduced(&self, axes: &[usize], keep: bool) -> Shape {
        let kept = self.0.iter().enumerate().filter(|(axis, _)| keep || !axes.contains(axis));
        kept.map(|(axis, &n)| if axes.contains(&axis) { 1 } else { n }).collect()
    }

    /// The shape that two operands broadcast to. By NumPy's rule, shapes are aligned at their last axes, and sizes must
    /// be equal or 1.
    ///
    /// # Errors
    /// Returns an error if two sizes differ and neither is 1, or if the result is larger than memory can address.
    #[track_caller]
    pub fn broadcast(&self, other: &Shape, operation: &str) -> Result<Shape> {
        if self == other {
            return Ok(self.clone());
        }
        let rank = self.rank().max(other.rank());
        let size = |shape: &Shape, axis: usize| (axis + shape.rank()).checked_sub(rank).map_or(1, |k| shape[k]);
        let sizes = (0..rank).map(|axis| match (size(self, axis), size(other, axis)) {
            (a, b) if a == b => Some(a),
            (1, n) | (n, 1) => Some(n),
            _ => None,
        });
        let Some(shape) = sizes.collect::<Option<Shape>>() else {
            return Err(Error::broadcast(operation, self, other));
        };
        // An operand of this shape exists, so its size is known to be valid.
        if shape != *self && shape != *other {
            shape.checked_size(operation)?;
        }
        Ok(shape)
    }
}

impl Strides {
    /// Whether these are the row-major strides of a shape that is not empty. Those of axes with one element do not
    /// matter.
    pub(crate) fn are_row_major(&self, shape: &Shape) -> bool {
        let mut step = 1;
        shape.iter().zip(self.iter()).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == step;
            step *= size as isize;
            fits
        })
    }

    /// The strides that broadcast `from` to `to`, with 0 along each repeated axis; `None` if `from` does not broadcast
    /// to `to`.
    pub(crate) fn broadcast(&self, from: &Shape, to: &Shape) -> Option<Strides> {
        let lead = to.rank().checked_sub(from.rank())?;
        (0..to.rank())
            .map(|axis| match axis.checked_sub(lead) {
                None => Some(0),
                Some(k) if from[k] == to[axis] => Some(self[k]),
                Some(k) if from[k] == 1 => Some(0),
                Some(_) => None,
            })
            .collect()
    }

    /// The strides that view the elements of `from` as `to`, a shape of the same nonzero size; `None` if there are no
    /// such strides and the elements must be copied.
    pub(crate) fn reshaped(&self, from: &Shape, to: &Shape) -> Option<Strides> {
        let mut old = from.iter().zip(self.iter()).filter(|(size, _)| **size != 1).peekable();
        let mut strides = PerAxis::repeat(1, to.rank());
        let mut axis = 0;
        while let Some((&size, &stride)) = old.next() {
            // Take axes from both shapes, outermost first, until both groups have the same number of elements.
            let (mut before, mut after) = (size, 1);
            let (first, mut step) = (axis, stride);
            while before != after || axis == first {
                if before < after {
                    let (&size, &stride) = old.next()?;
                    if step != stride * size as isize {
                        return None;
                    }
                    before *= size;
                    step = stride;
                } else {
                    after *= *to.get(axis)?;
                    axis += 1;
                }
            }
            for k in (first..axis).rev() {
                strides[k] = step;
                step *= to[k] as isize;
            }
        }
        Some(Strides(strides))
    }
}

/// An integer type for sizes, axes and positions: `usize`, `isize`, `i64`, or `i32`, which is the default type of
/// integer literals. Negative axes and positions count from the end.
pub trait Integer: Copy + sealed::Sealed {
    /// The value, saturated if it is out of range. No valid axis, size or position is out of range.
    fn to_isize(self) -> isize;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl sealed::Sealed for $integer {}

        impl Integer for $integer {
            #[inline]
            // `self < 0` is always false for unsigned types.
            #[allow(unused_comparisons)]
            fn to_isize(self) -> isize {
                isize::try_from(self).unwrap_or(if self < 0 { isize::MIN } else { isize::MAX })
            }
        }
    )*};
}

integers!(usize, isize, i32, i64);

/// One or several integers of any [`Integer`] type: `2`, `[0, -1]`, `&sizes[1..]`, `vec![n, 3]`. Use `()` for none: the
/// type of an empty array could not be inferred.
pub trait IntoIntegers {
    /// The integers in the order given.
    fn into_integers(self) -> SmallVec<[isize; INLINE_RANK]>;
}

impl<I: Integer> IntoIntegers for I {
    fn into_integers(self) -> SmallVec<[isize; INLINE_RANK]> {
        SmallVec::from_slice(&[self.to_isize()])
    }
}

impl IntoIntegers for () {
    fn into_integers(self) -> SmallVec<[isize; INLINE_RANK]> {
        SmallVec::new()
    }
}

macro_rules! integer_lists {
    ($([$($size:tt)*] $list:ty),* $(,)?) => {$(
        impl<I: Integer, $($size)*> IntoIntegers for $list {
            fn into_integers(self) -> SmallVec<[isize; INLINE_RANK]> {
                self.iter().map(|integer| integer.to_isize()).collect()
            }
        }
    )*};
}

integer_lists! {
    [const N: usize] [I; N],
    [const N: usize] &[I; N],
    [] &[I],
    [] Vec<I>,
    [] &Vec<I>,
}

/// Converts an axis, which counts from the end if it is negative, to an index below `rank`.
///
/// # Errors
/// Returns an error if the axis is out of range.
#[track_caller]
pub fn normalize_axis(axis: impl Integer, rank: usize, operation: &str) -> Result<usize> {
    let axis = axis.to_isize();
    let index = if axis < 0 { axis + rank as isize } else { axis };
    if (0..rank as isize).contains(&index) { Ok(index as usize) } else { Err(Error::axis(operation, axis, rank)) }
}

/// The axes an operation works on: one or several [integers](IntoIntegers), or `..` for all of them.
///
/// `x.sum_axis(1)`, `x.sum_axis([0, -1])`, `x.permute([0, 2, 1])`, `x.sum_axis(..)`.
pub trait IntoAxes {
    /// The axes in the order given.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice.
    #[track_caller]
    fn into_axes(self, rank: usize, operation: &str) -> Result<Axes>;

    /// The axes in ascending order.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice.
    #[track_caller]
    fn into_sorted_axes(self, rank: usize, operation: &str) -> Result<Axes>
    where
        Self: Sized,
    {
        let mut axes = self.into_axes(rank, operation)?;
        axes.sort_unstable();
        Ok(axes)
    }

    /// Whether this is `..`, which means all axes.
    fn is_all(&self) -> bool {
        false
    }
}

impl IntoAxes for std::ops::RangeFull {
    fn into_axes(self, rank: usize, _: &str) -> Result<Axes> {
        Ok((0..rank).collect())
    }

    fn is_all(&self) -> bool {
        true
    }
}

impl<I: IntoIntegers> IntoAxes for I {
    fn into_axes(self, rank: usize, operation: &str) -> Result<Axes> {
        let mut axes = Axes::new();
        for axis in self.into_integers() {
            let axis = normalize_axis(axis, rank, operation)?;
            if axes.contains(&axis) {
                return Err(Error::argument(operation, format!("axis {axis} is given twice")));
            }
            axes.push(axis);
        }
        Ok(axes)
    }
}

/// The argument of [`Tensor::reshape`](crate::Tensor::reshape): a [`Shape`], or its sizes as [integers](IntoIntegers).
/// One size may be -1; it is computed from the others.
pub trait IntoShape {
    /// The shape for the elements of a tensor of shape `from`.
    ///
    /// # Errors
    /// Returns an error if a size is below -1, if several are -1, or if no integer in place of -1 gives the same number
    /// of elements.
    #[track_caller]
    fn into_shape(self, from: &Shape) -> Result<Shape>;
}

impl IntoShape for Shape {
    fn into_shape(self, _: &Shape) -> Result<Shape> {
        Ok(self)
    }
}

impl IntoShape for &Shape {
    fn into_shape(self, _: &Shape) -> Result<Shape> {
        Ok(self.clone())
    }
}

impl<I: IntoIntegers> IntoShape for I {
    fn into_shape(self, from: &Shape) -> Result<Shape> {
        let sizes = self.into_integers();
        let (mut known, mut open) = (Some(1usize), 0);
        for &size in &sizes {
            match usize::try_from(size) {
                Ok(size) => known = known.and_then(|known| known.checked_mul(size)),
                Err(_) if size == -1 => open += 1,
                Err(_) => return Err(no_shape(from, &sizes, "a size is negative")),
            }
        }
        let rest = match (open, known) {
            (0, _) => 0,
            (1, Some(known)) if known > 0 && from.size().is_multiple_of(known) => from.size() / known,
            (1, _) => {
                return Err(no_shape(from, &sizes, "no integer in place of -1 gives the same number of elements"));
            }
            _ => return Err(no_shape(from, &sizes, "only one size may be -1")),
        };
        Ok(sizes.iter().map(|&size| usize::try_from(size).unwrap_or(rest)).collect())
    }
}

#[track_caller]
fn no_shape(from: &Shape, sizes: &[isize], reason: &str) -> Error {
    Error::argument("reshape", format!("{from} → {sizes:?}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        let shape = |a: &[usize], b: &[usize]| Shape::from(a).broadcast(&Shape::from(b), "add").map(|s| s.to_vec());
        assert_eq!(shape(&[3, 1], &[4]).unwrap(), [3, 4]);
        assert_eq!(shape(&[], &[2, 0]).unwrap(), [2, 0]);
        assert_eq!(shape(&[1], &[0]).unwrap(), [0]);
        let error = shape(&[2, 3], &[2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "add: [2, 3] and [2] do not broadcast: 3 and 2 differ on axis -1, and neither is 1"
        );
    }

    #[test]
    fn reshaping_keeps_strides_where_it_can() {
        let reshaped = |strides: &[isize], from: &[usize], to: &[usize]| {
            let strides: Strides = strides.iter().copied().collect();
            strides.reshaped(&from.into(), &to.into()).map(|strides| strides.to_vec())
        };
        // A transposed matrix gets an axis of size 1, loses it, and cannot become a vector.
        assert_eq!(reshaped(&[1, 3], &[3, 2], &[3, 1, 2]), Some(vec![1, 6, 3]));
        assert_eq!(reshaped(&[1, 9, 3], &[3, 1, 2], &[3, 2]), Some(vec![1, 3]));
        assert_eq!(reshaped(&[1, 3], &[3, 2], &[6]), None);
        // Every second of twelve elements as a matrix; a split broadcast axis; two merged broadcast axes.
        assert_eq!(reshaped(&[2], &[6], &[2, 3]), Some(vec![6, 2]));
        assert_eq!(reshaped(&[0, 1], &[4, 3], &[2, 2, 3]), Some(vec![0, 0, 1]));
        assert_eq!(reshaped(&[0, 0], &[4, 3], &[12]), Some(vec![0]));
        assert_eq!(reshaped(&[-1], &[4], &[2, 2]), Some(vec![-2, -1]));
    }

    #[test]
    fn axes_are_checked() {
        assert_eq!([-1, 0].into_sorted_axes(3, "sum").unwrap()[..], [0, 2]);
        assert_eq!(vec![2_usize, 0].into_axes(3, "permute").unwrap()[..], [2, 0]);
        assert_eq!(
            3_usize.into_axes(3, "sum").unwrap_err().to_string(),
            "sum: axis 3 is out of range for a tensor of rank 3, whose axes are -3 to 2"
        );
        assert_eq!([1, -2].into_sorted_axes(3, "sum").unwrap_err().to_string(), "sum: axis 1 is given twice");
    }

    #[test]
    fn ranks_above_the_inline_one_work() {
        let shape = Shape::from(vec![2; 9]);
        assert_eq!((shape.rank(), shape.size(), shape.strides()[0]), (9, 512, 256));
    }
}
