//! The inner loops of depthwise convolutions, where every channel has its own kernel: elementwise products of
//! neighbouring channels. Taps beyond the edge of an image are skipped, so no padded copy is needed.
#![allow(unsafe_code)]

use std::ops::Range;

use smallvec::SmallVec;

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::windows::{Images, Line};

/// Channels that are summed at a time, one per lane.
const LANES: usize = 16;
/// Adjacent windows that are summed at a time: they share the loads of the kernel's elements. (With four the compiler
/// vectorizes across windows, with gathers, which takes twenty times as long.)
const WINDOWS: usize = 3;
/// Places of the kernel whose gradients are summed at a time: they share the loads of the result's gradient.
const PLACES: usize = 3;

/// Adjacent windows with the same taps inside the source: the windows, and the taps.
pub(crate) type Span = (Range<usize>, Range<usize>);

/// The spans of the `count` windows of a line.
pub(crate) fn spans(line: &Line, size: usize, count: usize) -> SmallVec<[Span; 4]> {
    let mut spans = SmallVec::<[Span; 4]>::new();
    for j in 0..count {
        let taps = line.inside(j, size);
        match spans.last_mut() {
            Some((windows, same)) if *same == taps => windows.end = j + 1,
            _ => spans.push((j..j + 1, taps)),
        }
    }
    spans
}

/// The windows at position `row` along the height of an image and at all positions along its width. Their sums go to
/// `out`, a row of the target; `kernel` has a row for each tap.
pub(crate) struct WindowRow<'a, T> {
    pub(crate) image: Images<'a, T>,
    pub(crate) lines: [&'a Line; 2],
    pub(crate) row: usize,
    pub(crate) spans: &'a [Span],
    pub(crate) kernel: &'a [T],
    pub(crate) out: &'a mut [T],
}

impl<T: Float> WindowRow<'_, T> {
    /// Writes the sums.
    pub(crate) fn sum(self) {
        vectorized(self);
    }

    /// The sums of `N` windows in `L` channels. (Loops instead of closures, which would not be inlined.)
    #[inline(always)]
    fn sums<const N: usize, const L: usize>(&self, taps: &Taps, channel: usize) -> [[T; L]; N] {
        let Images { data, size: [_, width], channels } = self.image;
        let [y, x] = self.lines;
        // Wrapping: if the distance between taps overflows, only one tap is inside, and the wrapped index is never
        // read.
        let line_step = y.spread.wrapping_mul(width * channels);
        let (tap_step, step) = (x.spread.wrapping_mul(channels), x.step * channels);
        let mut sums = [[T::zero(); L]; N];
        let (mut line, mut row) = (taps.element + channel, taps.row * channels + channel);
        for _ in 0..taps.ys {
            let (mut element, mut place) = (line, row);
            for _ in 0..taps.xs {
                let factor = self.kernel[place..].first_chunk().expect("a row for each tap");
                let windows = &data[element..][..(N - 1) * step + L];
                for (n, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: `n` is at most `N - 1`, so the elements lie within the slice, whose length does not
                    // overflow: `run` checks that for `WINDOWS`, which `N` is at most.
                    add_products(sums, unsafe { lanes(windows.as_ptr().add(n * step)) }, factor);
                }
                element = element.wrapping_add(tap_step);
                place += channels;
            }
            line = line.wrapping_add(line_step);
            row += x.taps * channels;
        }
        sums
    }

    /// Writes the sums of `N` windows that have the same taps inside the source.
    #[inline(always)]
    fn windows<const N: usize>(&mut self, [ys, xs]: [&Range<usize>; 2], window: usize) {
        let Images { size: [_, width], channels, .. } = self.image;
        let [y, x] = self.lines;
        let taps = match ys.is_empty() || xs.is_empty() {
            true => Taps { element: 0, row: 0, ys: 0, xs: 0 },
            false => {
                let [top, left] = [y.source(self.row, ys.start), x.source(window, xs.start)].map(|at| at as usize);
                let (element, row) = ((top * width + left) * channels, ys.start * x.taps + xs.start);
                Taps { element, row, ys: ys.len(), xs: xs.len() }
            }
        };
        let (place, step) = ((x.first + window * x.every) * channels, x.every * channels);
        if channels < LANES {
            for channel in 0..channels {
                let sums = self.sums::<N, 1>(&taps, channel);
                for (n, [sum]) in sums.into_iter().enumerate() {
                    self.out[place + n * step + channel] = sum;
                }
            }
            return;
        }
        for group in 0..channels.div_ceil(LANES) {
            let channel = (group * LANES).min(channels - LANES);
            let sums = self.sums::<N, LANES>(&taps, channel);
            for (n, sums) in sums.iter().enumerate() {
                self.out[place + n * step + channel..][..LANES].copy_from_slice(sums);
            }
        }
    }
}

