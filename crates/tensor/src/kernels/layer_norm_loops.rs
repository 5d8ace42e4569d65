//! The loops of layer normalization. Several lines go through each step together, so that their latencies overlap; they are
//! few enough for the L1 cache.
#![allow(unsafe_code)]

use crate::dtype::Float;
use crate::kernels::lanes::{Lanes, VectorLoop};

/// Elements of the lines that go through each step together.
const BLOCK: usize = 4096;
/// The maximum number of lines that go through each step together.
const LINES: usize = 64;
/// Vectors that are added in the element type before the sums are added in float64.
const FLUSH: usize = 128;
/// Independent chains of additions.
const CHAINS: usize = 4;

/// The number of lines that go through each step together.
fn together(width: usize) -> usize {
    (BLOCK / width).clamp(1, LINES)
}

/// Writes the mean and the variance (divisor `n`) of each line, and its normalized, scaled and shifted elements.
pub(crate) struct Forward<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) gamma: &'a [T],
    pub(crate) beta: &'a [T],
    pub(crate) epsilon: f64,
    pub(crate) out: &'a mut [T],
    pub(crate) mean: &'a mut [T],
    pub(crate) variance: &'a mut [T],
}

impl<T: Float> VectorLoop<T> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<T>>(self) {
        let Forward { x, gamma, beta, epsilon, out, mean, variance } = self;
        let width = gamma.len();
        assert!(beta.len() == width && x.len() == out.len());
        let together = together(width);
        let part = 1.0 / width as f64;
        let mut moments = Moments { centres: [0.0; LINES], rests: [0.0; LINES], squares: [0.0; LINES] };
        let mut scales = [T::zero(); LINES];
        let blocks = x.chunks(together * width).zip(out.chunks_mut(together * width));
        let blocks = blocks.zip(mean.chunks_mut(together).zip(variance.chunks_mut(together)));
        for ((x, out), (mean, variance)) in blocks {
            for (k, x) in x.chunks_exact(width).enumerate() {
                // SAFETY: the processor has the instructions of `V`.
                (moments.centres[k], [moments.rests[k], moments.squares[k]]) = unsafe { deviations::<T, V>(x) };
            }
            moments.finish(mean.len(), part);
            for (scale, &variance) in scales.iter_mut().zip(&moments.squares[..mean.len()]) {
                *scale = T::from_f64(1.0 / (variance + epsilon).sqrt());
            }
            for (k, (mean, variance)) in mean.iter_mut().zip(&mut *variance).enumerate() {
                *mean = T::from_f64(moments.centres[k]);
                *variance = T::from_f64(moments.squares[k]);
            }
            let lines = x.chunks_exact(width).zip(out.chunks_exact_mut(width));
            for ((x, out), (&mean, &scale)) in lines.zip(mean.iter().zip(&scales)) {
                let [x, gamma, beta] = [x, gamma, beta].map(<[T]>::as_ptr);
                let out = out.as_mut_ptr();
                // SAFETY: the processor has the instructions of `V`, and all pointers are to `width` elements.
                unsafe {
                    let (mean, scale) = (V::splat(mean), V::splat(scale));
                    let of = |x: V, gamma: V, beta: V| x.sub(mean).mul(scale).multiply_add(gamma, beta);
                    let mut at = 0;
                    while at + V::LANES <= width {
                        of(V::load(x.add(at)), V::load(gamma.add(at)), V::load(beta.add(at))).store(out.add(at));
                        at += V::LANES;
                    }
                    if at < width {
                        let load = |from: *const T| V::load_first(from.add(at), width - at, mean);
                        of(load(x), load(gamma), load(beta)).store_first(out.add(at), width - at);
                    }
                }
            }
        }
    }
}

/// The sums of deviations of some lines from a centre, and of their squares; then means and variances.
struct Moments {
    centres: [f64; LINES],
    rests: [f64; LINES],
    squares: [f64; LINES],
}

impl Moments {
    /// Turns the centres of the first `count` lines into means, and their sums of squares into variances; `part` is 1 over
    /// the width.
    #[inline(always)]
    fn finish(&mut self, count: usize, part: f64) {
        let lines = self.centres.iter_mut().zip(&self.rests).zip(&mut self.squares).take(count);
        for ((centre, &rest), squares) in lines {
            *centre += rest * part;
            let variance = (*squares - rest * rest * part) * part;
            // Not `max`, which would turn NaN into 0.
            *squares = if variance < 0.0 { 0.0 } else { variance };
        }
    }
}

