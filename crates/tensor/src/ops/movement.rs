//! Elements moved, repeated, cut out or put together, but not computed with.

use smallvec::SmallVec;

use crate::dtype::with_dtype;
use crate::error::{Error, Result};
use crate::ops::{apply, operands, same_dtype};
use crate::shape::{Axes, IntoAxes, Shape, Strides, normalize_axis};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// Positions along one axis: `start`, and from there `count` of them at distances of `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first position.
    pub start: usize,
    /// How many.
    pub count: usize,
    /// The distance between neighbours, not 0.
    pub step: isize,
}

/// An operation that moves elements.
#[derive(Clone, Debug, PartialEq)]
pub enum Movement {
    /// The same elements in row-major order under another shape.
    Reshape {
        /// The new shape, of the same size.
        shape: Shape,
    },
    /// Axes in another order.
    Permute {
        /// Which axis of the operand each axis of the result is.
        order: Axes,
    },
    /// Repetition along axes of size 1 and new leading axes.
    Expand {
        /// The shape to broadcast to.
        shape: Shape,
    },
    /// Positions cut out along each axis.
    Slice {
        /// One for each axis.
        ranges: SmallVec<[Range; 4]>,
    },
    /// The adjoint of a slice: the operand put at those positions of a tensor of zeros.
    Unslice {
        /// The shape of the result.
        shape: Shape,
        /// Where the operand's elements go.
        ranges: SmallVec<[Range; 4]>,
    },
    /// Operands one after the other along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
}

impl Movement {
    /// The operation's name.
    pub fn name(&self) -> &'static str {
        match self {
            Movement::Reshape { .. } => "reshape",
            Movement::Permute { .. } => "permute",
            Movement::Expand { .. } => "expand",
            Movement::Slice { .. } => "slice",
            Movement::Unslice { .. } => "unslice",
            Movement::Concat { .. } => "concat",
        }
    }

    pub(super) fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        if let Movement::Concat { axis } = self {
            return concat(inputs, *axis);
        }
        let [x] = operands(inputs, self.name())?;
        match self {
            Movement::Reshape { shape } => {
                if shape.checked_size("reshape")? != x.size() {
                    let message =
                        format!("{} → {shape}: {} elements cannot become {}", x.shape(), x.size(), shape.size());
                    return Err(Error::argument("reshape", message));
                }
                Ok(x.reshaped(shape.clone()))
            }
            Movement::Permute { order } => {
                let shape = order.iter().map(|&axis| x.shape()[axis]).collect();
                let strides = order.iter().map(|&axis| x.strides()[axis]).collect();
                Ok(x.restrided(shape, strides, x.offset()))
            }
            Movement::Expand { shape } => {
                shape.checked_size("expand")?;
                let strides = x.strides().broadcast(x.shape(), shape);
                let strides = strides.ok_or_else(|| Error::broadcast("expand", x.shape(), shape))?;
                Ok(x.restrided(shape.clone(), strides, x.offset()))
            }
            Movement::Slice { ranges } => Ok(cut(x, ranges)),
            Movement::Unslice { shape, ranges } => Ok(with_dtype!(x.dtype(), T => {
                let mut buffer = Buffer::filled::<T>(shape.size(), T::default());
                scatter_slice::<T>(&mut buffer, shape, ranges, x);
                Tensor::from_buffer(buffer, shape.clone())
            })),
            Movement::Concat { .. } => unreachable!("handled above"),
        }
    }
}

/// A view of the positions `ranges`.
fn cut(x: &Tensor, ranges: &[Range]) -> Tensor {
    let shape = ranges.iter().map(|range| range.count).collect();
    let (offset, strides) = sliced(x.strides(), x.offset(), ranges);
    x.restrided(shape, strides, offset)
}

/// Offset and strides of a slice.
fn sliced(strides: &Strides, offset: usize, ranges: &[Range]) -> (usize, Strides) {
    let empty = ranges.iter().any(|range| range.count == 0);
    let shift: isize = strides.iter().zip(ranges).map(|(stride, range)| stride * range.start as isize).sum();
    let offset = if empty { 0 } else { (offset as isize + shift) as usize };
    (offset, strides.iter().zip(ranges).map(|(stride, range)| stride * range.step).collect())
}

