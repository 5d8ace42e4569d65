//! Operations that move, repeat, select or join elements without computing.

use crate::dtype::{Element, with_dtype};
use crate::error::{Error, Result};
use crate::kernels::loop_nest::LoopNest;
use crate::operand::Number;
use crate::ops::apply::apply;
use crate::ops::checks::{check_axis, operands, same_dtype};
use crate::ops::range::{self, IntoRanges, Range, cut, sliced, whole};
use crate::shape::{Axes, Integer, IntoAxes, IntoShape, Shape, normalize_axis};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// An operation that moves elements.
#[derive(Clone, Debug, PartialEq)]
pub enum Movement {
    /// The same elements in row-major order with another shape.
    Reshape {
        /// The new shape, of the same size.
        shape: Shape,
    },
    /// Axes in another order.
    Permute {
        /// For each axis of the result, the axis of the operand.
        order: Axes,
    },
    /// Broadcasting along axes of size 1 and new leading axes.
    Expand {
        /// The shape to broadcast to.
        shape: Shape,
    },
    /// A slice: positions along each axis.
    Slice {
        /// One range for each axis.
        ranges: Vec<Range>,
    },
    /// The adjoint of a slice: zeros with the operand at the positions of the slice.
    SliceBackward {
        /// The shape of the result.
        shape: Shape,
        /// The positions of the operand's elements.
        ranges: Vec<Range>,
    },
    /// Concatenation of the operands along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// The operand with a margin of a constant value.
    Pad {
        /// For each axis, the number of elements before and after.
        pads: Vec<(usize, usize)>,
        /// The value of the margin.
        value: f64,
    },
    /// Sets the elements of the matrices in the last two axes to zero outside a band. The band contains the elements in
    /// row `i` and column `j` with `lower ≤ j - i ≤ upper`.
    BandPart {
        /// The lowest diagonal of the band; `None` for no lower limit.
        lower: Option<isize>,
        /// The highest diagonal of the band; `None` for no upper limit.
        upper: Option<isize>,
    },
}

names! { Movement:
    Movement::Reshape { .. } => "reshape",
    Movement::Permute { .. } => "permute",
    Movement::Expand { .. } => "expand",
    Movement::Slice { .. } => "slice",
    Movement::SliceBackward { .. } => "slice_backward",
    Movement::Concat { .. } => "concat",
    Movement::Pad { .. } => "pad",
    Movement::BandPart { .. } => "band_part",
}

impl Movement {
    pub(crate) fn flops(&self, _: &[&Tensor], _: &[Tensor]) -> u64 {
        0
    }

    pub(super) fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let one = || operands(inputs, self.name()).map(|[x]| x);
        match self {
            Movement::Concat { axis } => concat(inputs, *axis),
            Movement::Reshape { shape } => {
                let x = one()?;
                if shape.checked_size("reshape")? != x.size() {
                    let message =
                        format!("{} → {shape}: {} elements cannot become {}", x.shape(), x.size(), shape.size());
                    return Err(Error::argument("reshape", message));
                }
                Ok(x.reshaped(shape.clone()))
            }
            Movement::Permute { order } => {
                let x = one()?;
                let mut sorted = order.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..x.rank()) {
                    let message = format!("needs each of the axes of {} once, not {:?}", x.shape(), &order[..]);
                    return Err(Error::argument("permute", message));
                }
                Ok(x.with_layout(x.layout().permuted(order)))
            }
            Movement::Expand { shape } => {
                let x = one()?;
                shape.checked_size("expand")?;
                let layout = x.layout().broadcast(shape).ok_or_else(|| {
                    let message = format!(
                        "{} does not broadcast to {shape}: only axes of size 1 and new leading axes can grow",
                        x.shape()
                    );
                    Error::argument("expand", message)
                })?;
                Ok(x.with_layout(layout))
            }
            Movement::Slice { ranges } => {
                let x = one()?;
                Ok(cut(x, &range::checked(ranges, x.shape(), "slice")?))
            }
            Movement::SliceBackward { shape, ranges } => {
                let x = one()?;
                shape.checked_size("slice_backward")?;
                let ranges = range::checked(ranges, shape, "slice_backward")?;
                if !ranges.iter().map(|range| range.count).eq(x.shape().iter().copied()) {
                    let counts: Shape = ranges.iter().map(|range| range.count).collect();
                    return Err(Error::shape(
                        "slice_backward",
                        x.shape(),
                        format!("the ranges select the shape {counts}"),
                    ));
                }
                Ok(with_dtype!(x.dtype(), T => put::<T>(x, shape, &ranges, T::default())))
            }
            Movement::Pad { pads, value } => {
                let x = one()?;
                let (shape, ranges) = padded(x.shape(), pads)?;
                let value = Number::Float(*value).to_tensor(x.dtype(), "pad")?;
                Ok(with_dtype!(x.dtype(), T => put::<T>(x, &shape, &ranges, value.first())))
            }
            Movement::BandPart { lower, upper } => {
                let x = one()?;
                if x.rank() < 2 {
                    return Err(Error::shape("band_part", x.shape(), "needs at least two axes"));
                }
                Ok(with_dtype!(x.dtype(), T => band_part::<T>(x, *lower, *upper)))
            }
        }
    }
}