/// A centre of a line, and the sums of the deviations from it and of their squares. The centre is the mean of the first `m`
/// of the line's `n` elements. This avoids cancellation: whatever the elements are, the mean of the squares is at most
/// `1 + n / m` times the variance.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn deviations<T: Float, V: Lanes<T>>(x: &[T]) -> (f64, [f64; 2]) {
    // SAFETY: the processor has the instructions of `V`, and all that is loaded lies in `x`.
    unsafe {
        let start = x.as_ptr();
        let centre = if x.len() >= CHAINS * V::LANES {
            let [a, b, c, d] = [0, 1, 2, 3].map(|k| V::load(start.add(k * V::LANES)));
            a.add(b).add(c.add(d)).total() * T::from_f64(1.0 / (CHAINS * V::LANES) as f64)
        } else {
            let count = x.len().min(V::LANES);
            V::load_first(start, count, V::splat(T::zero())).total() / T::from_f64(count as f64)
        };
        let each = V::splat(centre);
        let sums = sums::<T, V, 1>([x], [each], |[x]| {
            let apart = x.sub(each);
            (apart, apart, apart)
        });
        (centre.to_f64(), sums)
    }
}

/// The sums of `a` and of `b · c` for the terms `(a, b, c)` of all elements. Missing lanes of the last vector are those of
/// `rest`, whose terms are 0.
///
/// # Safety
/// The processor has the instructions of `V`. All slices are equally long.
#[inline(always)]
unsafe fn sums<T: Float, V: Lanes<T>, const N: usize>(
    values: [&[T]; N],
    rest: [V; N],
    terms: impl Fn([V; N]) -> (V, V, V),
) -> [f64; 2] {
    let (width, values) = (values[0].len(), values.map(<[T]>::as_ptr));
    let mut totals = [0.0; 2];
    let mut at = 0;
    // SAFETY: the processor has the instructions of `V`; all elements that are loaded lie before `width`.
    unsafe {
        while at < width {
            let end = width.min(at + FLUSH * V::LANES);
            let mut first = [V::splat(T::zero()); CHAINS];
            let mut second = first;
            while at + CHAINS * V::LANES <= end {
                for k in 0..CHAINS {
                    let (a, b, c) = terms(values.map(|from| V::load(from.add(at + k * V::LANES))));
                    first[k] = first[k].add(a);
                    second[k] = b.multiply_add(c, second[k]);
                }
                at += CHAINS * V::LANES;
            }
            while at + V::LANES <= end {
                let (a, b, c) = terms(values.map(|from| V::load(from.add(at))));
                first[0] = first[0].add(a);
                second[0] = b.multiply_add(c, second[0]);
                at += V::LANES;
            }
            if at < end {
                let mut loaded = rest;
                for (from, loaded) in values.iter().zip(&mut loaded) {
                    *loaded = V::load_first(from.add(at), end - at, *loaded);
                }
                let (a, b, c) = terms(loaded);
                first[1] = first[1].add(a);
                second[1] = b.multiply_add(c, second[1]);
                at = end;
            }
            for (total, [a, b, c, d]) in totals.iter_mut().zip([first, second]) {
                *total += a.add(b).add(c.add(d)).total().to_f64();
            }
        }
    }
    totals
}

/// Writes the gradients of the elements of lines, and adds those of `gamma` and `beta` to `totals`.
pub(crate) struct Backward<'a, T> {
    pub(crate) g: &'a [T],
    pub(crate) x: &'a [T],
    pub(crate) gamma: &'a [T],
    pub(crate) mean: &'a [T],
    /// `1 / √(variance + epsilon)` of each line.
    pub(crate) scales: &'a [f64],
    pub(crate) out: &'a mut [T],
    pub(crate) totals: [&'a mut [T]; 2],
}

/// What the gradients of the elements of a line need: `scale · (g · gamma - shift - n · slope)` with
/// `n = (x - mean) · scale`.
#[derive(Clone, Copy, Default)]
struct Line<T> {
    mean: T,
    scale: T,
    shift: T,
    slope: T,
}