/// The taps inside the image: their number along height and width, and the image element and kernel row of the first.
struct Taps {
    element: usize,
    row: usize,
    ys: usize,
    xs: usize,
}

impl<T: Float> Loop for WindowRow<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(mut self) {
        let across = self.lines[1].step.checked_mul(self.image.channels);
        let across = across.and_then(|step| step.checked_mul(WINDOWS)).and_then(|across| across.checked_add(LANES));
        assert!(across.is_some(), "the length of `WINDOWS` windows does not overflow");
        let ys = self.lines[0].inside(self.row, self.image.size[0]);
        for (windows, xs) in self.spans {
            let mut window = windows.start;
            while window < windows.end {
                if window + WINDOWS <= windows.end {
                    self.windows::<WINDOWS>([&ys, xs], window);
                    window += WINDOWS;
                } else {
                    self.windows::<1>([&ys, xs], window);
                    window += 1;
                }
            }
        }
    }
}

/// A place of the kernel: the source element that it meets for the first output (which may lie outside), and the
/// outputs along the width for which that element lies inside.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) origin: [isize; 2],
    pub(crate) outputs: Range<usize>,
}

/// Adds the contribution of row `row` of the result's gradient to `out`, the gradients of places of the kernel. `step`
/// is the distance between windows.
pub(crate) struct Places<'a, T> {
    pub(crate) image: Images<'a, T>,
    pub(crate) gradient: &'a [T],
    pub(crate) row: usize,
    pub(crate) step: [usize; 2],
    pub(crate) places: &'a [Place],
    pub(crate) out: &'a mut [T],
}

impl<T: Float> Places<'_, T> {
    /// Adds to the gradients.
    pub(crate) fn add(self) {
        vectorized(self);
    }
}

/// Up to [`PLACES`] places that are summed at a time: the source element that each meets for output 0 (wrapped if it
/// lies outside), the outputs for which it lies inside, and the outputs that all places share.
struct Meeting {
    at: [usize; PLACES],
    outputs: [Range<usize>; PLACES],
    all: Range<usize>,
}

impl<T: Float> Places<'_, T> {
    /// Finds the source elements and the outputs of some places.
    /// # Panics
    /// Panics if an output, or the element that it meets, does not exist.
    fn meeting(&self, places: &[Place]) -> Meeting {
        let Images { size: [height, width], channels, .. } = self.image;
        let mut at = [0; PLACES];
        let mut outputs: [Range<usize>; PLACES] = [const { 0..0 }; PLACES];
        for p in 0..PLACES {
            // If there are fewer places, the last one is repeated.
            let Place { origin: [y, x], outputs: met } = &places[p.min(places.len() - 1)];
            let place = |origin: &isize, number: usize, k: usize| {
                number.checked_mul(self.step[k]).and_then(|distance| origin.checked_add_unsigned(distance))
            };
            let Some(y) = place(y, self.row, 0).filter(|y| (0..height as isize).contains(y)) else { continue };
            at[p] = (y as usize).wrapping_mul(width).wrapping_add_signed(*x).wrapping_mul(channels);
            if !met.is_empty() {
                let is_inside = |output: usize| place(x, output, 1).is_some_and(|x| (0..width as isize).contains(&x));
                assert!(is_inside(met.start) && is_inside(met.end - 1), "outputs meet the image");
                let end = met.end.checked_mul(channels);
                assert!(end.is_some_and(|end| end <= self.gradient.len()), "outputs lie within the gradient");
                outputs[p] = met.clone();
            }
        }
        let start = outputs.iter().fold(0, |start, met| start.max(met.start));
        let end = outputs.iter().fold(usize::MAX, |end, met| end.min(met.end)).max(start);
        Meeting { at, outputs, all: start..end }
    }

    /// The sums in `L` channels.
    ///
    /// # Safety
    /// `meeting` was made by [`Places::meeting`](Self::meeting), which places the outputs within the gradient and the elements
    /// that they meet within the image, and `channel + L` is at most the number of channels.
    #[inline(always)]
    unsafe fn sums<const L: usize>(&self, meeting: &Meeting, channel: usize) -> [[T; L]; PLACES] {
        let Meeting { at, outputs, all } = meeting;
        let channels = self.image.channels;
        // Wrapping, like `at`: for an output inside the image, the index modulo 2⁶⁴ is exact.
        let step = self.step[1].wrapping_mul(channels);
        let gradient = self.gradient.as_ptr().wrapping_add(channel);
        let elements = at.map(|at| self.image.data.as_ptr().wrapping_add(at.wrapping_add(channel)));
        let mut sums = [[T::zero(); L]; PLACES];
        // SAFETY: outputs of `outputs[p]` and of `all`, which is their intersection, lie within the gradient, and each meets an
        // element of the image at `at[p] + output · step`; both have `L` channels from `channel` on, as this function demands.
        // Other pointers are computed with wrapping arithmetic and not read.
        unsafe {
            for p in 0..PLACES {
                for output in outputs[p].start..outputs[p].end.min(all.start) {
                    let element = lanes(elements[p].wrapping_add(output.wrapping_mul(step)));
                    add_products(&mut sums[p], element, lanes(gradient.add(output * channels)));
                }
            }
            for output in all.clone() {
                let factor = lanes(gradient.add(output * channels));
                for p in 0..PLACES {
                    add_products(&mut sums[p], lanes(elements[p].wrapping_add(output.wrapping_mul(step))), factor);
                }
            }
            for p in 0..PLACES {
                for output in outputs[p].start.max(all.end)..outputs[p].end {
                    let element = lanes(elements[p].wrapping_add(output.wrapping_mul(step)));
                    add_products(&mut sums[p], element, lanes(gradient.add(output * channels)));
                }
            }
        }
        sums
    }
}