/// A tensor of `shape` with `x` at the positions `ranges` and `value` elsewhere.
fn put<T: Element>(x: &Tensor, shape: &Shape, ranges: &[Range], value: T) -> Tensor {
    let mut buffer = Buffer::filled::<T>(shape.size(), value);
    scatter_slice::<T>(&mut buffer, shape, ranges, x);
    Tensor::from_buffer(buffer, shape.clone())
}

/// The shape of a padded tensor, and the positions of the operand in it.
fn padded(shape: &Shape, pads: &[(usize, usize)]) -> Result<(Shape, Vec<Range>)> {
    if pads.len() != shape.rank() {
        let message = format!("needs {} pairs of sizes, one for each axis, not {}", shape.rank(), pads.len());
        return Err(Error::shape("pad", shape, message));
    }
    let sizes =
        shape.iter().zip(pads).map(|(&size, &(before, after))| size.saturating_add(before).saturating_add(after));
    let padded: Shape = sizes.collect();
    padded.checked_size("pad")?;
    let ranges = shape.iter().zip(pads).map(|(&count, &(start, _))| Range { start, count, step: 1 });
    Ok((padded, ranges.collect()))
}

/// The elements of each matrix whose column minus row lies between the bounds, and zeros elsewhere.
fn band_part<T: Element>(x: &Tensor, lower: Option<isize>, upper: Option<isize>) -> Tensor {
    let mut out = x.clone();
    let values = out.as_mut_slice::<T>();
    let (rows, columns) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    // The column where the diagonal crosses the row, clamped to the matrix.
    let column =
        |row: usize, diagonal: isize| (row as isize).saturating_add(diagonal).clamp(0, columns as isize) as usize;
    for (k, row) in values.chunks_mut(columns.max(1)).enumerate() {
        let k = k % rows.max(1);
        let start = lower.map_or(0, |lower| column(k, lower));
        let end = upper.map_or(columns, |upper| column(k, upper.saturating_add(1)));
        row[..start].fill(T::default());
        row[end..].fill(T::default());
    }
    out
}

