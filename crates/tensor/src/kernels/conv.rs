//! Convolutions: sums over the windows of an image, which are read in place (no im2col).
//!
//! With channels last, a row of a window is one contiguous run. A tile takes up to eight windows at a time and
//! multiplies the elements of their runs by rows of the kernel. The gradient of the kernel takes up to eight places of
//! the kernel at a time and multiplies runs along the image by rows of the gradient. `docs/notes/performance.md` has
//! the measurements behind this.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use crate::kernels::depthwise;
use crate::kernels::threads::for_chunks;
use crate::kernels::tile::{self, HEIGHT, Output, Panel, Products, Target, Tiled, panels};
use crate::kernels::windows::{Axis, Images, InputRegion, Line, Lines, are_sparse};
use crate::storage::Buffer;

/// A convolution of `[images, height, width, inputs]` with `[height, width, inputs / groups, outputs]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    pub(crate) images: usize,
    pub(crate) axes: [Axis; 2],
    pub(crate) groups: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

/// The desired number of tasks.
const TASKS: usize = 64;
/// Bounds on the multiply-adds of a task; they take precedence over [`TASKS`].
const WORK: Range<usize> = 1 << 20..1 << 22;
/// The maximum number of source elements of a block, which fit into the L2 cache.
const BLOCK: usize = 64 << 10;
/// The minimum number of outputs of a block: the last tile of each block may be only partly filled.
const FULL: usize = 64;
/// Outputs that the gradient of the kernel sums in one pass: their rows of the gradient, for the columns of one tile, stay
/// in the L2 cache.
const SUMMED: usize = 512;
/// Outputs per partial sum of the gradient of the kernel, and the maximum number of partial sums.
const PARTIAL: (usize, usize) = (1 << 10, 16);

impl Convolution {
    /// Computes the convolution.
    pub(crate) fn forward<T: Tiled>(&self, input: &[T], kernel: &[T]) -> Buffer {
        let line = |axis: Axis| -> Lines { smallvec![axis.forward()] };
        let lines = self.axes.map(line);
        self.correlate(&Correlation {
            source: Images { data: input, size: self.axes.map(|axis| axis.input), channels: self.inputs },
            target: self.axes.map(|axis| axis.output),
            channels: self.outputs,
            lines: [&lines[0], &lines[1]],
            kernel,
            inner: self.outputs,
            column: 1,
        })
    }

    /// The gradient of the input, given the gradient of the result.
    pub(crate) fn input<T: Tiled>(&self, gradient: &[T], kernel: &[T]) -> Buffer {
        let lines = self.axes.map(|axis| axis.backward());
        self.correlate(&Correlation {
            source: Images { data: gradient, size: self.axes.map(|axis| axis.output), channels: self.outputs },
            target: self.axes.map(|axis| axis.input),
            channels: self.inputs,
            lines: [&lines[0], &lines[1]],
            kernel,
            inner: 1,
            column: self.outputs,
        })
    }

    /// The cost of this convolution in multiply-adds. Those of a depthwise convolution, which uses no tiles, count
    /// eight times.
    fn work(&self) -> usize {
        let sizes = self.axes.iter().flat_map(|axis| [axis.output, axis.kernel]);
        let cost = if self.is_depthwise() { 8 } else { 1 };
        sizes.chain([self.images, self.inputs / self.groups, self.outputs, cost]).fold(1, usize::saturating_mul)
    }

