//! The positions of a convolution's windows in its source, and regions of the source, zero-padded if necessary, that no
//! window leaves.

use std::ops::Range;

use smallvec::SmallVec;

use crate::dtype::Element;
use crate::storage::Buffer;

/// Some equally spaced outputs along one axis, and the source elements of each: those of output `first + j · every` are
/// at `origin + j · step + t · spread` for `t < taps`. Indices outside the source stand for zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) first: usize,
    pub(crate) every: usize,
    pub(crate) origin: isize,
    pub(crate) step: usize,
    pub(crate) taps: usize,
    pub(crate) spread: usize,
    /// The place in the kernel of the first tap, and the step from one tap to the next.
    pub(crate) place: isize,
    pub(crate) place_step: isize,
}

/// A convolution along one axis. [`Axis::new`] has checked that no index in a window overflows `isize`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) before: usize,
}

/// The lines of an axis: one for the forward pass, one for each remainder modulo the stride for the backward pass.
pub(crate) type Lines = SmallVec<[Line; 2]>;

impl Axis {
    /// The axis with these sizes and options; `None` if the windows do not fit into the padded input, or a size
    /// overflows. All options of convolutions are checked here.
    pub(crate) fn new(
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: (usize, usize),
    ) -> Option<Axis> {
        let output = windows_along(input, kernel, stride, dilation, padding)?;
        // The distance between windows (or places) is irrelevant if there is only one. It is reduced, so products with
        // it do not exceed the padded input.
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

    /// The windows over the output to which each input contributed: input `i` met output `o` at place `t` of the kernel
    /// if `i = o · stride + t · dilation - before`. For one remainder of `i` modulo the stride, the places are equally
    /// spaced.
    pub(crate) fn backward(&self) -> Lines {
        let Axis { kernel, stride, dilation, before, .. } = *self;
        // If the stride exceeds the input, each line has one input, and the distance to the next one is not used.
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

/// The number of windows of `kernel` elements along an axis of `input` elements; `None` if none fits, or if the sizes
/// overflow an index.
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

    /// The index in the source of a tap of output number `j`; it may lie outside.
    pub(crate) fn source(&self, j: usize, tap: usize) -> isize {
        self.origin + (j * self.step + tap * self.spread) as isize
    }

    /// The taps of output number `j` that lie within a source of `size` elements.
    pub(crate) fn inside(&self, j: usize, size: usize) -> Range<usize> {
        inside(self.source(j, 0), self.spread, size, self.taps)
    }

    /// The numbers below `count` of the outputs whose tap lies within a source of `size` elements.
    pub(crate) fn meeting(&self, tap: usize, size: usize, count: usize) -> Range<usize> {
        inside(self.source(0, tap), self.step, size, count)
    }

    /// The source indices that the windows of these outputs cover.
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

/// Which of the `count` indices `first + k · step` lie in `0..size`.
fn inside(first: isize, step: usize, size: usize, count: usize) -> Range<usize> {
    let before = first.min(0).unsigned_abs().div_ceil(step).min(count);
    let within = (size as isize - first).max(0).unsigned_abs().div_ceil(step).min(count);
    before..within.max(before)
}

/// The source indices that the windows of a range of outputs cover, on any of the lines.
fn reach(lines: &[Line], outputs: &Range<usize>) -> Range<isize> {
    let reaches = lines.iter().filter_map(|line| line.reach(outputs));
    reaches.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}

/// A padded copy may always have this many elements; beyond that, at most this many times those of source and target.
const COPIED: (usize, usize) = (1 << 20, 32);

/// Whether the windows reach so far beyond the source, or lie so far apart, that a copy of all that they cover would
/// take far more memory than source and target.
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
    /// The image with this number.
    pub(crate) fn image(&self, number: usize) -> Self {
        let length = self.size[0] * self.size[1] * self.channels;
        Images { data: &self.data[number * length..][..length], ..*self }
    }

    /// The channels at a row and a column of the first image, which must exist.
    pub(crate) fn element(&self, [row, column]: [isize; 2]) -> &'a [T] {
        &self.data[(row as usize * self.size[1] + column as usize) * self.channels..][..self.channels]
    }
}

/// The part of a source that the windows of a block of outputs cover: a slice of the source if no window of any block
/// leaves it, otherwise a zero-padded copy.
pub(crate) enum InputRegion<'a, T> {
    Part(&'a [T], Frame),
    Copy(Buffer, Frame),
}

/// The layout of a region: row and column of its first element, and the strides between rows and between images.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    corner: [isize; 2],
    row: usize,
    image: usize,
    channels: usize,
}

impl Frame {
    /// The start of the window of output number `j` of a line along the height and of the first output along the width.
    pub(crate) fn start(&self, image: usize, line: [&Line; 2], j: usize) -> usize {
        let y = line[0].origin + (j * line[0].step) as isize - self.corner[0];
        let x = line[1].origin - self.corner[1];
        image * self.image + y as usize * self.row + x as usize * self.channels
    }

    /// The offset of a tap from the start of its window.
    pub(crate) fn tap(&self, line: [&Line; 2], [y, x]: [usize; 2]) -> usize {
        y * line[0].spread * self.row + x * line[1].spread * self.channels
    }

    /// The distance between windows along the width.
    pub(crate) fn step(&self, line: &Line) -> usize {
        line.step * self.channels
    }
}

impl<'a, T: Element> InputRegion<'a, T> {
    /// The region for the output rows `rows` of some images, in all columns; `outputs` is the size of the whole output.
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
        // The columns of the source that lie in the region, and the number of zeros before them.
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

    /// The elements and their layout.
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

    /// The lines of `backward` have the same pairs of output and place as that of `forward`.
    #[test]
    fn backward_lines_have_the_pairs_of_the_forward_line() {
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