/// Writes the elements of `x` to the positions `ranges` of a row-major tensor of shape `shape`.
fn scatter_slice<T: Element>(buffer: &mut Buffer, shape: &Shape, ranges: &[Range], x: &Tensor) {
    let (offset, strides) = sliced(&shape.strides(), 0, ranges);
    let walk = LoopNest::new(x.shape(), [(&strides, offset), (x.strides(), x.offset())]);
    let (target, source) = (buffer.as_mut_slice::<T>(), x.typed::<T>().data);
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
    check_axis(axis, first.rank(), "concat")?;
    for part in parts {
        same_dtype(first, part, "concat")?;
        if part.rank() != first.rank() || part.shape().with(axis, 0) != first.shape().with(axis, 0) {
            let message = format!("{} and {} differ on another axis than {axis}", first.shape(), part.shape());
            return Err(Error::argument("concat", message));
        }
    }
    // If this saturates, `checked_size` returns an error.
    let size = parts.iter().fold(0usize, |size, part| size.saturating_add(part.shape()[axis]));
    let shape = first.shape().with(axis, size);
    shape.checked_size("concat")?;
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

impl Tensor {
    /// The same elements in row-major order with another shape. One size may be -1; it is computed from the others. A
    /// view if the strides allow it, else a copy.
    ///
    /// ```
    /// # use tensor::Tensor;
    /// let x = Tensor::zeros([4, 6]);
    /// let (rows, columns) = (x.shape()[0], x.shape()[1]);
    /// assert_eq!(x.reshape([2, -1])?.shape(), &[2, 12]);
    /// assert_eq!(x.reshape([rows * columns, 1])?.shape(), &[24, 1]);
    /// assert_eq!(x.reshape([rows as isize, 3, -1])?.shape(), &[4, 3, 2]);
    /// assert_eq!(x.slice((..1, ..1))?.reshape(())?.rank(), 0);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the product of the sizes is not the number of elements.
    #[track_caller]
    pub fn reshape(&self, shape: impl IntoShape) -> Result<Tensor> {
        let shape = shape.into_shape(self.shape())?;
        apply(Movement::Reshape { shape }, &[self])
    }

    /// Transposes the last two axes; a view.
    ///
    /// # Errors
    /// Returns an error if the rank is below 2.
    #[track_caller]
    pub fn t(&self) -> Result<Tensor> {
        if self.rank() < 2 {
            return Err(Error::shape("transpose", self.shape(), "needs at least two axes"));
        }
        self.transpose(-1, -2)
    }

    /// Swaps two axes; a view.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range.
    #[track_caller]
    pub fn transpose(&self, first: impl Integer, second: impl Integer) -> Result<Tensor> {
        let mut order: Axes = (0..self.rank()).collect();
        let first = normalize_axis(first, self.rank(), "transpose")?;
        let second = normalize_axis(second, self.rank(), "transpose")?;
        order.swap(first, second);
        apply(Movement::Permute { order }, &[self])
    }

    /// Permutes the axes; a view. `order` names each axis once, and negative axes count from the end.
    /// `x.permute([0, 3, 1, 2])` turns `[n, h, w, c]` into `[n, c, h, w]`.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range, missing, or named twice.
    #[track_caller]
    pub fn permute(&self, order: impl IntoAxes) -> Result<Tensor> {
        let order = order.into_axes(self.rank(), "permute")?;
        apply(Movement::Permute { order }, &[self])
    }

    /// The elements in row-major order as a vector, `[size]`; a view if the strides allow it.
    #[must_use]
    pub fn flatten(&self) -> Tensor {
        self.reshape([self.size()]).expect("the same number of elements")
    }

    /// Pads the tensor with `value`. `pads` gives the number of elements before and after for each axis. The padding
    /// has no gradient.
    ///
    /// # Errors
    /// Returns an error unless there is one pair for each axis and the element type can represent `value`.
    #[track_caller]
    pub fn pad(&self, pads: impl AsRef<[(usize, usize)]>, value: f64) -> Result<Tensor> {
        apply(Movement::Pad { pads: pads.as_ref().into(), value }, &[self])
    }

    /// The lower triangle of each matrix in the last two axes, with zeros above diagonal `k` (0 is the main diagonal, 1
    /// the one above it).
    ///
    /// # Errors
    /// Returns an error if the rank is below 2.
    #[track_caller]
    pub fn tril(&self, k: impl Integer) -> Result<Tensor> {
        apply(Movement::BandPart { lower: None, upper: Some(k.to_isize()) }, &[self])
    }

    /// The upper triangle of each matrix in the last two axes, with zeros below diagonal `k`.
    ///
    /// # Errors
    /// Returns an error if the rank is below 2.
    #[track_caller]
    pub fn triu(&self, k: impl Integer) -> Result<Tensor> {
        apply(Movement::BandPart { lower: Some(k.to_isize()), upper: None }, &[self])
    }

    /// Broadcasts to a shape by NumPy's rules, along axes of size 1 and new leading axes; a view.
    ///
    /// # Errors
    /// Returns an error if the tensor does not broadcast to the shape, or if the shape is larger than memory can
    /// address.
    #[track_caller]
    pub fn expand(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        apply(Movement::Expand { shape: shape.into() }, &[self])
    }

    /// Slices the tensor along its leading axes; a view.
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
    /// Returns an error if a position is out of range or there are more ranges than axes.
    #[track_caller]
    pub fn slice(&self, ranges: impl IntoRanges) -> Result<Tensor> {
        let ranges = ranges.into_ranges(self.shape())?;
        apply(Movement::Slice { ranges }, &[self])
    }

    /// Concatenates tensors along an axis. All other sizes must be equal.
    ///
    /// # Errors
    /// Returns an error if there is no tensor, if shapes or types do not match, or if the result is larger than memory
    /// can address.
    #[track_caller]
    pub fn concat(parts: &[&Tensor], axis: impl Integer) -> Result<Tensor> {
        let rank = parts.first().map_or(1, |part| part.rank());
        let axis = normalize_axis(axis, rank, "concat")?;
        apply(Movement::Concat { axis }, parts)
    }

    /// Inserts an axis of size 1; a view. `axis` is its index in the result.
    ///
    /// # Errors
    /// Returns an error if the axis is out of range.
    #[track_caller]
    pub fn expand_dims(&self, axis: impl Integer) -> Result<Tensor> {
        let axis = normalize_axis(axis, self.rank() + 1, "expand_dims")?;
        self.reshape(self.shape().inserted(axis, 1))
    }

    /// Removes the given axes, which must have size 1. `..` removes all axes of size 1.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or has another size than 1.
    #[track_caller]
    pub fn squeeze(&self, axes: impl IntoAxes) -> Result<Tensor> {
        let all = axes.is_all();
        let axes = axes.into_axes(self.rank(), "squeeze")?;
        if let Some(axis) = axes.iter().find(|&&axis| !all && self.shape()[axis] != 1) {
            let message = format!("axis {axis} has size {}, not 1", self.shape()[*axis]);
            return Err(Error::shape("squeeze", self.shape(), message));
        }
        let axes: Axes = axes.into_iter().filter(|&axis| self.shape()[axis] == 1).collect();
        self.reshape(self.shape().reduced(&axes, false))
    }
}