impl<T: Float> VectorLoop<T> for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<T>>(self) {
        let Backward { g, x, gamma, mean, scales, out, totals: [of_gamma, of_beta] } = self;
        let width = gamma.len();
        assert!(g.len() == x.len() && x.len() == out.len() && of_gamma.len() == width && of_beta.len() == width);
        let together = together(width);
        let mut lines = [Line { mean: T::zero(), scale: T::zero(), shift: T::zero(), slope: T::zero() }; LINES];
        let blocks = g.chunks(together * width).zip(x.chunks(together * width)).zip(out.chunks_mut(together * width));
        for (((g, x), out), (mean, scales)) in blocks.zip(mean.chunks(together).zip(scales.chunks(together))) {
            let lines = &mut lines[..mean.len()];
            let each = g.chunks_exact(width).zip(x.chunks_exact(width)).zip(mean.iter().zip(scales)).zip(&mut *lines);
            for (((g, x), (&mean, &scale)), line) in each {
                // SAFETY: the processor has the instructions of `V`; the slices are lines.
                let [shift, slope] = unsafe {
                    let (zero, centre) = (V::splat(T::zero()), V::splat(mean));
                    sums::<T, V, 3>([g, x, gamma], [zero; 3], |[g, x, gamma]| {
                        let h = g.mul(gamma);
                        (h, h, x.sub(centre))
                    })
                };
                let of_line = [scale, shift / width as f64, slope * scale / width as f64].map(T::from_f64);
                *line = Line { mean, scale: of_line[0], shift: of_line[1], slope: of_line[2] };
            }
            let block = Columns { g, x, gamma, lines, width };
            let mut at = 0;
            // SAFETY: the processor has the instructions of `V`; all columns lie before `width`.
            unsafe {
                while at + 4 * V::LANES <= width {
                    block.whole::<V, 4>(at, out, [&mut *of_gamma, &mut *of_beta]);
                    at += 4 * V::LANES;
                }
                while at + V::LANES <= width {
                    block.whole::<V, 1>(at, out, [&mut *of_gamma, &mut *of_beta]);
                    at += V::LANES;
                }
                if at < width {
                    block.first::<V>(at, out, [&mut *of_gamma, &mut *of_beta]);
                }
            }
        }
    }
}

/// Some lines of which the gradients are computed column by column, so that the sums over the lines stay in registers.
struct Columns<'a, T> {
    g: &'a [T],
    x: &'a [T],
    gamma: &'a [T],
    lines: &'a [Line<T>],
    width: usize,
}

impl<T: Float> Columns<'_, T> {
    /// `N` vectors of columns.
    ///
    /// # Safety
    /// The processor has the instructions of `V`. The columns lie within the lines; `out` has the size of `g`.
    #[inline(always)]
    unsafe fn whole<V: Lanes<T>, const N: usize>(&self, at: usize, out: &mut [T], totals: [&mut [T]; 2]) {
        let Columns { g, x, gamma, lines, width } = *self;
        // SAFETY: as this function demands.
        unsafe {
            let totals = totals.map(|total| total.as_mut_ptr().add(at));
            let gamma: [V; N] = std::array::from_fn(|k| V::load(gamma.as_ptr().add(at + k * V::LANES)));
            let [mut of_gamma, mut of_beta] =
                totals.map(|total| std::array::from_fn::<V, N, _>(|k| V::load(total.add(k * V::LANES))));
            for (row, line) in lines.iter().enumerate() {
                let start = row * width + at;
                let (g, x, out) = (g.as_ptr().add(start), x.as_ptr().add(start), out.as_mut_ptr().add(start));
                let (mean, scale) = (V::splat(line.mean), V::splat(line.scale));
                let (shift, slope) = (V::splat(line.shift), V::splat(line.slope));
                for k in 0..N {
                    let g = V::load(g.add(k * V::LANES));
                    let n = V::load(x.add(k * V::LANES)).sub(mean).mul(scale);
                    of_gamma[k] = g.multiply_add(n, of_gamma[k]);
                    of_beta[k] = of_beta[k].add(g);
                    g.mul(gamma[k]).sub(n.multiply_add(slope, shift)).mul(scale).store(out.add(k * V::LANES));
                }
            }
            for k in 0..N {
                of_gamma[k].store(totals[0].add(k * V::LANES));
                of_beta[k].store(totals[1].add(k * V::LANES));
            }
        }
    }

    /// The last columns, less than a vector.
    ///
    /// # Safety
    /// As of [`Columns::whole`].
    #[inline(always)]
    unsafe fn first<V: Lanes<T>>(&self, at: usize, out: &mut [T], totals: [&mut [T]; 2]) {
        let Columns { g, x, gamma, lines, width } = *self;
        let count = width - at;
        // SAFETY: as this function demands; only the columns up to `width` are read and written.
        unsafe {
            let zero = V::splat(T::zero());
            let totals = totals.map(|total| total.as_mut_ptr().add(at));
            let gamma = V::load_first(gamma.as_ptr().add(at), count, zero);
            let [mut of_gamma, mut of_beta] = totals.map(|total| V::load_first(total, count, zero));
            for (row, line) in lines.iter().enumerate() {
                let start = row * width + at;
                let (mean, scale) = (V::splat(line.mean), V::splat(line.scale));
                let (shift, slope) = (V::splat(line.shift), V::splat(line.slope));
                let g = V::load_first(g.as_ptr().add(start), count, zero);
                let n = V::load_first(x.as_ptr().add(start), count, zero).sub(mean).mul(scale);
                of_gamma = g.multiply_add(n, of_gamma);
                of_beta = of_beta.add(g);
                let h = g.mul(gamma);
                h.sub(n.multiply_add(slope, shift)).mul(scale).store_first(out.as_mut_ptr().add(start), count);
            }
            of_gamma.store_first(totals[0], count);
            of_beta.store_first(totals[1], count);
        }
    }
}
