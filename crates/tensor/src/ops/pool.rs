//! Pooling: maxima and averages over windows of images with channels last.

use smallvec::SmallVec;

use crate::dtype::{DType, with_float};
use crate::error::{Error, Result};
use crate::kernels::pool::{Pooling, Span, Spans};
use crate::kernels::windows::windows_along;
use crate::ops::apply::apply;
use crate::ops::checks::{operands, same_dtype};
use crate::ops::conv::{Padding, halved, reach, same_padding, sides};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The windows of a pooling along an axis of `n` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Evenly spaced windows of one size. Positions in the padding are ignored.
    Windows {
        /// The number of elements in a window.
        size: usize,
        /// The distance between neighbouring windows.
        stride: usize,
        /// The distance between neighbouring elements of a window.
        dilation: usize,
        /// The padding before and after the image.
        padding: (usize, usize),
    },
    /// A given number `m` of windows that cover the axis. Window `i` extends from `⌊i n / m⌋` up to but not including
    /// `⌈(i + 1) n / m⌉`.
    Adaptive(usize),
}

/// An operation over windows along height and width of `[images, height, width, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest element of each window; NaN if the window contains NaN.
    Max([Cells; 2]),
    /// The gradient of `x` from `x` and the gradient of [`Pool::Max`]. The first (in row-major order) of equal maxima
    /// gets it.
    MaxInput([Cells; 2]),
    /// From `x` and another tensor of the same shape: the elements of the other tensor at the positions of the first
    /// maximum of each window of `x`.
    MaxPick([Cells; 2]),
    /// The average of each window.
    Average {
        /// The windows.
        cells: [Cells; 2],
        /// Whether to divide by the size of the window even if a part of it is padding.
        count_padding: bool,
    },
    /// The gradient of the operand of [`Pool::Average`], from the gradient of its result.
    AverageInput {
        /// The windows.
        cells: [Cells; 2],
        /// See [`Pool::Average`].
        count_padding: bool,
        /// Height and width of the operand of the average.
        size: [usize; 2],
    },
}

names! { Pool:
    Pool::Max(_) => "max_pool",
    Pool::MaxInput(_) => "max_pool_input",
    Pool::MaxPick(_) => "max_pool_pick",
    Pool::Average { .. } => "average_pool",
    Pool::AverageInput { .. } => "average_pool_input",
}

impl Cells {
    /// Checks the options and returns the number of windows over an axis of `input` elements.
    fn count(self, input: usize, side: &str) -> std::result::Result<usize, String> {
        let count = match self {
            Cells::Adaptive(_) if input == 0 => {
                return Err(format!("a {side} of 0 elements cannot be divided into cells"));
            }
            Cells::Adaptive(count) => count,
            Cells::Windows { size, stride, dilation, padding } => {
                for (option, value) in [("size", size), ("stride", stride), ("dilation", dilation)] {
                    if value == 0 {
                        return Err(format!("{option} 0: must be at least 1"));
                    }
                }
                let (before, after) = padding;
                windows_along(input, size, stride, dilation, padding).ok_or_else(|| {
                    format!(
                        "a window of {side} {size} with dilation {dilation} does not fit into {input} and padding \
                         {before} + {after}"
                    )
                })?
            }
        };
        // `spans` makes a list of the windows.
        match count <= isize::MAX as usize / (2 * size_of::<Span>()) {
            true => Ok(count),
            false => Err(format!("{count} windows along the {side} are more than memory can hold")),
        }
    }

    /// The list of the `count` windows over an axis of `input` elements.
    fn spans(self, input: usize, count: usize, count_padding: bool, side: &str) -> std::result::Result<Spans, String> {
        match self {
            Cells::Adaptive(_) => {
                // 128 bits hold the product of any two sizes.
                let wide = |k: usize| k as u128 * input as u128;
                let span = |k: usize| {
                    let start = (wide(k) / count as u128) as usize;
                    let count = wide(k + 1).div_ceil(count as u128) as usize - start;
                    Span { start, count, divisor: count }
                };
                Ok(Spans { input, step: 1, spans: (0..count).map(span).collect() })
            }
            Cells::Windows { size, stride, dilation, padding: (before, after) } => {
                // Positions do not overflow: they lie in the padded axis, whose size `count` has checked. With a single
                // element the dilation has no effect and may be arbitrarily large.
                let dilation = if size == 1 { 1 } else { dilation };
                let span = |output: usize| {
                    let first = output * stride;
                    let skipped = before.saturating_sub(first).div_ceil(dilation).min(size);
                    let start = first.saturating_add(skipped.saturating_mul(dilation)).saturating_sub(before);
                    let inside = input.saturating_sub(start).div_ceil(dilation).min(size - skipped);
                    let span = Span { start, count: inside, divisor: if count_padding { size } else { inside } };
                    (inside > 0).then_some(span)
                };
                let padding_alone = || {
                    format!(
                        "with {input} elements and padding {before} + {after} a window of {side} {size} lies \
                         entirely in the padding"
                    )
                };
                // Check the last window first: if there are too many windows to list, most lie in the padding.
                span(count - 1).ok_or_else(padding_alone)?;
                let mut spans = SmallVec::new();
                if spans.try_reserve_exact(count).is_err() {
                    return Err(format!("there is no memory for {count} windows along the {side}"));
                }
                for output in 0..count {
                    spans.push(span(output).ok_or_else(padding_alone)?);
                }
                Ok(Spans { input, step: dilation, spans })
            }
        }
    }
}

