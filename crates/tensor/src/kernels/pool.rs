//! Max and average pooling of images with channels last.

use smallvec::SmallVec;

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::storage::Buffer;

/// The elements of one window along one axis: `count` (at least one) from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) count: usize,
    /// The divisor of an average.
    pub(crate) divisor: usize,
}

/// The windows along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spans {
    /// The size of the axis.
    pub(crate) input: usize,
    /// The distance between neighbouring elements of a window.
    pub(crate) step: usize,
    pub(crate) spans: SmallVec<[Span; 16]>,
}

/// A pooling of `[images, height, width, channels]`.
pub(crate) struct Pooling {
    pub(crate) images: usize,
    pub(crate) channels: usize,
    pub(crate) axes: [Spans; 2],
}

/// Channels that are processed at a time.
const LANES: usize = 16;

/// One window: the start of each of its elements, row by row.
struct Window<'a> {
    taps: &'a [usize],
    /// Elements in each row of the window.
    row: usize,
    /// The divisor of an average. It is an `f64`: with padding that counts, the product of both axes may overflow
    /// `usize`.
    divisor: f64,
}

impl Pooling {
    /// The number of elements of an image, and of its output.
    fn sizes(&self) -> [usize; 2] {
        let [y, x] = &self.axes;
        [y.input * x.input * self.channels, y.spans.len() * x.spans.len() * self.channels]
    }

    /// Calls `f(window, place)` for the windows of `rows` rows of outputs, from row `first` on; rows are counted over
    /// all images. `place` is the offset of the output from the start of these rows.
    fn windows(&self, first: usize, rows: usize, mut f: impl FnMut(Window, usize)) {
        let [y, x] = &self.axes;
        let mut taps: SmallVec<[usize; 32]> = SmallVec::new();
        for row in 0..rows {
            let (image, row_of) = ((first + row) / y.spans.len(), (first + row) % y.spans.len());
            let span = y.spans[row_of];
            for (column, across) in x.spans.iter().enumerate() {
                taps.clear();
                for j in 0..span.count {
                    let start = (image * y.input + span.start + j * y.step) * x.input + across.start;
                    taps.extend((0..across.count).map(|k| (start + k * x.step) * self.channels));
                }
                let window =
                    Window { taps: &taps, row: across.count, divisor: span.divisor as f64 * across.divisor as f64 };
                f(window, (row * x.spans.len() + column) * self.channels);
            }
        }
    }

    /// Builds the output: `f(window, part)` writes the channels of one output element to `part`.
    fn by_output<T: Float>(&self, f: impl Fn(Window, &mut [T]) + Sync) -> Buffer {
        let [image, outputs] = self.sizes();
        let mut out = Buffer::new::<T>(self.images * outputs);
        let rows = self.axes[0].spans.len();
        if out.len() > 0 {
            let row = outputs / rows;
            let together = (CHUNK / (image / rows).max(row)).max(1);
            for_chunks(out.as_mut_slice::<T>(), together * row, |start, out| {
                self.windows(start / row, out.len() / row, |window, place| {
                    f(window, &mut out[place..place + self.channels]);
                });
            });
        }
        out
    }

    /// Builds the gradient of the input, starting from zeros: `f(window, start, image, gradient)` adds the contribution
    /// of one output to `image`, the part of the gradient for the image that begins with element `start` of the input.
    /// The taps of `window` count from there.
    fn by_input<T: Float>(&self, gradient: &[T], f: impl Fn(Window, usize, &mut [T], &[T]) + Sync) -> Buffer {
        let [image, outputs] = self.sizes();
        let mut out = Buffer::filled(self.images * image, T::zero());
        let rows = self.axes[0].spans.len();
        if image * outputs > 0 {
            let together = (CHUNK / image).max(1);
            for_chunks(out.as_mut_slice::<T>(), together * image, |start, out| {
                for (k, out) in out.chunks_mut(image).enumerate() {
                    let gradient = &gradient[(start / image + k) * outputs..];
                    self.windows(0, rows, |window, place| {
                        f(window, start + k * image, out, &gradient[place..place + self.channels]);
                    });
                }
            });
        }
        out
    }

    /// The largest element of every window; NaN if the window contains one.
    pub(crate) fn max<T: Float>(&self, x: &[T]) -> Buffer {
        self.by_output(|window, out| vectorized(Max { x, taps: window.taps, out }))
    }

    /// For every window, the element of `from` at the position where `x` has its first maximum.
    pub(crate) fn pick<T: Float>(&self, x: &[T], from: &[T]) -> Buffer {
        self.by_output(|window, out| vectorized(Pick { x, taps: window.taps, from, out }))
    }