impl<T: Float> Loop for Places<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(mut self) {
        let Images { data, size: [height, width], channels } = self.image;
        assert_eq!(data.len(), height * width * channels, "one whole image");
        let out = std::mem::take(&mut self.out);
        for (places, out) in self.places.chunks(PLACES).zip(out.chunks_mut(PLACES * channels)) {
            let meeting = self.meeting(places);
            if channels < LANES {
                for channel in 0..channels {
                    // SAFETY: `meeting` was made above; `channel < channels`.
                    let sums = unsafe { self.sums::<1>(&meeting, channel) };
                    out.chunks_mut(channels).zip(sums).for_each(|(out, [sum])| out[channel] += sum);
                }
                continue;
            }
            for group in 0..channels.div_ceil(LANES) {
                let channel = (group * LANES).min(channels - LANES);
                // SAFETY: `meeting` was made above; `channel <= channels - LANES`.
                let sums = unsafe { self.sums::<LANES>(&meeting, channel) };
                // The last group may overlap the previous one.
                let known = group * LANES - channel;
                for (sums, out) in sums.iter().zip(out.chunks_mut(channels)) {
                    for (k, (out, &sum)) in out[channel..][..LANES].iter_mut().zip(sums).enumerate() {
                        *out += if k < known { T::zero() } else { sum };
                    }
                }
            }
        }
    }
}

/// # Safety
/// `L` elements may be read from `from` on while the reference lives, and nothing writes to them.
#[inline(always)]
unsafe fn lanes<'a, T: Float, const L: usize>(from: *const T) -> &'a [T; L] {
    // SAFETY: as this function demands; an array needs no other alignment than its elements.
    unsafe { &*from.cast() }
}

#[inline(always)]
fn add_products<T: Float, const L: usize>(sums: &mut [T; L], a: &[T; L], b: &[T; L]) {
    for k in 0..L {
        sums[k] += a[k] * b[k];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [3, 11];

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|k| (k as f32 * 0.37).sin()).collect()
    }

    fn line(size: usize) -> Line {
        crate::kernels::windows::Axis { input: size, output: size, kernel: 3, stride: 1, dilation: 1, before: 1 }
            .forward()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn sums_have_the_same_bits_on_every_instruction_set() {
        for channels in [5, 16, 40] {
            let (data, kernel) = (numbers(SIZE[0] * SIZE[1] * channels), numbers(9 * channels));
            let image = Images { data: &data, size: SIZE, channels };
            let [y, x] = SIZE.map(line);
            let spans = spans(&x, SIZE[1], SIZE[1]);
            let [mut here, mut plain] = [(); 2].map(|()| vec![0.0; SIZE[1] * channels]);
            let row = |out| WindowRow { image, lines: [&y, &x], row: 0, spans: &spans, kernel: &kernel, out };
            row(&mut here).sum();
            Loop::run(row(&mut plain));
            assert_eq!(bits(&here), bits(&plain));

            let place = |k: usize| Place {
                origin: [y.source(0, k / 3), x.source(0, k % 3)],
                outputs: x.meeting(k % 3, SIZE[1], SIZE[1]),
            };
            let (places, gradient): (Vec<Place>, _) = ((0..9).map(place).collect(), numbers(SIZE[1] * channels));
            let [mut here, mut plain] = [(); 2].map(|()| vec![1.0; 9 * channels]);
            let part = |out| Places { image, gradient: &gradient, row: 2, step: [1, 1], places: &places, out };
            part(&mut here).add();
            Loop::run(part(&mut plain));
            assert_eq!(bits(&here), bits(&plain));
        }
    }

    #[test]
    #[should_panic(expected = "outputs meet the image")]
    fn places_do_not_reach_beyond_the_image() {
        let (data, gradient) = (numbers(SIZE[0] * SIZE[1]), numbers(SIZE[1]));
        let image = Images { data: &data, size: SIZE, channels: 1 };
        let places = [Place { origin: [0, 1], outputs: 0..11 }];
        Places { image, gradient: &gradient, row: 0, step: [1, 1], places: &places, out: &mut [0.0] }.add();
    }
}