impl Pool {
    pub(crate) fn flops(self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
        // One for each element of each window; approximate for adaptive windows.
        let (large, small) = match self {
            Pool::Max(_) | Pool::Average { .. } => (inputs[0], &outputs[0]),
            Pool::MaxInput(_) | Pool::AverageInput { .. } => (&outputs[0], inputs[inputs.len() - 1]),
            Pool::MaxPick(_) => (inputs[0], &outputs[0]),
        };
        let (Pool::Max(cells)
        | Pool::MaxInput(cells)
        | Pool::MaxPick(cells)
        | Pool::Average { cells, .. }
        | Pool::AverageInput { cells, .. }) = self;
        let window = |axis: usize| match cells[axis] {
            Cells::Windows { size, .. } => size,
            Cells::Adaptive(count) => large.shape()[1 + axis].div_ceil(count.max(1)),
        };
        [window(0), window(1)].iter().fold(small.size() as u64, |flops, &window| flops.saturating_mul(window as u64))
    }

    pub(super) fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let name = self.name();
        let (first, second) = match self {
            Pool::Max(_) | Pool::Average { .. } | Pool::AverageInput { .. } => (operands::<1>(inputs, name)?[0], None),
            Pool::MaxInput(_) | Pool::MaxPick(_) => {
                let [x, other] = operands(inputs, name)?;
                same_dtype(x, other, name)?;
                (x, Some(other))
            }
        };
        let Ok([images, height, width, channels]) = <[usize; 4]>::try_from(&first.shape()[..]) else {
            return Err(Error::shape(name, first.shape(), "images must be [images, height, width, channels]"));
        };
        let (cells, count_padding, size) = match *self {
            Pool::Max(cells) | Pool::MaxInput(cells) | Pool::MaxPick(cells) => (cells, false, [height, width]),
            Pool::Average { cells, count_padding } => (cells, count_padding, [height, width]),
            Pool::AverageInput { cells, count_padding, size } => (cells, count_padding, size),
        };
        const SIDES: [&str; 2] = ["height", "width"];
        let wrong = |message: String| Error::shape(name, first.shape(), message);
        let count = |k: usize| cells[k].count(size[k], SIDES[k]).map_err(wrong);
        let counts = [count(0)?, count(1)?];
        let input = Shape::from([images, size[0], size[1], channels]);
        let output = Shape::from([images, counts[0], counts[1], channels]);
        input.checked_size(name)?;
        let outputs = output.checked_size(name)?;
        let check = |x: &Tensor, expected: &Shape| match x.shape() == expected {
            true => Ok(()),
            false => Err(Error::shape(name, x.shape(), format!("these windows need the shape {expected}"))),
        };
        let shape = match self {
            Pool::Max(_) | Pool::Average { .. } => output,
            Pool::MaxInput(_) => {
                check(inputs[1], &output)?;
                input
            }
            Pool::MaxPick(_) => {
                check(inputs[1], &input)?;
                output
            }
            Pool::AverageInput { .. } => {
                check(first, &output)?;
                input
            }
        };
        if outputs == 0 {
            // Without windows the result is empty or all gradients are 0.
            return match first.dtype().is_float() {
                true => Ok(Tensor::full_of(shape, 0.0, first.dtype())),
                false => Err(not_floating(name, first.dtype())),
            };
        }
        let spans = |k: usize| cells[k].spans(size[k], counts[k], count_padding, SIDES[k]).map_err(wrong);
        let pooling = Pooling { images, channels, axes: [spans(0)?, spans(1)?] };
        let buffer = with_float!(first.dtype(), T => {
            let (x, other) = (first.elements::<T>(), second.map(Tensor::elements::<T>));
            let other = other.as_deref().unwrap_or(&[]);
            match self {
                Pool::Max(_) => pooling.max(&x),
                Pool::MaxInput(_) => pooling.max_input(&x, other),
                Pool::MaxPick(_) => pooling.pick(&x, other),
                Pool::Average { .. } => pooling.average(&x),
                Pool::AverageInput { .. } => pooling.average_input(&x),
            }
        }, else return Err(not_floating(name, first.dtype())));
        Ok(Tensor::from_buffer(buffer, shape))
    }
}

fn not_floating(operation: &str, found: DType) -> Error {
    Error::dtype(operation, found, "a floating type; cast it first")
}