/// Writes the elements of `x` to the positions `ranges` of a row-major tensor of shape `shape`.
fn scatter_slice<T: crate::Element>(buffer: &mut Buffer, shape: &Shape, ranges: &[Range], x: &Tensor) {
    let (offset, strides) = sliced(&shape.strides(), 0, ranges);
    let walk = crate::kernels::strided::Walk::new(x.shape(), [(&strides, offset), (x.strides(), x.offset())]);
    let (target, source) = (buffer.as_mut_slice::<T>(), x.storage_slice::<T>());
    for (_, [to, from], length) in walk.runs(0, x.size()) {
        match walk.steps {
            [1, 1] => target[to as usize..][..length].copy_from_slice(&source[from as usize..][..length]),
            [s, t] => {
                for k in 0..length as isize {
                    target[(to + k * s) as usize] = source[(from + k * t) as usize];
                }
            }
        }
    }
}

fn concat(parts: &[&Tensor], axis: usize) -> Result<Tensor> {
    let first = parts.first().ok_or_else(|| Error::argument("concat", "needs at least one tensor"))?;
    for part in parts {
        same_dtype(first, part, "concat")?;
        if part.rank() != first.rank() || part.shape().with(axis, 0) != first.shape().with(axis, 0) {
            let message = format!("{} and {} differ on another axis than {axis}", first.shape(), part.shape());
            return Err(Error::argument("concat", message));
        }
    }
    let shape = first.shape().with(axis, parts.iter().map(|part| part.shape()[axis]).sum());
    Ok(with_dtype!(first.dtype(), T => {
        let mut buffer = Buffer::new::<T>(shape.size());
        let mut start = 0;
        for part in parts {
            let mut ranges = whole(&shape);
            ranges[axis] = Range { start, count: part.shape()[axis], step: 1 };
            scatter_slice::<T>(&mut buffer, &shape, &ranges, part);
            start += part.shape()[axis];
        }
        Tensor::from_buffer(buffer, shape)
    }))
}

/// All positions along each axis.
fn whole(shape: &Shape) -> SmallVec<[Range; 4]> {
    shape.iter().map(|&count| Range { start: 0, count, step: 1 }).collect()
}

/// Positions along one axis as a user gives them: `0..128`, `..`, `-1..` (counted from the end),
/// or `(start, end, step)` with `None` for an open end, as Python's slices.
pub trait IntoRange {
    /// The positions along an axis of `size`.
    ///
    /// # Errors
    /// If a position is out of range or the step is 0.
    fn into_range(self, size: usize) -> Result<Range>;
}

/// Positions along the leading axes: one range, or a tuple of up to four.
pub trait IntoRanges {
    /// The positions along each axis of `shape`, all of them along the axes not named.
    ///
    /// # Errors
    /// If a position is out of range, a step is 0, or there are more ranges than axes.
    fn into_ranges(self, shape: &Shape) -> Result<SmallVec<[Range; 4]>>;
}

/// A bound counted from the end where negative; it must lie in `0..=size`.
fn bound(position: isize, size: usize) -> Result<usize> {
    let index = if position < 0 { position + size as isize } else { position };
    if (0..=size as isize).contains(&index) {
        Ok(index as usize)
    } else {
        Err(Error::index("slice", position as i64, size))
    }
}

fn forward_range(start: Option<isize>, end: Option<isize>, size: usize) -> Result<Range> {
    let start = bound(start.unwrap_or(0), size)?;
    let end = end.map_or(Ok(size), |end| bound(end, size))?;
    Ok(Range { start, count: end.saturating_sub(start), step: 1 })
}

macro_rules! std_ranges {
    ($($range:ty, |$r:ident| $start:expr, $end:expr;)*) => {$(
        impl IntoRange for $range {
            fn into_range(self, size: usize) -> Result<Range> {
                let $r = self;
                forward_range($start, $end, size)
            }
        }
    )*};
}

