//! Ranges of positions along axes: the form that operations store, and the forms that users write.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::shape::{Shape, Strides};
use crate::tensor::Tensor;

/// Positions along one axis: `count` positions from `start` in steps of `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first position.
    pub start: usize,
    /// The number of positions.
    pub count: usize,
    /// The distance between neighbours, not 0.
    pub step: isize,
}

impl Range {
    /// Checks that all positions lie on an axis of `size`. Sets the step of ranges with fewer than two positions to 1,
    /// because an arbitrary step could overflow the strides.
    #[track_caller]
    fn checked(self, size: usize, operation: &str) -> Result<Range> {
        let Range { start, count, step } = self;
        if step == 0 {
            return Err(Error::argument(operation, "the step must not be 0"));
        }
        if count == 0 {
            return Ok(Range { start: 0, count, step: 1 });
        }
        let last = start as i128 + step as i128 * (count as i128 - 1);
        match [start as i128, last].into_iter().find(|position| !(0..size as i128).contains(position)) {
            Some(outside) => {
                let nearest = outside.clamp(i64::MIN.into(), i64::MAX.into());
                Err(Error::index(operation, nearest as i64, size))
            }
            None => Ok(Range { step: if count == 1 { 1 } else { step }, ..self }),
        }
    }
}

/// Checks that there is one range for each axis of `shape` and that it lies on the axis.
pub(super) fn checked(ranges: &[Range], shape: &Shape, operation: &str) -> Result<Vec<Range>> {
    if ranges.len() != shape.rank() {
        return Err(Error::shape(operation, shape, format!("needs {} ranges, not {}", shape.rank(), ranges.len())));
    }
    ranges.iter().zip(shape.iter()).map(|(range, &size)| range.checked(size, operation)).collect()
}

/// All positions along each axis.
pub(super) fn whole(shape: &Shape) -> Vec<Range> {
    shape.iter().map(|&count| Range { start: 0, count, step: 1 }).collect()
}

/// A view of `x` at the positions `ranges`.
pub(super) fn cut(x: &Tensor, ranges: &[Range]) -> Tensor {
    let shape = ranges.iter().map(|range| range.count).collect();
    let (offset, strides) = sliced(x.strides(), x.offset(), ranges);
    x.with_layout(Layout::new(shape, strides, offset))
}

/// The offset and the strides of a slice.
pub(super) fn sliced(strides: &Strides, offset: usize, ranges: &[Range]) -> (usize, Strides) {
    let empty = ranges.iter().any(|range| range.count == 0);
    let shift: isize = strides.iter().zip(ranges).map(|(stride, range)| stride * range.start as isize).sum();
    let offset = if empty { 0 } else { (offset as isize + shift) as usize };
    (offset, strides.iter().zip(ranges).map(|(stride, range)| stride * range.step).collect())
}

/// Positions along one axis: `0..128`, `..`, `-1..` (counted from the end), or `(start, end, step)` as in Python's
/// slices, with `None` for an open end.
pub trait IntoRange {
    /// The positions along an axis of `size`.
    ///
    /// # Errors
    /// Returns an error if a position is out of range or the step is 0.
    #[track_caller]
    fn into_range(self, size: usize) -> Result<Range>;
}

/// Positions along the leading axes: one range, or a tuple of up to four.
pub trait IntoRanges {
    /// The positions along each axis of `shape`. Axes without a range are taken whole.
    ///
    /// # Errors
    /// Returns an error if a position is out of range, a step is 0, or there are more ranges than axes.
    #[track_caller]
    fn into_ranges(self, shape: &Shape) -> Result<Vec<Range>>;
}

/// A bound, which counts from the end if negative. It must lie in `0..=size`.
#[track_caller]
fn bound(position: i128, size: usize) -> Result<usize> {
    let index = if position < 0 { position + size as i128 } else { position };
    if (0..=size as i128).contains(&index) {
        return Ok(index as usize);
    }
    let message =
        format!("position {position} is out of range for an axis of size {size}, whose ends are 0 and {size}");
    Err(Error::argument("slice", message))
}

/// A range between two bounds; empty if the end lies before the start.
#[track_caller]
fn between(start: Option<i128>, end: Option<i128>, size: usize) -> Result<Range> {
    let start = bound(start.unwrap_or(0), size)?;
    let end = match end {
        Some(end) => bound(end, size)?,
        None => size,
    };
    Ok(Range { start, count: end.saturating_sub(start), step: 1 })
}

macro_rules! std_ranges {
    ($($integer:ty),*) => {$(
        impl IntoRange for std::ops::Range<$integer> {
            #[track_caller]
            fn into_range(self, size: usize) -> Result<Range> {
                between(Some(self.start as i128), Some(self.end as i128), size)
            }
        }

        impl IntoRange for std::ops::RangeFrom<$integer> {
            #[track_caller]
            fn into_range(self, size: usize) -> Result<Range> {
                between(Some(self.start as i128), None, size)
            }
        }

        impl IntoRange for std::ops::RangeTo<$integer> {
            #[track_caller]
            fn into_range(self, size: usize) -> Result<Range> {
                between(None, Some(self.end as i128), size)
            }
        }
    )*};
}

// `i32` is the default type of integer literals.
std_ranges!(i32, i64, isize, usize);

impl IntoRange for std::ops::RangeFull {
    #[track_caller]
    fn into_range(self, size: usize) -> Result<Range> {
        between(None, None, size)
    }
}

/// Python's `start:end:step`. As in Python, bounds are clamped to the axis.
impl IntoRange for (Option<isize>, Option<isize>, isize) {
    #[track_caller]
    fn into_range(self, size: usize) -> Result<Range> {
        let (start, end, step) = self;
        let (n, wide) = (size as i128, step as i128);
        let (least, greatest) = if step >= 0 { (0, n) } else { (-1, n - 1) };
        let place = |position: isize| {
            let position = position as i128;
            (if position < 0 { position + n } else { position }).clamp(least, greatest)
        };
        let start = start.map_or(if step >= 0 { 0 } else { n - 1 }, place);
        let end = end.map_or(if step >= 0 { n } else { -1 }, place);
        let count = (end - start + wide - wide.signum()).checked_div(wide).map_or(0, |count| count.max(0) as usize);
        Range { start: if count == 0 { 0 } else { start as usize }, count, step }.checked(size, "slice")
    }
}

impl IntoRange for Range {
    #[track_caller]
    fn into_range(self, size: usize) -> Result<Range> {
        self.checked(size, "slice")
    }
}

impl<R: IntoRange> IntoRanges for R {
    #[track_caller]
    fn into_ranges(self, shape: &Shape) -> Result<Vec<Range>> {
        (self,).into_ranges(shape)
    }
}

macro_rules! range_tuples {
    ($($count:literal: $($name:ident)+;)*) => {$(
        impl<$($name: IntoRange),+> IntoRanges for ($($name,)+) {
            #[allow(non_snake_case)]
            #[track_caller]
            fn into_ranges(self, shape: &Shape) -> Result<Vec<Range>> {
                if shape.rank() < $count {
                    return Err(Error::shape("slice", shape, concat!("has fewer axes than the ", $count, " ranges")));
                }
                let ($($name,)+) = self;
                let mut ranges = whole(shape);
                let mut places = ranges.iter_mut();
                $(
                    if let Some(range) = places.next() {
                        *range = $name.into_range(range.count)?;
                    }
                )+
                Ok(ranges)
            }
        }
    )*};
}

range_tuples! { 1: A; 2: A B; 3: A B C; 4: A B C D; }
