//! The inner loop of convolutions: a tile of sums of products that stays in registers.
//!
//! [`HEIGHT`] sums are held for each of the columns that one or two vectors have, which leaves
//! enough independent additions to keep the multipliers busy. Every sum is taken in the order of
//! the runs, so that it depends on nothing but the operands.
#![allow(unsafe_code)]

use crate::dtype::Float;

/// The rows of a tile.
pub(crate) const HEIGHT: usize = 8;
/// The most columns of a tile.
const WIDTH: usize = 32;

/// What a tile sums: in row `p` and column `c`
/// `Σ data[starts[p] + run + j · step] · rows[i · stride + c]`
/// over all runs and, within each, over `j` below `length`, `i` counting all of these.
pub(crate) struct Products<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) runs: &'a [usize],
    pub(crate) length: usize,
    pub(crate) step: usize,
    pub(crate) rows: &'a [T],
    pub(crate) stride: usize,
}

/// Where the sums go: those of row `p` to the first `width` elements from `places[p]` on, instead of
/// what is there, or added to it.
pub(crate) struct Target<'a, T> {
    pub(crate) out: &'a mut [T],
    pub(crate) places: &'a [usize],
    pub(crate) width: usize,
    pub(crate) add: bool,
}

/// An element type for which there are tiles.
pub(crate) trait Tiled: Float {
    /// The widest tile of this processor, and a narrower one for few columns (or the same).
    fn tiles() -> [Tile<Self>; 2];
}

/// A tile of a certain number of columns.
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    pub(crate) width: usize,
    /// # Safety
    /// The processor has the instructions, and all that is read or written lies within the slices.
    sum: unsafe fn(&Products<T>, &[usize; HEIGHT], Target<T>),
}

impl<T: Tiled> Tile<T> {
    /// Sums a tile whose rows start at `starts`; those that have no place are left out.
    #[inline]
    pub(crate) fn sum(&self, products: &Products<T>, starts: &[usize; HEIGHT], target: Target<T>) {
        let Products { data, runs, length, step, rows, stride } = products;
        let furthest = |indices: &[usize]| indices.iter().copied().max().unwrap_or(0);
        if runs.len() * length > 0 {
            let last = furthest(starts) + furthest(runs) + (length - 1) * step;
            assert!(last < data.len(), "windows lie within the data");
            assert!((runs.len() * length - 1) * stride + self.width <= rows.len(), "as many rows as products");
        }
        let Target { out, places, width, .. } = &target;
        assert!(*width <= self.width && places.len() <= HEIGHT, "a tile holds the sums");
        assert!(furthest(places) + width <= out.len(), "the sums lie within their target");
        // SAFETY: a tile is only made for a processor that has its instructions; the furthest
        // elements lie within the slices, and no index is negative.
        unsafe { (self.sum)(products, starts, target) }
    }
}

/// A vector register: only used where the processor has it.
trait Vector<T>: Copy {
    const LANES: usize;
    fn splat(value: T) -> Self;
    /// # Safety
    /// `LANES` elements may be read.
    unsafe fn load(from: *const T) -> Self;
    /// # Safety
    /// `LANES` elements may be written.
    unsafe fn store(self, to: *mut T);
    /// `self · factor + addend`.
    fn multiply_add(self, factor: Self, addend: Self) -> Self;
}