/// The options of a pooling along `N` axes.
///
/// ```
/// # use tensor::ops::PoolOptions;
/// let options = PoolOptions { stride: [1, 1], ..PoolOptions::new([3, 3]) };
/// assert_eq!(options.size, [3, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions<const N: usize> {
    /// The number of elements in a window.
    pub size: [usize; N],
    /// The distance between neighbouring windows.
    pub stride: [usize; N],
    /// The padding. Positions in it are not elements, so they are never a maximum.
    pub padding: Padding<N>,
    /// The distance between neighbouring elements of a window.
    pub dilation: [usize; N],
    /// Whether averages divide by the size of the window even if a part of it is padding. PyTorch does by default;
    /// Keras does not.
    pub count_padding: bool,
}

impl<const N: usize> PoolOptions<N> {
    /// Adjacent windows without overlap or padding: the stride equals the size.
    pub fn new(size: [usize; N]) -> Self {
        PoolOptions { size, stride: size, padding: Padding::Valid, dilation: [1; N], count_padding: false }
    }

    /// The windows along axis `k`, which has `input` elements.
    fn cells(&self, k: usize, input: usize) -> Cells {
        let (size, stride, dilation) = (self.size[k], self.stride[k], self.dilation[k]);
        let padding = match self.padding {
            Padding::Valid => (0, 0),
            Padding::Same => halved(same_padding(input, reach(size, dilation), stride)),
            Padding::Causal => (reach(size, dilation).saturating_sub(1), 0),
            Padding::Explicit(padding) => padding[k],
        };
        Cells::Windows { size, stride, dilation, padding }
    }
}

impl PoolOptions<2> {
    fn both(&self, x: &Tensor) -> [Cells; 2] {
        let sides = sides(x, 1);
        [0, 1].map(|k| self.cells(k, sides[k]))
    }
}

/// The windows for a sequence treated as an image of height 1.
fn flat(x: &Tensor, options: &PoolOptions<1>) -> [Cells; 2] {
    [Cells::Adaptive(1), options.cells(0, x.shape().get(1).copied().unwrap_or(0))]
}

impl Tensor {
    /// The largest element of each window of images `[images, height, width, channels]`:
    /// `[images, ⌊(height + padding - dilation · (size - 1) - 1) / stride⌋ + 1, …, channels]`. The first of equal
    /// maxima, in row-major order, gets the gradient.
    ///
    /// # Errors
    /// Returns an error if the windows do not fit, if one contains no element of the image, if size, stride or dilation
    /// is 0, if this tensor is not floating-point, or if there are more windows than memory can hold.
    #[track_caller]
    pub fn max_pool2d(&self, options: PoolOptions<2>) -> Result<Tensor> {
        apply(Pool::Max(options.both(self)), &[self])
    }

    /// The average of each window. Shapes are as for [`Tensor::max_pool2d`].
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::max_pool2d`].
    #[track_caller]
    pub fn average_pool2d(&self, options: PoolOptions<2>) -> Result<Tensor> {
        apply(Pool::Average { cells: options.both(self), count_padding: options.count_padding }, &[self])
    }

    /// [`Tensor::max_pool2d`] along the steps of `[sequences, steps, channels]`.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::max_pool2d`].
    #[track_caller]
    pub fn max_pool1d(&self, options: PoolOptions<1>) -> Result<Tensor> {
        apply(Pool::Max(flat(self, &options)), &[&self.expand_dims(1)?])?.squeeze(1)
    }

    /// [`Tensor::average_pool2d`] along the steps of `[sequences, steps, channels]`.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::max_pool2d`].
    #[track_caller]
    pub fn average_pool1d(&self, options: PoolOptions<1>) -> Result<Tensor> {
        let pool = Pool::Average { cells: flat(self, &options), count_padding: options.count_padding };
        apply(pool, &[&self.expand_dims(1)?])?.squeeze(1)
    }

    /// The largest element of each of `size` windows that cover an image of any size. Window `i` of `m` along an axis
    /// of `n` elements extends from `⌊i n / m⌋` up to but not including `⌈(i + 1) n / m⌉`. `[1, 1]` gives global
    /// pooling.
    ///
    /// # Errors
    /// Returns an error if the height or width is 0, if this tensor is not floating-point
    /// `[images, height, width, channels]`, or if there are more windows than memory can hold.
    #[track_caller]
    pub fn adaptive_max_pool2d(&self, size: [usize; 2]) -> Result<Tensor> {
        apply(Pool::Max(size.map(Cells::Adaptive)), &[self])
    }

    /// The average of each of `size` windows, which are as for [`Tensor::adaptive_max_pool2d`].
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::adaptive_max_pool2d`].
    #[track_caller]
    pub fn adaptive_average_pool2d(&self, size: [usize; 2]) -> Result<Tensor> {
        apply(Pool::Average { cells: size.map(Cells::Adaptive), count_padding: false }, &[self])
    }
}
