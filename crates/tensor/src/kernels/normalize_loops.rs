//! The loops of [`normalize`](super::normalize). They go over rows of places, with coefficients for each place.
#![allow(unsafe_code)]

use crate::dtype::Float;
use crate::kernels::lanes::{Lanes, VectorLoop};

/// Elements that are added place by place in the element type before the sums are added in float64.
const BLOCK: usize = 4096;
/// The maximum number of elements per place among them.
const ROWS: usize = 64;
/// Vectors of places whose sums are in registers.
const VECTORS: usize = 4;

/// Adds the sums of deviations from a centre and of their squares to `totals`, place by place; or, with the factors `g`, the
/// sums of these and of their products with the deviations.
pub(crate) struct Sums<'a, T> {
    pub(crate) g: Option<&'a [T]>,
    pub(crate) x: &'a [T],
    pub(crate) centre: &'a [T],
    pub(crate) totals: [&'a mut [f64]; 2],
}

impl<T: Float> VectorLoop<T> for Sums<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<T>>(self) {
        let Sums { g, x, centre, totals: [first, second] } = self;
        let width = centre.len();
        assert!(g.is_none_or(|g| g.len() == x.len()) && first.len() == width && second.len() == width);
        let block = (BLOCK / width).clamp(1, ROWS) * width;
        for start in (0..x.len()).step_by(block) {
            let elements = start..(start + block).min(x.len());
            // The last row may be shorter: its places have one element more than those after it.
            let rows = elements.len() / width;
            let (whole, rest) = (elements.start + rows * width, elements.len() % width);
            for (from, rows, width) in [(elements.start, rows, width), (whole, 1, rest)] {
                let mut at = 0;
                while at < width && rows > 0 {
                    let count = (width - at).min(VECTORS * V::LANES);
                    let mut sums = [[T::zero(); VECTORS * 16]; 2];
                    let block = Block { x, centre, rows, stride: centre.len(), from, at, count };
                    // SAFETY: the processor has the instructions of `V`; the rows and places lie in the slices.
                    unsafe {
                        match (g, count == VECTORS * V::LANES) {
                            (None, true) => block.whole::<V, false>(x, &mut sums),
                            (Some(g), true) => block.whole::<V, true>(g, &mut sums),
                            (None, false) => block.narrow::<V, false>(x, &mut sums),
                            (Some(g), false) => block.narrow::<V, true>(g, &mut sums),
                        }
                    }
                    for (totals, sums) in [&mut *first, &mut *second].into_iter().zip(&sums) {
                        totals[at..at + count].iter_mut().zip(sums).for_each(|(total, &sum)| *total += sum.to_f64());
                    }
                    at += count;
                }
            }
        }
    }
}

/// The places `at..at + count` of rows, the first of which starts at `from`.
struct Block<'a, T> {
    x: &'a [T],
    centre: &'a [T],
    rows: usize,
    stride: usize,
    from: usize,
    at: usize,
    count: usize,
}

impl<T: Float> Block<'_, T> {
    /// Sums `VECTORS` vectors of places.
    ///
    /// # Safety
    /// The processor has the instructions of `V`; the places lie in the slices.
    #[inline(always)]
    unsafe fn whole<V: Lanes<T>, const FACTORS: bool>(&self, g: &[T], sums: &mut [[T; VECTORS * 16]; 2]) {
        // SAFETY: as this function demands; a vector has at most 16 lanes.
        unsafe {
            let centre = self.centre.as_ptr().add(self.at);
            let centre: [V; VECTORS] = std::array::from_fn(|k| V::load(centre.add(k * V::LANES)));
            let mut first = [V::splat(T::zero()); VECTORS];
            let mut second = first;
            for row in 0..self.rows {
                let start = self.from + row * self.stride + self.at;
                for k in 0..VECTORS {
                    let apart = V::load(self.x.as_ptr().add(start + k * V::LANES)).sub(centre[k]);
                    let factor = if FACTORS { V::load(g.as_ptr().add(start + k * V::LANES)) } else { apart };
                    first[k] = first[k].add(factor);
                    second[k] = factor.multiply_add(apart, second[k]);
                }
            }
            for (sums, vectors) in sums.iter_mut().zip([first, second]) {
                for (k, vector) in vectors.into_iter().enumerate() {
                    vector.store(sums.as_mut_ptr().add(k * V::LANES));
                }
            }
        }
    }

    /// Sums fewer places, vector by vector.
    ///
    /// # Safety
    /// As of [`Block::whole`].
    #[inline(always)]
    unsafe fn narrow<V: Lanes<T>, const FACTORS: bool>(&self, g: &[T], sums: &mut [[T; VECTORS * 16]; 2]) {
        for offset in (0..self.count).step_by(V::LANES) {
            let (at, count) = (self.at + offset, (self.count - offset).min(V::LANES));
            // SAFETY: as this function demands; only `count` places are read and written.
            unsafe {
                let zero = V::splat(T::zero());
                let centre = V::load_first(self.centre.as_ptr().add(at), count, zero);
                let [mut first, mut second] = [zero; 2];
                for row in 0..self.rows {
                    let start = self.from + row * self.stride + at;
                    let apart = V::load_first(self.x.as_ptr().add(start), count, zero).sub(centre);
                    let factor = if FACTORS { V::load_first(g.as_ptr().add(start), count, zero) } else { apart };
                    first = first.add(factor);
                    second = factor.multiply_add(apart, second);
                }
                first.store_first(sums[0].as_mut_ptr().add(offset), count);
                second.store_first(sums[1].as_mut_ptr().add(offset), count);
            }
        }
    }
}