std_ranges! {
    std::ops::Range<isize>, |r| Some(r.start), Some(r.end);
    std::ops::RangeFrom<isize>, |r| Some(r.start), None;
    std::ops::RangeTo<isize>, |r| None, Some(r.end);
    std::ops::RangeFull, |_r| None, None;
    std::ops::Range<usize>, |r| Some(r.start as isize), Some(r.end as isize);
    std::ops::RangeFrom<usize>, |r| Some(r.start as isize), None;
    std::ops::RangeTo<usize>, |r| None, Some(r.end as isize);
}

/// Python's `start:end:step`, whose bounds are cut to the axis.
impl IntoRange for (Option<isize>, Option<isize>, isize) {
    fn into_range(self, size: usize) -> Result<Range> {
        let (start, end, step) = self;
        if step == 0 {
            return Err(Error::argument("slice", "a step of 0 never arrives; use 1"));
        }
        let n = size as isize;
        let (least, greatest) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let place = |position: isize| (if position < 0 { position + n } else { position }).clamp(least, greatest);
        let start = start.map_or(if step > 0 { 0 } else { n - 1 }, place);
        let end = end.map_or(if step > 0 { n } else { -1 }, place);
        let count = ((end - start + step - step.signum()) / step).max(0) as usize;
        Ok(Range { start: if count == 0 { 0 } else { start as usize }, count, step })
    }
}

impl IntoRange for Range {
    fn into_range(self, size: usize) -> Result<Range> {
        let last = self.start as isize + self.step * (self.count as isize - 1);
        let inside = self.start < size && (0..size as isize).contains(&last);
        if self.count == 0 || inside { Ok(self) } else { Err(Error::index("slice", last as i64, size)) }
    }
}

impl<R: IntoRange> IntoRanges for R {
    fn into_ranges(self, shape: &Shape) -> Result<SmallVec<[Range; 4]>> {
        (self,).into_ranges(shape)
    }
}

macro_rules! range_tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: IntoRange),+> IntoRanges for ($($name,)+) {
            #[allow(non_snake_case)]
            fn into_ranges(self, shape: &Shape) -> Result<SmallVec<[Range; 4]>> {
                let ($($name,)+) = self;
                let mut ranges = whole(shape);
                let mut axis = 0;
                $(
                    let size = *shape.get(axis).ok_or_else(|| Error::axis("slice", axis as isize, shape.rank()))?;
                    ranges[axis] = $name.into_range(size)?;
                    axis += 1;
                )+
                let _ = axis;
                Ok(ranges)
            }
        }
    )*};
}

range_tuples! { A; A B; A B C; A B C D; }

impl Tensor {
    /// The same elements in row-major order under another shape; one size may be -1 and is then
    /// what the others leave. A view where the elements lie in order.
    ///
    /// # Errors
    /// If the sizes' product is not the number of elements.
    pub fn reshape<const N: usize>(&self, shape: [isize; N]) -> Result<Tensor> {
        self.reshape_to(&shape)
    }

    /// As [`Tensor::reshape`], for a rank that is not known at compile time.
    ///
    /// # Errors
    /// As [`Tensor::reshape`].
    pub fn reshape_to(&self, shape: &[isize]) -> Result<Tensor> {
        let wrong = |reason: &str| Error::argument("reshape", format!("{} → {shape:?}: {reason}", self.shape()));
        let known = shape.iter().filter(|&&n| n != -1).try_fold(1usize, |product, &n| {
            usize::try_from(n).ok().and_then(|n| product.checked_mul(n)).ok_or_else(|| wrong("no such size"))
        })?;
        let open = shape.iter().filter(|&&n| n == -1).count();
        let rest = match open {
            0 => 0,
            1 if known > 0 && self.size().is_multiple_of(known) => self.size() / known,
            1 => return Err(wrong("the open size would not be a whole number")),
            _ => return Err(wrong("only one size may be -1")),
        };
        let shape: Shape = shape.iter().map(|&n| if n == -1 { rest } else { n as usize }).collect();
        apply(Movement::Reshape { shape }, &[self])
    }