/// # Safety
/// As of a tile's `sum`; this is compiled into functions that enable the instructions.
#[inline(always)]
unsafe fn sum<T: Float, V: Vector<T>, const VECTORS: usize>(
    products: &Products<T>,
    starts: &[usize; HEIGHT],
    target: Target<T>,
) {
    let Products { data, runs, length, step, rows, stride } = *products;
    // SAFETY: the caller vouches for all that is read and written; a tile has at most WIDTH columns.
    unsafe {
        let starts: [*const T; HEIGHT] = starts.map(|start| data.as_ptr().wrapping_add(start));
        let mut row = rows.as_ptr();
        let mut sums = [[V::splat(T::zero()); VECTORS]; HEIGHT];
        for &run in runs {
            let mut at = run;
            for _ in 0..length {
                let factors: [V; VECTORS] = std::array::from_fn(|v| V::load(row.add(v * V::LANES)));
                for (sums, start) in sums.iter_mut().zip(starts) {
                    let value = V::splat(*start.add(at));
                    for (sum, factor) in sums.iter_mut().zip(factors) {
                        *sum = value.multiply_add(factor, *sum);
                    }
                }
                row = row.wrapping_add(stride);
                at += step;
            }
        }
        // All loops over the sums have a constant number of rounds: else they would not stay in
        // registers.
        let Target { out, places, width, add } = target;
        match <&[usize; HEIGHT]>::try_from(places) {
            Ok(places) if width == VECTORS * V::LANES && add => {
                for (sums, place) in sums.iter().zip(places) {
                    for (v, sum) in sums.iter().enumerate() {
                        let to = out.as_mut_ptr().add(place + v * V::LANES);
                        sum.multiply_add(V::splat(T::one()), V::load(to)).store(to);
                    }
                }
            }
            Ok(places) if width == VECTORS * V::LANES => {
                for (sums, place) in sums.iter().zip(places) {
                    for (v, sum) in sums.iter().enumerate() {
                        sum.store(out.as_mut_ptr().add(place + v * V::LANES));
                    }
                }
            }
            _ => {
                let mut parts = [[T::zero(); WIDTH]; HEIGHT];
                for (sums, part) in sums.iter().zip(&mut parts) {
                    for (v, sum) in sums.iter().enumerate() {
                        sum.store(part.as_mut_ptr().add(v * V::LANES));
                    }
                }
                for (part, &place) in parts.iter().zip(places) {
                    for (out, &part) in out[place..place + width].iter_mut().zip(part) {
                        *out = if add { *out + part } else { part };
                    }
                }
            }
        }
    }
}

