//! Where the windows of a convolution lie over its source, and blocks of the source in which no
//! window reaches beyond the edge.

use std::ops::Range;

use smallvec::SmallVec;

use crate::dtype::Element;
use crate::storage::Buffer;

/// Some of the outputs along one axis, equally far apart, and the source elements of each: those of
/// output `first + j · every` lie at `origin + j · step + t · spread` for `t` below `taps`. Indices
/// beyond the source stand for zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) first: usize,
    pub(crate) every: usize,
    pub(crate) origin: isize,
    pub(crate) step: usize,
    pub(crate) taps: usize,
    pub(crate) spread: usize,
    /// The place in the kernel that belongs to the first tap, and from one to the next.
    pub(crate) place: isize,
    pub(crate) place_step: isize,
}

/// A convolution along one axis, as [`Axis::new`] has checked it: no place that a window reaches to overflows `isize`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) before: usize,
}

/// The lines of an axis; one for a convolution, one for each remainder by the stride backwards.
pub(crate) type Lines = SmallVec<[Line; 2]>;

impl Axis {
    /// The axis for which an operation gives these sizes and options; `None` if the windows do not fit into the padded
    /// input, or a size overflows. The one place where options of a convolution are checked.
    pub(crate) fn new(
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: (usize, usize),
    ) -> Option<Axis> {
        let output = windows_along(input, kernel, stride, dilation, padding)?;
        // The distance from one window (or place) to the next means nothing if there is only one: it is cut down so that
        // products with it are not larger than the padded input.
        let dilation = if kernel == 1 { 1 } else { dilation };
        let reach = (kernel - 1).checked_mul(dilation)?.checked_add(1)?;
        let stride = if output == 1 { stride.min(reach) } else { stride };
        Some(Axis { input, output, kernel, stride, dilation, before: padding.0 })
    }

    /// The windows over the input.
    pub(crate) fn forward(&self) -> Line {
        Line {
            first: 0,
            every: 1,
            origin: -(self.before as isize),
            step: self.stride,
            taps: self.kernel,
            spread: self.dilation,
            place: 0,
            place_step: 1,
        }
    }

    /// The windows over the output that each input contributed to: input `i` met output `o` at place
    /// `t` of the kernel where `i = o · stride + t · dilation - before`. The places that suit one
    /// remainder of `i` by the stride are equally far apart.
    pub(crate) fn backward(&self) -> Lines {
        let Axis { kernel, stride, dilation, before, .. } = *self;
        // With a stride beyond the input each line has one input, so the distance to the next one is not used.
        let every = stride.min(self.input.max(1));
        let common = gcd(stride, dilation);
        let period = stride / common;
        let line = |first: usize| {
            let suits = |place: &usize| (first + before) % stride == place * dilation % stride;
            let Some(least) = (0..period.min(kernel)).find(suits) else {
                return Line { first, every, origin: 0, step: 1, taps: 0, spread: 1, place: 0, place_step: 0 };
            };
            let taps = (kernel - 1 - least) / period + 1;
            let last = least + (taps - 1) * period;
            Line {
                first,
                every,
                origin: ((first + before) as isize - (last * dilation) as isize) / stride as isize,
                step: 1,
                taps,
                spread: if taps == 1 { 1 } else { dilation / common },
                place: last as isize,
                place_step: -(period as isize),
            }
        };
        (0..every.min(self.input)).map(line).collect()
    }
}

