//! Vector registers, for loops whose values the compiler would not keep in registers.
#![allow(unsafe_code)]

use crate::dtype::Float;

/// A vector register.
pub(crate) trait Vector<T>: Copy {
    const LANES: usize;
    /// All lanes with one value.
    ///
    /// # Safety
    /// The processor has this register and its instructions.
    unsafe fn splat(value: T) -> Self;
    /// # Safety
    /// As of [`Vector::splat`], and `LANES` elements may be read from `from` on.
    unsafe fn load(from: *const T) -> Self;
    /// # Safety
    /// As of [`Vector::splat`], and `LANES` elements may be written from `to` on.
    unsafe fn store(self, to: *mut T);
    /// `self · factor + addend`.
    ///
    /// # Safety
    /// As of [`Vector::splat`].
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self;
    /// Prefetches an element into the cache. Any address is allowed.
    fn prefetch(_: *const T) {}
}

/// The fallback for processors without wider vectors, and for unknown ones.
impl<T: Float> Vector<T> for [T; 4] {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: `LANES`, four, elements may be read; an array needs no other alignment than its elements.
        unsafe { from.cast::<[T; 4]>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: `LANES`, four, elements may be written; an array needs no other alignment than its elements.
        unsafe { to.cast::<[T; 4]>().write(self) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        std::array::from_fn(|k| match cfg!(target_arch = "aarch64") {
            true => self[k].mul_add(factor[k], addend[k]),
            // `mul_add` is computed in software on processors without the instruction.
            false => self[k] * factor[k] + addend[k],
        })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    macro_rules! vectors {
        ($($T:ty, $vector:ty, $lanes:literal: $splat:ident $load:ident $store:ident $multiply_add:ident;)*) => {$(
            impl Vector<$T> for $vector {
                const LANES: usize = $lanes;

                #[inline(always)]
                unsafe fn splat(value: $T) -> Self {
                    // SAFETY: the processor has this instruction, as the trait demands.
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                unsafe fn load(from: *const $T) -> Self {
                    // SAFETY: the processor has this instruction and the elements may be read, as the trait demands; the
                    // instruction needs no alignment.
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $T) {
                    // SAFETY: the processor has this instruction and the elements may be written, as the trait demands; the
                    // instruction needs no alignment.
                    unsafe { $store(to, self) }
                }

                #[inline(always)]
                unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
                    // SAFETY: the processor has this instruction, as the trait demands.
                    unsafe { $multiply_add(self, factor, addend) }
                }

                #[inline(always)]
                fn prefetch(at: *const $T) {
                    // SAFETY: every x86-64 has this instruction, and it faults at no address.
                    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
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
}