/// For processors without wider vectors, and those we do not know.
impl<T: Float> Vector<T> for [T; 4] {
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(value: T) -> Self {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller vouches for four elements.
        unsafe { from.cast::<[T; 4]>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller vouches for four elements.
        unsafe { to.cast::<[T; 4]>().write(self) }
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        std::array::from_fn(|k| self[k] * factor[k] + addend[k])
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{HEIGHT, Products, Target, Vector, sum};

    macro_rules! vectors {
        ($($T:ty, $vector:ty, $lanes:literal: $splat:ident $load:ident $store:ident $multiply_add:ident;)*) => {$(
            impl Vector<$T> for $vector {
                const LANES: usize = $lanes;

                #[inline(always)]
                fn splat(value: $T) -> Self {
                    // SAFETY: the processor has these instructions, of which tiles make sure.
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                unsafe fn load(from: *const $T) -> Self {
                    // SAFETY: the processor has these instructions, of which tiles make sure; the caller vouches for the elements.
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $T) {
                    // SAFETY: the processor has these instructions, of which tiles make sure; the caller vouches for the elements.
                    unsafe { $store(to, self) }
                }

                #[inline(always)]
                fn multiply_add(self, factor: Self, addend: Self) -> Self {
                    // SAFETY: the processor has these instructions, of which tiles make sure.
                    unsafe { $multiply_add(self, factor, addend) }
                }
            }
        )*};
    }

    vectors! {
        f32, __m512, 16: _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps;
        f64, __m512d, 8: _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd;
        f32, __m256, 8: _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps;
        f64, __m256d, 4: _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd;
    }

    macro_rules! tiles {
        ($($name:ident $features:literal $T:ty, $vector:ty, $vectors:literal;)*) => {$(
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $name(products: &Products<$T>, starts: &[usize; HEIGHT], target: Target<$T>) {
                // SAFETY: passed on.
                unsafe { sum::<$T, $vector, $vectors>(products, starts, target) }
            }
        )*};
    }

    tiles! {
        avx512_wide_f32 "avx512f" f32, __m512, 2;
        avx512_narrow_f32 "avx512f" f32, __m512, 1;
        avx512_wide_f64 "avx512f" f64, __m512d, 2;
        avx512_narrow_f64 "avx512f" f64, __m512d, 1;
        avx2_f32 "avx2,fma" f32, __m256, 1;
        avx2_f64 "avx2,fma" f64, __m256d, 1;
    }
}

macro_rules! tiled {
    ($T:ty, $lanes:literal: $wide:ident $narrow:ident $avx2:ident) => {
        impl Tiled for $T {
            fn tiles() -> [Tile<$T>; 2] {
                #[cfg(target_arch = "x86_64")]
                {
                    if is_x86_feature_detected!("avx512f") {
                        return [
                            Tile { width: 2 * $lanes, sum: x86::$wide },
                            Tile { width: $lanes, sum: x86::$narrow },
                        ];
                    }
                    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                        return [Tile { width: $lanes / 2, sum: x86::$avx2 }; 2];
                    }
                }
                portable()
            }
        }
    };
}

tiled!(f32, 16: avx512_wide_f32 avx512_narrow_f32 avx2_f32);
tiled!(f64, 8: avx512_wide_f64 avx512_narrow_f64 avx2_f64);

fn portable<T: Float>() -> [Tile<T>; 2] {
    [Tile { width: 8, sum: sum::<T, [T; 4], 2> }, Tile { width: 4, sum: sum::<T, [T; 4], 1> }]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tiles of this processor and the portable ones, also those of AVX2 where AVX-512 is.
    fn all<T: Tiled>(avx2: impl Fn() -> Option<Tile<T>>) -> Vec<Tile<T>> {
        T::tiles().into_iter().chain(portable()).chain(avx2()).collect()
    }

    fn check<T: Tiled>(tiles: Vec<Tile<T>>) {
        let numbers = |count: usize, scale: usize| -> Vec<T> {
            (0..count).map(|k| T::from_f64((k * scale % 17) as f64 - 8.0)).collect()
        };
        let (data, rows) = (numbers(100, 5), numbers(6 * 40, 7));
        let starts = [3, 0, 17, 9, 40, 1, 2, 50];
        for tile in tiles {
            let stride = tile.width + 3;
            let products = Products { data: &data, runs: &[5, 20], length: 3, step: 4, rows: &rows, stride };
            for (width, count, add) in
                [(tile.width, 8, false), (tile.width, 5, true), (tile.width - 1, 8, true), (1, 3, false)]
            {
                let mut out = vec![T::one(); 8 * tile.width];
                let places: [usize; 8] = std::array::from_fn(|p| (7 - p) * tile.width);
                let target = Target { out: &mut out, places: &places[..count], width, add };
                tile.sum(&products, &starts, target);
                for (p, c) in (0..8).flat_map(|p| (0..tile.width).map(move |c| (p, c))) {
                    // Integers: exact in any order.
                    let product = |i: usize| {
                        let at = starts[p] + [5, 20][i / 3] + i % 3 * 4;
                        data[at].to_f64() * rows[i * stride + c].to_f64()
                    };
                    let expected = match p < count && c < width {
                        true => f64::from(add) + (0..6).map(product).sum::<f64>(),
                        false => 1.0,
                    };
                    assert_eq!(out[places[p] + c].to_f64(), expected);
                }
            }
        }
    }

    #[test]
    fn a_tile_sums_products_on_every_instruction_set() {
        #[cfg(target_arch = "x86_64")]
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        #[cfg(target_arch = "x86_64")]
        {
            check::<f32>(all(|| avx2.then_some(Tile { width: 8, sum: x86::avx2_f32 })));
            check::<f64>(all(|| avx2.then_some(Tile { width: 4, sum: x86::avx2_f64 })));
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            check::<f32>(all(|| None));
            check::<f64>(all(|| None));
        }
    }

    #[test]
    #[should_panic(expected = "windows lie within the data")]
    fn a_tile_does_not_read_beyond_the_data() {
        let products = Products { data: &[0f32; 10], runs: &[0], length: 2, step: 3, rows: &[0.0; 100], stride: 32 };
        let target = Target { out: &mut [0.0; 32], places: &[0], width: 1, add: false };
        f32::tiles()[0].sum(&products, &[0, 0, 0, 0, 0, 0, 0, 7], target);
    }
}