    /// Whether every channel has its own kernel.
    fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.inputs == self.groups && self.outputs == self.groups
    }

    /// The number of images, and of rows of each, in a block. An image has `rows` rows (at least one), each of which
    /// needs `elements` elements of the source.
    fn split(&self, [rows, width]: [usize; 2], elements: usize) -> (usize, usize) {
        let work = self.work();
        let wanted = (work / TASKS).clamp(WORK.start, WORK.end) / (work / (self.images * rows)).max(1);
        let wanted = wanted.min(BLOCK / elements.max(1)).max(1);
        // Small images share a block to fill the tiles.
        let wanted = wanted.max(FULL.div_ceil(width));
        if wanted < rows { (1, rows.div_ceil(rows.div_ceil(wanted))) } else { ((wanted / rows).min(self.images), rows) }
    }

    /// Calls `f(images, rows, part)` for blocks of `out`, `[images, rows, length]`.
    fn for_blocks<T: Tiled>(
        &self,
        out: &mut [T],
        rows: usize,
        split: (usize, usize),
        f: impl Fn(Range<usize>, Range<usize>, &mut [T]) + Sync,
    ) {
        let length = out.len() / (self.images * rows);
        for_chunks(out, split.0 * rows * length, |start, out| {
            let image = start / (rows * length);
            let images = image..image + out.len() / (rows * length);
            if split.1 == rows {
                return f(images, 0..rows, out);
            }
            for_chunks(out, split.1 * length, |start, out| {
                let row = start / length;
                f(images.clone(), row..row + out.len() / length, out);
            });
        });
    }

    fn correlate<T: Tiled>(&self, correlation: &Correlation<T>) -> Buffer {
        let Correlation { source, target: [height, width], channels, lines, .. } = *correlation;
        let mut out = Buffer::new::<T>(self.images * height * width * channels);
        let values = out.as_mut_slice::<T>();
        if values.is_empty() {
            return out;
        }
        if are_sparse(&source, lines, [height, width]) {
            correlation.sparse(self, values);
            return out;
        }
        let panels = panels::<T>(channels / self.groups);
        let phases: SmallVec<[Phase; 4]> = lines[0]
            .iter()
            .flat_map(|y| lines[1].iter().map(move |x| [y, x]))
            .map(|lines| correlation.phase(self, &panels, lines))
            .collect();
        let empty = phases.iter().any(|phase| phase.taps == 0);
        let elements = (source.size[0] * source.size[1] * source.channels).div_ceil(height);
        self.for_blocks(values, height, self.split([height, width], elements), |images, rows, out| {
            if empty {
                out.fill(T::zero());
            }
            if self.is_depthwise() {
                phases.iter().for_each(|phase| correlation.depthwise(phase, images.clone(), &rows, out));
                return;
            }
            let block = InputRegion::new(&source, lines, [height, width], images.clone(), rows.clone());
            for phase in phases.iter().filter(|phase| phase.taps > 0) {
                correlation.tiles(self.groups, &panels, phase, &block, images.len(), &rows, out);
            }
        });
        out
    }

    /// The gradient of the kernel, given the gradient of the result.
    pub(crate) fn kernel<T: Tiled>(&self, input: &[T], gradient: &[T]) -> Buffer {
        let [height, width] = self.axes.map(|axis| axis.output);
        let places = self.axes[0].kernel * self.axes[1].kernel * (self.inputs / self.groups);
        let size = places * self.outputs;
        if [size, self.images, height, width].contains(&0) {
            return Buffer::filled(size, T::zero());
        }
        let source = Images { data: input, size: self.axes.map(|axis| axis.input), channels: self.inputs };
        let [y, x] = self.axes.map(|axis| axis.forward());
        if are_sparse(&source, [&[y], &[x]], [height, width]) {
            return self.sparse_kernel(&source, gradient);
        }
        // Each partial sum covers some images. If there are too few, each task also covers only some places of the
        // kernel.
        let most = (self.work() / WORK.start).clamp(1, PARTIAL.1);
        let partial = (self.images * height * width / PARTIAL.0).clamp(1, most.min(self.images));
        let images = self.images.div_ceil(partial);
        let partial = self.images.div_ceil(images);
        let chunk = places.div_ceil(most.div_ceil(partial)).next_multiple_of(tile::height::<T>()) * self.outputs;
        let mut sums = Buffer::filled(partial * size, T::zero());
        for_chunks(sums.as_mut_slice::<T>(), size, |start, out| {
            let first = start / size * images;
            let images = first..(first + images).min(self.images);
            for_chunks(out, chunk, |start, out| {
                if self.is_depthwise() {
                    self.kernel_part_depthwise(source, gradient, images.clone(), start / self.outputs, out);
                } else {
                    self.kernel_part(source, gradient, images.clone(), start / self.outputs, out);
                }
            });
        });
        if partial == 1 {
            return sums;
        }
        let mut out = Buffer::new::<T>(size);
        let sums = sums.as_slice::<T>();
        for_chunks(out.as_mut_slice::<T>(), 1 << 13, |start, out| {
            out.copy_from_slice(&sums[start..start + out.len()]);
            for part in 1..partial {
                for (out, &sum) in out.iter_mut().zip(&sums[part * size + start..]) {
                    *out += sum;
                }
            }
        });
        out
    }

    /// Adds the contribution of some images to the gradient of the kernel's places from `first` on.
    fn kernel_part<T: Tiled>(
        &self,
        source: Images<T>,
        gradient: &[T],
        images: Range<usize>,
        first: usize,
        out: &mut [T],
    ) {
        let [height, width] = self.axes.map(|axis| axis.output);
        let (y, x) = (self.axes[0].forward(), self.axes[1].forward());
        let panels = panels::<T>(self.outputs / self.groups);
        let rows = (SUMMED / width).clamp(1, height);
        let together = (SUMMED / (rows * width)).max(1);
        for image in images.clone().step_by(together) {
            let images = image..(image + together).min(images.end);
            for row in (0..height).step_by(rows) {
                let rows = row..(row + rows).min(height);
                let block = InputRegion::new(&source, [&[y], &[x]], [height, width], images.clone(), rows.clone());
                let (data, frame) = block.parts();
                let lines = [&y, &x];
                let runs: SmallVec<[usize; 64]> = (0..images.len())
                    .flat_map(|image| rows.clone().map(move |row| frame.start(image, lines, row)))
                    .collect();
                // If there are several images, `rows` is all rows of each.
                let at = (images.start * height + rows.start) * width;
                let gradient = &gradient[at * self.outputs..][..runs.len() * width * self.outputs];
                let tap = |tap: usize| frame.tap(lines, [tap / self.axes[1].kernel, tap % self.axes[1].kernel]);
                let products = Products {
                    data,
                    runs: &runs,
                    length: width,
                    step: frame.step(&x),
                    rows: gradient,
                    stride: self.outputs,
                };
                self.kernel_tiles(&products, &panels, first, tap, out);
            }
        }
    }

    /// As [`Convolution::kernel_part`], channel by channel.
    fn kernel_part_depthwise<T: Tiled>(
        &self,
        source: Images<T>,
        gradient: &[T],
        images: Range<usize>,
        first: usize,
        out: &mut [T],
    ) {
        let [height, width] = self.axes.map(|axis| axis.output);
        let (y, x) = (self.axes[0].forward(), self.axes[1].forward());
        let place = |[row, column]: [usize; 2]| depthwise::Place {
            origin: [y.source(0, row), x.source(0, column)],
            outputs: x.meeting(column, source.size[1], width),
        };
        let places = pairs(self.axes.map(|axis| axis.kernel)).map(place).skip(first).take(out.len() / self.outputs);
        let places: SmallVec<[_; 16]> = places.collect();
        for (image, row) in images.flat_map(|image| (0..height).map(move |row| (image, row))) {
            let at = (image * height + row) * width * self.outputs;
            depthwise::Places {
                image: source.image(image),
                gradient: &gradient[at..][..width * self.outputs],
                row,
                step: [y.step, x.step],
                places: &places,
                out: &mut *out,
            }
            .add();
        }
    }

    /// Adds the contribution of a block. `products` are those of its windows and the gradient; `tap(t)` is the offset
    /// of tap `t` from the start of a window.
    fn kernel_tiles<T: Tiled>(
        &self,
        products: &Products<T>,
        panels: &[Panel<T>],
        first: usize,
        tap: impl Fn(usize) -> usize,
        out: &mut [T],
    ) {
        let [inputs, outputs] = [self.inputs, self.outputs].map(|channels| channels / self.groups);
        let gradient = products.rows;
        let places = out.len() / self.outputs;
        for (group, (panel, count, tile)) in each(self.groups, panels) {
            let column = group * outputs + panel;
            // A tile reads whole vectors, which could reach beyond the end of the last row.
            let packed = (count < tile.width).then(|| {
                let mut packed = Buffer::new::<T>(gradient.len() / self.outputs * tile.width);
                let from = gradient.chunks(self.outputs).map(|row| &row[column..column + count]);
                for (to, from) in packed.as_mut_slice::<T>().chunks_mut(tile.width).zip(from) {
                    to[..count].copy_from_slice(from);
                }
                packed
            });
            let (rows, stride) = match &packed {
                Some(packed) => (packed.as_slice::<T>(), tile.width),
                None => (&gradient[column..], self.outputs),
            };
            let products = Products { rows, stride, ..*products };
            for start in (0..places).step_by(tile.height()) {
                let starts = std::array::from_fn(|p| {
                    let place = first + (start + p).min(places - 1);
                    tap(place / inputs) + group * inputs + place % inputs
                });
                let to: [usize; HEIGHT] = std::array::from_fn(|p| (start + p) * self.outputs + column);
                let to = &to[..tile.height().min(places - start)];
                tile.sum(&products, &starts, Target { out: Output::of(out), places: to, width: count, add: true });
            }
        }
    }
}