/// The number of windows of `kernel` elements along an axis of `input` elements; `None` if there is none, or the sizes
/// are larger than an index can be.
pub(crate) fn windows_along(
    input: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: (usize, usize),
) -> Option<usize> {
    let padded = input.checked_add(padding.0)?.checked_add(padding.1)?;
    let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    // Indices into the padded image are signed.
    let room = isize::try_from(padded).ok()?.checked_sub(isize::try_from(reach).ok()?)?;
    usize::try_from(room).ok()?.checked_div(stride)?.checked_add(1)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Line {
    /// The numbers `j` of the outputs that lie in a range.
    pub(crate) fn within(&self, outputs: &Range<usize>) -> Range<usize> {
        let number = |output: usize| output.saturating_sub(self.first).div_ceil(self.every);
        number(outputs.start)..number(outputs.end)
    }

    /// The place in the kernel of a tap.
    pub(crate) fn place_of(&self, tap: usize) -> usize {
        (self.place + tap as isize * self.place_step) as usize
    }

    /// Where a tap of output number `j` lies in the source, or beyond it.
    pub(crate) fn source(&self, j: usize, tap: usize) -> isize {
        self.origin + (j * self.step + tap * self.spread) as isize
    }

    /// The taps of output number `j` that lie within a source of a size.
    pub(crate) fn inside(&self, j: usize, size: usize) -> Range<usize> {
        inside(self.source(j, 0), self.spread, size, self.taps)
    }

    /// The numbers, below `count`, of the outputs whose tap lies within a source of a size.
    pub(crate) fn meeting(&self, tap: usize, size: usize, count: usize) -> Range<usize> {
        inside(self.source(0, tap), self.step, size, count)
    }

    /// The source indices that the windows of these outputs reach over.
    fn reach(&self, outputs: &Range<usize>) -> Option<Range<isize>> {
        let numbers = self.within(outputs);
        if numbers.is_empty() || self.taps == 0 {
            return None;
        }
        let start = self.origin + (numbers.start * self.step) as isize;
        let last = self.origin + ((numbers.end - 1) * self.step + (self.taps - 1) * self.spread) as isize;
        Some(start..last + 1)
    }
}

/// Which of `count` places, `step` apart from the first on, lie below a size and not before 0.
fn inside(first: isize, step: usize, size: usize, count: usize) -> Range<usize> {
    let before = first.min(0).unsigned_abs().div_ceil(step).min(count);
    let within = (size as isize - first).max(0).unsigned_abs().div_ceil(step).min(count);
    before..within.max(before)
}

/// The source indices that the windows of a range of outputs reach over, on any of the lines.
fn reach(lines: &[Line], outputs: &Range<usize>) -> Range<isize> {
    let reaches = lines.iter().filter_map(|line| line.reach(outputs));
    reaches.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}

/// Elements up to which a padded copy is never too large, and how often it may have the elements of source and target.
const COPIED: (usize, usize) = (1 << 20, 32);

/// Whether the windows reach so far beyond the source, or lie so far apart, that copying what they reach over would take
/// far more memory than source and target do.
pub(super) fn are_sparse<T>(source: &Images<T>, lines: [&[Line]; 2], target: [usize; 2]) -> bool {
    let area = |[height, width]: [usize; 2]| height.saturating_mul(width).saturating_mul(source.channels);
    let copied = area([0, 1].map(|k| reach(lines[k], &(0..target[k])).len()));
    let (least, factor) = COPIED;
    copied > area(source.size).saturating_add(area(target)).saturating_mul(factor).max(least)
}

/// Images in row-major order, `[…, height, width, channels]`.
#[derive(Clone, Copy)]
pub(crate) struct Images<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) size: [usize; 2],
    pub(crate) channels: usize,
}

impl<'a, T> Images<'a, T> {
    /// One of them.
    pub(crate) fn image(&self, number: usize) -> Self {
        let length = self.size[0] * self.size[1] * self.channels;
        Images { data: &self.data[number * length..][..length], ..*self }
    }

    /// The channels at a row and a column of the first, which lie within it.
    pub(crate) fn element(&self, [row, column]: [isize; 2]) -> &'a [T] {
        &self.data[(row as usize * self.size[1] + column as usize) * self.channels..][..self.channels]
    }
}

/// The part of a source that the windows of a block of outputs reach over: the source itself where
/// no window of any block leaves it, else a copy with zeros around.
pub(crate) enum InputRegion<'a, T> {
    Part(&'a [T], Frame),
    Copy(Buffer, Frame),
}

/// How the elements of a block lie: row and column of its first element, and what is between rows
/// and between images.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    corner: [isize; 2],
    row: usize,
    image: usize,
    channels: usize,
}

impl Frame {
    /// Where the windows of output number `j` of a line along the height and of the first along the
    /// width start.
    pub(crate) fn start(&self, image: usize, line: [&Line; 2], j: usize) -> usize {
        let y = line[0].origin + (j * line[0].step) as isize - self.corner[0];
        let x = line[1].origin - self.corner[1];
        image * self.image + y as usize * self.row + x as usize * self.channels
    }

    /// From the start of a window to a tap of it.
    pub(crate) fn tap(&self, line: [&Line; 2], [y, x]: [usize; 2]) -> usize {
        y * line[0].spread * self.row + x * line[1].spread * self.channels
    }