    /// The gradient of the input of [`max`](Self::max): every gradient is added where `x` has the first maximum of its
    /// window.
    pub(crate) fn max_input<T: Float>(&self, x: &[T], gradient: &[T]) -> Buffer {
        self.by_input(gradient, |window, start, out, gradient| {
            vectorized(MaxInput { x: &x[start..], taps: window.taps, gradient, out });
        })
    }

    /// The average of every window, summed row by row.
    pub(crate) fn average<T: Float>(&self, x: &[T]) -> Buffer {
        self.by_output(|window, out| vectorized(Average { x, window, out }))
    }

    /// The gradient of the input of [`average`](Self::average): every gradient, divided, is added to all elements of
    /// its window.
    pub(crate) fn average_input<T: Float>(&self, gradient: &[T]) -> Buffer {
        self.by_input(gradient, |window, _, out, gradient| vectorized(AverageInput { window, gradient, out }))
    }
}

/// Whether an element replaces the largest one so far. The first of equal elements stays, and so does the first NaN.
#[inline(always)]
fn replaces<T: Float>(new: T, largest: T) -> bool {
    new > largest || (new.is_nan() && !largest.is_nan())
}

struct Max<'a, T> {
    x: &'a [T],
    taps: &'a [usize],
    out: &'a mut [T],
}

impl<T: Float> Loop for Max<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let Max { x, taps, out } = self;
        out.copy_from_slice(&x[taps[0]..][..out.len()]);
        for &tap in &taps[1..] {
            for (out, &x) in out.iter_mut().zip(&x[tap..]) {
                *out = if replaces(x, *out) { x } else { *out };
            }
        }
    }
}

/// For `count` channels from `channel` on, the number of the tap that has the first maximum.
#[inline(always)]
fn winners<T: Float>(x: &[T], taps: &[usize], channel: usize, count: usize) -> [u32; LANES] {
    let mut largest = [T::zero(); LANES];
    let mut winners = [0; LANES];
    largest[..count].copy_from_slice(&x[taps[0] + channel..][..count]);
    for (number, &tap) in (1..).zip(&taps[1..]) {
        let lanes = largest[..count].iter_mut().zip(&mut winners);
        for ((largest, winner), &x) in lanes.zip(&x[tap + channel..]) {
            let better = replaces(x, *largest);
            *largest = if better { x } else { *largest };
            *winner = if better { number } else { *winner };
        }
    }
    winners
}

struct Pick<'a, T> {
    x: &'a [T],
    taps: &'a [usize],
    from: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Loop for Pick<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let Pick { x, taps, from, out } = self;
        for (part, out) in out.chunks_mut(LANES).enumerate() {
            let channel = part * LANES;
            let winners = winners(x, taps, channel, out.len());
            for (number, &tap) in (0..).zip(taps) {
                for ((out, &winner), &from) in out.iter_mut().zip(&winners).zip(&from[tap + channel..]) {
                    *out = if winner == number { from } else { *out };
                }
            }
        }
    }
}

struct MaxInput<'a, T> {
    x: &'a [T],
    taps: &'a [usize],
    gradient: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Loop for MaxInput<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let MaxInput { x, taps, gradient, out } = self;
        for (part, gradient) in gradient.chunks(LANES).enumerate() {
            let channel = part * LANES;
            let winners = winners(x, taps, channel, gradient.len());
            for (number, &tap) in (0..).zip(taps) {
                for ((out, &winner), &g) in out[tap + channel..].iter_mut().zip(&winners).zip(gradient) {
                    *out += if winner == number { g } else { T::zero() };
                }
            }
        }
    }
}

struct Average<'a, T> {
    x: &'a [T],
    window: Window<'a>,
    out: &'a mut [T],
}

impl<T: Float> Loop for Average<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let Average { x, window: Window { taps, row, divisor }, out } = self;
        let divisor = T::from_f64(divisor);
        for (part, out) in out.chunks_mut(LANES).enumerate() {
            let mut sums = [T::zero(); LANES];
            for taps in taps.chunks(row) {
                let mut of_row = [T::zero(); LANES];
                for &tap in taps {
                    for (sum, &x) in of_row[..out.len()].iter_mut().zip(&x[tap + part * LANES..]) {
                        *sum += x;
                    }
                }
                sums.iter_mut().zip(of_row).for_each(|(sum, of_row)| *sum += of_row);
            }
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum / divisor);
        }
    }
}

struct AverageInput<'a, T> {
    window: Window<'a>,
    gradient: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Loop for AverageInput<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let AverageInput { window: Window { taps, divisor, .. }, gradient, out } = self;
        let divisor = T::from_f64(divisor);
        for &tap in taps {
            for (out, &g) in out[tap..].iter_mut().zip(gradient) {
                *out += g / divisor;
            }
        }
    }
}
