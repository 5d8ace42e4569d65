//! Loops over vector registers, compiled for several instruction sets and dispatched at run time. They are for sums, which
//! the compiler does not reorder, and which it does not keep in registers over several rows.
#![allow(unsafe_code)]

use crate::dtype::Float;
use crate::kernels::simd::{InstructionSet, instruction_set};
use crate::kernels::vector::Vector;

/// Arithmetic on a vector register.
pub(crate) trait Lanes<T>: Vector<T> {
    /// The first `count` elements from `from` on, at most `LANES`; the other lanes are those of `rest`.
    ///
    /// # Safety
    /// As of [`Vector::splat`], and `count` elements may be read.
    unsafe fn load_first(from: *const T, count: usize, rest: Self) -> Self;
    /// Stores the first `count` lanes, at most `LANES`.
    ///
    /// # Safety
    /// As of [`Vector::splat`], and `count` elements may be written.
    unsafe fn store_first(self, to: *mut T, count: usize);
    /// # Safety
    /// As of [`Vector::splat`].
    unsafe fn add(self, other: Self) -> Self;
    /// # Safety
    /// As of [`Vector::splat`].
    unsafe fn sub(self, other: Self) -> Self;
    /// # Safety
    /// As of [`Vector::splat`].
    unsafe fn mul(self, other: Self) -> Self;
    /// The sum of all lanes, added by halves.
    ///
    /// # Safety
    /// As of [`Vector::splat`].
    unsafe fn total(self) -> T;
}

/// An element type with its vector registers. float64 has none of AVX-512: it serves to check gradients.
pub(crate) trait Vectorized: Float {
    #[cfg(target_arch = "x86_64")]
    type Avx512: Lanes<Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx2: Lanes<Self>;
}

impl Vectorized for f32 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256;
}

impl Vectorized for f64 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m256d;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256d;
}

/// A loop over registers. Everything that `run` calls must be inlined into it.
pub(crate) trait VectorLoop<T>: Sized {
    type Output;
    /// # Safety
    /// The processor has the register `V` and its instructions.
    unsafe fn run<V: Lanes<T>>(self) -> Self::Output;
}

/// Runs a loop with the registers of the instruction set in use.
#[inline]
pub(crate) fn run_vector_loop<T: Vectorized, L: VectorLoop<T>>(body: L) -> L::Output {
    // SAFETY: the processor supports the set in use.
    unsafe { run_vector_loop_with(instruction_set(), body) }
}