    /// This tensor under a given shape of the same size.
    ///
    /// # Errors
    /// If the sizes' product is not the number of elements.
    pub fn with_shape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        apply(Movement::Reshape { shape: shape.into() }, &[self])
    }

    /// The matrix with its last two axes exchanged; a view.
    ///
    /// # Errors
    /// If the rank is below 2.
    pub fn t(&self) -> Result<Tensor> {
        if self.rank() < 2 {
            return Err(Error::shape("transpose", self.shape(), "needs at least two axes"));
        }
        self.transpose(-1, -2)
    }

    /// Two axes exchanged; a view.
    ///
    /// # Errors
    /// If an axis is out of range.
    pub fn transpose(&self, first: isize, second: isize) -> Result<Tensor> {
        let mut order: Axes = (0..self.rank()).collect();
        let first = normalize_axis(first, self.rank(), "transpose")?;
        let second = normalize_axis(second, self.rank(), "transpose")?;
        order.swap(first, second);
        apply(Movement::Permute { order }, &[self])
    }

    /// Axes in a new order: axis `k` of the result is axis `order[k]` of this tensor; a view.
    ///
    /// # Errors
    /// If `order` does not name each axis once.
    pub fn permute(&self, order: &[isize]) -> Result<Tensor> {
        let order = order.iter().map(|&axis| normalize_axis(axis, self.rank(), "permute")).collect::<Result<Axes>>()?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.rank()) {
            let message = format!("{order:?} does not name each of the {} axes once", self.rank());
            return Err(Error::argument("permute", message));
        }
        apply(Movement::Permute { order }, &[self])
    }

    /// The elements in opposite order along the given axes; a view.
    ///
    /// # Errors
    /// If an axis is out of range.
    pub fn flip(&self, axes: impl IntoAxes) -> Result<Tensor> {
        let axes = axes.into_axes(self.rank(), "flip")?;
        let mut ranges = whole(self.shape());
        for axis in axes {
            let count = ranges[axis].count;
            ranges[axis] = Range { start: count.saturating_sub(1), count, step: -1 };
        }
        apply(Movement::Slice { ranges }, &[self])
    }

    /// Repetition by NumPy's broadcasting: along axes of size 1 and new leading ones; a view.
    ///
    /// # Errors
    /// If the shapes do not allow it.
    pub fn expand(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        apply(Movement::Expand { shape: shape.into() }, &[self])
    }

    /// Positions cut out along the leading axes; a view.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    /// assert_eq!(x.slice(1..)?.to_vec::<f32>()?, [4.0, 5.0, 6.0]);
    /// assert_eq!(x.slice((.., (None, None, -2)))?.to_vec::<f32>()?, [3.0, 1.0, 6.0, 4.0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a position is out of range or there are more ranges than axes.
    pub fn slice(&self, ranges: impl IntoRanges) -> Result<Tensor> {
        let ranges = ranges.into_ranges(self.shape())?;
        apply(Movement::Slice { ranges }, &[self])
    }

    /// Tensors one after the other along an axis; all other sizes must be equal.
    ///
    /// # Errors
    /// If there is no tensor, or shapes or types do not suit.
    pub fn concat(parts: &[&Tensor], axis: isize) -> Result<Tensor> {
        let rank = parts.first().map_or(1, |part| part.rank());
        let axis = normalize_axis(axis, rank, "concat")?;
        apply(Movement::Concat { axis }, parts)
    }

    /// An axis of size 1 inserted before `axis` (which counts the axes of the result); a view.
    ///
    /// # Errors
    /// If the axis is out of range.
    pub fn expand_dims(&self, axis: isize) -> Result<Tensor> {
        let axis = normalize_axis(axis, self.rank() + 1, "expand_dims")?;
        self.with_shape(self.shape().inserted(axis, 1))
    }

    /// The given axes, which must have size 1, taken out; `..` takes out all that have it.
    ///
    /// # Errors
    /// If an axis is out of range or has another size than 1.
    pub fn squeeze(&self, axes: impl IntoAxes) -> Result<Tensor> {
        let axes = axes.into_axes(self.rank(), "squeeze")?;
        let all = axes.len() == self.rank();
        if let Some(axis) = axes.iter().find(|&&axis| !all && self.shape()[axis] != 1) {
            return Err(Error::shape("squeeze", self.shape(), format!("axis {axis} has not size 1")));
        }
        let axes: Axes = axes.into_iter().filter(|&axis| self.shape()[axis] == 1).collect();
        self.with_shape(self.shape().reduced(&axes, false))
    }
}