    /// From one window to the next along the width.
    pub(crate) fn step(&self, line: &Line) -> usize {
        line.step * self.channels
    }
}

impl<'a, T: Element> InputRegion<'a, T> {
    /// The block for the outputs `rows` of some images, all columns of them, where `outputs` is the
    /// size of the whole output.
    pub(crate) fn new(
        source: &Images<'a, T>,
        lines: [&[Line]; 2],
        outputs: [usize; 2],
        images: Range<usize>,
        rows: Range<usize>,
    ) -> Self {
        let Images { data, size: [height, width], channels } = *source;
        let inside = |lines: &[Line], outputs: usize, size: usize| {
            let reach = reach(lines, &(0..outputs));
            reach.start >= 0 && reach.end <= size as isize
        };
        if inside(lines[0], outputs[0], height) && inside(lines[1], outputs[1], width) {
            let frame = Frame { corner: [0, 0], row: width * channels, image: height * width * channels, channels };
            return InputRegion::Part(&data[images.start * frame.image..images.end * frame.image], frame);
        }
        let (ys, xs) = (reach(lines[0], &rows), reach(lines[1], &(0..outputs[1])));
        let row = xs.len() * channels;
        let frame = Frame { corner: [ys.start, xs.start], row, image: ys.len() * row, channels };
        let mut copy = Buffer::new::<T>(images.len() * frame.image);
        // The columns of the source that lie in the block, and how many columns of zeros are before.
        let columns = xs.start.clamp(0, width as isize) as usize..xs.end.clamp(0, width as isize) as usize;
        let before = (columns.start as isize - xs.start).clamp(0, xs.len() as isize) as usize * channels;
        let after = before + columns.len() * channels;
        let slots = images.flat_map(|image| ys.clone().map(move |y| (image, y)));
        for ((image, y), out) in slots.zip(copy.as_mut_slice::<T>().chunks_mut(row.max(1))) {
            if !(0..height as isize).contains(&y) {
                out.fill(T::default());
                continue;
            }
            let start = ((image * height + y as usize) * width + columns.start) * channels;
            out[..before].fill(T::default());
            out[before..after].copy_from_slice(&data[start..start + columns.len() * channels]);
            out[after..].fill(T::default());
        }
        InputRegion::Copy(copy, frame)
    }

    /// The elements and how they lie.
    pub(crate) fn parts(&self) -> (&[T], Frame) {
        match self {
            InputRegion::Part(data, frame) => (data, *frame),
            InputRegion::Copy(buffer, frame) => (buffer.as_slice(), *frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of `backward` names the pairs of output and place that `forward` does.
    #[test]
    fn backward_lines_turn_the_pairs_of_forward_around() {
        for (stride, dilation, kernel, before) in
            [(1, 1, 3, 1), (2, 1, 3, 1), (3, 2, 4, 0), (2, 2, 3, 3), (4, 6, 5, 2), (5, 1, 2, 7), (1, 3, 2, 0)]
        {
            let (input, output) = (17, 9);
            let axis = Axis { input, output, kernel, stride, dilation, before };
            let line = axis.forward();
            for t in 0..kernel {
                let inside = (0..output).filter(|&o| line.inside(o, input).contains(&t));
                assert_eq!(line.meeting(t, input, output).collect::<Vec<_>>(), inside.collect::<Vec<_>>());
            }
            let mut pairs = Vec::new();
            for (o, t) in (0..output).flat_map(|o| (0..kernel).map(move |t| (o, t))) {
                let i = line.origin + (o * line.step + t * line.spread) as isize;
                if (0..input as isize).contains(&i) {
                    pairs.push((i as usize, o, line.place_of(t)));
                }
            }
            let mut turned = Vec::new();
            for line in axis.backward() {
                for (j, t) in line.within(&(0..input)).flat_map(|j| (0..line.taps).map(move |t| (j, t))) {
                    let o = line.origin + (j * line.step + t * line.spread) as isize;
                    if (0..output as isize).contains(&o) {
                        turned.push((line.first + j * line.every, o as usize, line.place_of(t)));
                    }
                }
            }
            pairs.sort_unstable();
            turned.sort_unstable();
            assert_eq!(turned, pairs, "stride {stride}, dilation {dilation}, kernel {kernel}, padding {before}");
        }
    }
}