/// All pairs of indices below `[rows, columns]`, in row-major order.
fn pairs([rows, columns]: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    (0..rows).flat_map(move |y| (0..columns).map(move |x| [y, x]))
}

/// The panels of every group.
fn each<T: Tiled>(groups: usize, panels: &[Panel<T>]) -> impl Iterator<Item = (usize, Panel<T>)> {
    (0..groups).flat_map(move |group| panels.iter().map(move |&panel| (group, panel)))
}

/// Sums over windows of a source for every element of a target: a convolution or its transpose.
pub(super) struct Correlation<'a, T> {
    pub(super) source: Images<'a, T>,
    pub(super) target: [usize; 2],
    pub(super) channels: usize,
    pub(super) lines: [&'a [Line]; 2],
    pub(super) kernel: &'a [T],
    /// The strides of the kernel along the channels of the source, and of the target.
    pub(super) inner: usize,
    pub(super) column: usize,
}

/// The target elements whose windows use the same places of the kernel.
struct Phase<'a> {
    lines: [&'a Line; 2],
    taps: usize,
    /// The kernel's rows at those places: for every group and panel, one for each element of a window.
    rows: Buffer,
}

impl<T: Tiled> Correlation<'_, T> {
    fn phase<'a>(&self, convolution: &Convolution, panels: &[Panel<T>], lines: [&'a Line; 2]) -> Phase<'a> {
        let taps = lines[0].taps * lines[1].taps;
        let [_, columns] = convolution.axes.map(|axis| axis.kernel);
        let tap_size = convolution.inputs / convolution.groups * convolution.outputs;
        if convolution.is_depthwise() {
            let place =
                |y: usize| (0..lines[1].taps).map(move |x| lines[0].place_of(y) * columns + lines[1].place_of(x));
            let mut rows = Buffer::new::<T>(taps * tap_size);
            let to = rows.as_mut_slice::<T>().chunks_mut(tap_size);
            for (to, place) in to.zip((0..lines[0].taps).flat_map(place)) {
                to.copy_from_slice(&self.kernel[place * tap_size..][..tap_size]);
            }
            return Phase { lines, taps, rows };
        }
        let depth = self.source.channels / convolution.groups;
        let width: usize = panels.iter().map(|(_, _, tile)| tile.width).sum();
        let mut rows = Buffer::new::<T>(convolution.groups * taps * depth * width);
        let mut rest = rows.as_mut_slice::<T>();
        for (group, (first, count, tile)) in each(convolution.groups, panels) {
            for (y, x) in (0..lines[0].taps).flat_map(|y| (0..lines[1].taps).map(move |x| (y, x))) {
                let tap = lines[0].place_of(y) * columns + lines[1].place_of(x);
                let start = tap * tap_size + group * (convolution.outputs / convolution.groups) + first * self.column;
                let (rows, after) = rest.split_at_mut(depth * tile.width);
                rest = after;
                for (channel, row) in rows.chunks_mut(tile.width).enumerate() {
                    row[count..].fill(T::zero());
                    if self.column == 1 {
                        row[..count].copy_from_slice(&self.kernel[start + channel * self.inner..][..count]);
                    }
                }
                if self.column > 1 {
                    // The kernel is transposed, and read in memory order.
                    for column in 0..count {
                        let from = self.kernel[start + column * self.column..].iter();
                        let to = rows[column..].iter_mut().step_by(tile.width);
                        to.zip(from).for_each(|(to, &from)| *to = from);
                    }
                }
            }
        }
        Phase { lines, taps, rows }
    }

    /// Computes the elements of a phase in some rows of some images, channel by channel.
    fn depthwise(&self, phase: &Phase, images: Range<usize>, rows: &Range<usize>, out: &mut [T]) {
        let [y, x] = phase.lines;
        let [_, width] = self.target;
        let spans = depthwise::spans(x, self.source.size[1], x.within(&(0..width)).len());
        for (number, image) in images.enumerate() {
            for j in y.within(rows) {
                let row = number * rows.len() + y.first + j * y.every - rows.start;
                depthwise::WindowRow {
                    image: self.source.image(image),
                    lines: phase.lines,
                    row: j,
                    spans: &spans,
                    kernel: phase.rows.as_slice(),
                    out: &mut out[row * width * self.channels..][..width * self.channels],
                }
                .sum();
            }
        }
    }

    /// Computes the elements of a phase in some rows of some images, tile by tile.
    #[allow(clippy::too_many_arguments)]
    fn tiles(
        &self,
        groups: usize,
        panels: &[Panel<T>],
        phase: &Phase,
        block: &InputRegion<T>,
        images: usize,
        rows: &Range<usize>,
        out: &mut [T],
    ) {
        let (data, frame) = block.parts();
        let [y, x] = phase.lines;
        let depth = self.source.channels / groups;
        // A row of a window is one run if its elements are contiguous.
        let joined = if groups == 1 && x.spread == 1 { x.taps } else { 1 };
        let runs: SmallVec<[usize; 32]> = (0..y.taps)
            .flat_map(|y| (0..x.taps).step_by(joined).map(move |x| [y, x]))
            .map(|tap| frame.tap(phase.lines, tap))
            .collect();
        let runs_across = x.taps / joined;
        let [_, width] = self.target;
        let (numbers, count) = (y.within(rows), x.within(&(0..width)).len());
        let step = frame.step(x);
        let mut factors = phase.rows.as_slice::<T>();
        for (group, (panel, columns, tile)) in each(groups, panels) {
            let (rows_here, after) = factors.split_at(phase.taps * depth * tile.width);
            factors = after;
            let channel = group * (self.channels / groups) + panel;
            let mut starts = [0; HEIGHT];
            let mut places = [0; HEIGHT];
            let mut filled = 0;
            // The window rows outside the padding, which are the same for all pending windows.
            let mut inside = 0..0;
            let mut flush = |inside: &Range<usize>, starts: &[usize; HEIGHT], places: &[usize]| {
                let runs = &runs[inside.start * runs_across..inside.end * runs_across];
                let rows = &rows_here[inside.start * x.taps * depth * tile.width..];
                let products = Products { data, runs, length: joined * depth, step: 1, rows, stride: tile.width };
                tile.sum(&products, starts, Target { out: Output::of(out), places, width: columns, add: false });
            };
            for (j, image) in numbers.clone().flat_map(|j| (0..images).map(move |image| (j, image))) {
                let taps = y.inside(j, self.source.size[0]);
                if taps != inside && filled > 0 {
                    flush(&inside, &starts, &places[..filled]);
                    filled = 0;
                }
                inside = taps;
                let mut start = frame.start(image, phase.lines, j) + group * depth;
                let row = image * rows.len() + y.first + j * y.every - rows.start;
                let mut place = (row * width + x.first) * self.channels + channel;
                for _ in 0..count {
                    (starts[filled], places[filled]) = (start, place);
                    filled += 1;
                    if filled == tile.height() {
                        flush(&inside, &starts, &places[..filled]);
                        filled = 0;
                    }
                    start += step;
                    place += x.every * self.channels;
                }
            }
            if filled > 0 {
                flush(&inside, &starts, &places[..filled]);
            }
        }
    }
}