/// Writes `(x - mean) · factor + shift`.
pub(crate) struct Normalized<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) mean: &'a [T],
    pub(crate) factor: &'a [T],
    pub(crate) shift: &'a [T],
    pub(crate) out: &'a mut [T],
}

impl<T: Float> VectorLoop<T> for Normalized<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<T>>(self) {
        let Normalized { x, mean, factor, shift, out } = self;
        let width = mean.len();
        assert!(factor.len() == width && shift.len() == width && x.len() == out.len());
        for (x, out) in x.chunks(width).zip(out.chunks_mut(width)) {
            let (width, out) = (x.len(), out.as_mut_ptr());
            let [x, mean, factor, shift] = [x, mean, factor, shift].map(<[T]>::as_ptr);
            // SAFETY: the processor has the instructions of `V`; all slices have at least `width` elements.
            unsafe {
                let term = |[x, mean, factor, shift]: [V; 4]| x.sub(mean).multiply_add(factor, shift);
                let mut at = 0;
                while at + V::LANES <= width {
                    term([x, mean, factor, shift].map(|from| V::load(from.add(at)))).store(out.add(at));
                    at += V::LANES;
                }
                if at < width {
                    let load = |from: *const T| V::load_first(from.add(at), width - at, V::splat(T::zero()));
                    term([x, mean, factor, shift].map(load)).store_first(out.add(at), width - at);
                }
            }
        }
    }
}

/// Writes `g · factor - (shift + (x - mean) · slope)`.
pub(crate) struct Gradient<'a, T> {
    pub(crate) g: &'a [T],
    pub(crate) x: &'a [T],
    pub(crate) mean: &'a [T],
    pub(crate) factor: &'a [T],
    pub(crate) shift: &'a [T],
    pub(crate) slope: &'a [T],
    pub(crate) out: &'a mut [T],
}

impl<T: Float> VectorLoop<T> for Gradient<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<T>>(self) {
        let Gradient { g, x, mean, factor, shift, slope, out } = self;
        let width = mean.len();
        assert!([factor, shift, slope].iter().all(|values| values.len() == width));
        assert!(g.len() == out.len() && x.len() == out.len());
        for ((g, x), out) in g.chunks(width).zip(x.chunks(width)).zip(out.chunks_mut(width)) {
            let (width, out) = (x.len(), out.as_mut_ptr());
            let operands = [g, x, mean, factor, shift, slope].map(<[T]>::as_ptr);
            // SAFETY: the processor has the instructions of `V`; all slices have at least `width` elements.
            unsafe {
                let term = |[g, x, mean, factor, shift, slope]: [V; 6]| {
                    g.mul(factor).sub(x.sub(mean).multiply_add(slope, shift))
                };
                let mut at = 0;
                while at + V::LANES <= width {
                    term(operands.map(|from| V::load(from.add(at)))).store(out.add(at));
                    at += V::LANES;
                }
                if at < width {
                    let load = |from: *const T| V::load_first(from.add(at), width - at, V::splat(T::zero()));
                    term(operands.map(load)).store_first(out.add(at), width - at);
                }
            }
        }
    }
}