/// # Safety
/// The processor supports `set`.
#[inline]
unsafe fn run_vector_loop_with<T: Vectorized, L: VectorLoop<T>>(set: InstructionSet, body: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
    fn avx512<T: Vectorized, L: VectorLoop<T>>(body: L) -> L::Output {
        // SAFETY: this function enables the instructions of the register.
        unsafe { body.run::<T::Avx512>() }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<T: Vectorized, L: VectorLoop<T>>(body: L) -> L::Output {
        // SAFETY: this function enables the instructions of the register.
        unsafe { body.run::<T::Avx2>() }
    }
    #[cfg(target_arch = "x86_64")]
    {
        if const { matches!(InstructionSet::of(T::DTYPE), InstructionSet::Avx512) } && set == InstructionSet::Avx512 {
            // SAFETY: the processor supports AVX-512, as this function demands.
            return unsafe { avx512(body) };
        }
        if set != InstructionSet::Base {
            // SAFETY: the processor supports AVX-512, which includes AVX2 and FMA, or these.
            return unsafe { avx2(body) };
        }
    }
    // SAFETY: arrays need no instructions.
    unsafe { body.run::<[T; 4]>() }
}

impl<T: Float> Lanes<T> for [T; 4] {
    #[inline(always)]
    unsafe fn load_first(from: *const T, count: usize, mut rest: Self) -> Self {
        for (k, lane) in rest.iter_mut().enumerate().take(count) {
            // SAFETY: `count` elements may be read.
            *lane = unsafe { from.add(k).read() };
        }
        rest
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, count: usize) {
        for (k, lane) in self.into_iter().enumerate().take(count) {
            // SAFETY: `count` elements may be written.
            unsafe { to.add(k).write(lane) };
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|k| self[k] + other[k])
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        std::array::from_fn(|k| self[k] - other[k])
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        std::array::from_fn(|k| self[k] * other[k])
    }

    #[inline(always)]
    unsafe fn total(self) -> T {
        (self[0] + self[2]) + (self[1] + self[3])
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Lanes;

    /// A mask of 8 lanes, of which the first `count` are set.
    ///
    /// # Safety
    /// The processor has AVX, and `count` is at most 8.
    #[inline(always)]
    unsafe fn mask8(count: usize) -> __m256i {
        const MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: `count` is at most 8, so that 8 elements remain, and the processor has the instruction.
        unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - count).cast()) }
    }

    /// A mask of 4 lanes, of which the first `count` are set.
    ///
    /// # Safety
    /// The processor has AVX, and `count` is at most 4.
    #[inline(always)]
    unsafe fn mask4(count: usize) -> __m256i {
        const MASK: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];
        // SAFETY: `count` is at most 4, so that 4 elements remain, and the processor has the instruction.
        unsafe { _mm256_loadu_si256(MASK.as_ptr().add(4 - count).cast()) }
    }

    macro_rules! lanes {
        ($($T:ty, $V:ty: $add:ident $sub:ident $mul:ident;
            load($from:ident, $count:ident, $rest:ident) $load:expr;
            store($to:ident, $n:ident, $all:ident) $store:expr;
            total($sum:ident) $total:expr;)*) => {$(
            impl Lanes<$T> for $V {
                #[inline(always)]
                unsafe fn load_first($from: *const $T, $count: usize, $rest: Self) -> Self {
                    // SAFETY: the processor has these instructions, which read only the lanes of the mask.
                    unsafe { $load }
                }

                #[inline(always)]
                unsafe fn store_first(self, $to: *mut $T, $n: usize) {
                    let $all = self;
                    // SAFETY: the processor has these instructions, which write only the lanes of the mask.
                    unsafe { $store }
                }

                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: the processor has this instruction, as the trait demands.
                    unsafe { $add(self, other) }
                }

                #[inline(always)]
                unsafe fn sub(self, other: Self) -> Self {
                    // SAFETY: the processor has this instruction, as the trait demands.
                    unsafe { $sub(self, other) }
                }

                #[inline(always)]
                unsafe fn mul(self, other: Self) -> Self {
                    // SAFETY: the processor has this instruction, as the trait demands.
                    unsafe { $mul(self, other) }
                }

                #[inline(always)]
                unsafe fn total(self) -> $T {
                    let $sum = self;
                    // SAFETY: the processor has these instructions, as the trait demands.
                    unsafe { $total }
                }
            }
        )*};
    }

    lanes! {
        f32, __m512: _mm512_add_ps _mm512_sub_ps _mm512_mul_ps;
            load(from, count, rest) _mm512_mask_loadu_ps(rest, ((1u32 << count) - 1) as u16, from);
            store(to, count, all) _mm512_mask_storeu_ps(to, ((1u32 << count) - 1) as u16, all);
            total(sum) {
                let high = _mm512_extractf32x8_ps::<1>(sum);
                Lanes::<f32>::total(_mm256_add_ps(_mm512_castps512_ps256(sum), high))
            };
        f32, __m256: _mm256_add_ps _mm256_sub_ps _mm256_mul_ps;
            load(from, count, rest) {
                let mask = mask8(count);
                _mm256_blendv_ps(rest, _mm256_maskload_ps(from, mask), _mm256_castsi256_ps(mask))
            };
            store(to, count, all) _mm256_maskstore_ps(to, mask8(count), all);
            total(sum) {
                let four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
            };
        f64, __m256d: _mm256_add_pd _mm256_sub_pd _mm256_mul_pd;
            load(from, count, rest) {
                let mask = mask4(count);
                _mm256_blendv_pd(rest, _mm256_maskload_pd(from, mask), _mm256_castsi256_pd(mask))
            };
            store(to, count, all) _mm256_maskstore_pd(to, mask4(count), all);
            total(sum) {
                let two = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd::<1>(sum));
                _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
            };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::sets;

    /// Sums of the first elements, and copies of them beside a border.
    struct Parts<'a, T>(&'a [T], &'a mut [T]);

    impl<T: Float> VectorLoop<T> for Parts<'_, T> {
        type Output = ();

        unsafe fn run<V: Lanes<T>>(self) {
            let Parts(values, out) = self;
            let border = T::from_f64(-1.0);
            for count in 0..=V::LANES.min(values.len()) {
                out.fill(border);
                // SAFETY: as this function demands; both slices have at least `count` elements.
                let (total, part) = unsafe {
                    let one = V::splat(T::one());
                    let first = V::load_first(values.as_ptr(), count, one);
                    first.store_first(out.as_mut_ptr(), count);
                    (first.total(), first.sub(one).mul(first).add(one).total())
                };
                let padded = |k: usize| if k < count { values[k] } else { T::one() };
                assert_eq!(total, (0..V::LANES).map(padded).sum::<T>());
                assert_eq!(part, (0..V::LANES).map(padded).map(|x| (x - T::one()) * x + T::one()).sum::<T>());
                assert_eq!(out[..count], values[..count]);
                assert!(out[count..].iter().all(|&x| x == border));
            }
        }
    }

    #[test]
    fn parts_of_registers_leave_their_surroundings_alone() {
        fn check<T: Vectorized>(set: InstructionSet) {
            // Small integers, whose sums are exact. The last loads end with the slice.
            let values: Vec<T> = (2..18).map(|k| T::from_f64(f64::from(k))).collect();
            for start in 0..values.len() {
                let mut out = vec![T::zero(); 20];
                // SAFETY: the processor supports the available sets.
                unsafe { run_vector_loop_with(set, Parts(&values[start..], &mut out)) };
            }
        }
        for set in sets::available() {
            check::<f32>(set);
            check::<f64>(set);
        }
    }
}
