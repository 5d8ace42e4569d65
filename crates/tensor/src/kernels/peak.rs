//! Multiply-adds in registers: the fastest arithmetic that the processor can do, because nothing waits for memory.
#![allow(unsafe_code)]

use crate::dtype::Float;
use crate::kernels::simd::{InstructionSet, instruction_set};
use crate::kernels::vector::Vector;

const FACTOR: f64 = 0.5;
const ADDEND: f64 = 1.0;

/// A loop that replaces every value `x` by `x · 0.5 + 1`, many times, in the vector registers of one instruction set.
/// The values converge to 2, so no step meets a subnormal number, which would be slow.
pub(crate) struct RegisterLoop<T> {
    /// The number of values. Each register of values is an independent chain of multiply-adds; there are enough of
    /// them to hide the latency of one multiply-add and to occupy every unit.
    pub(crate) values: usize,
    /// # Safety
    /// The processor has the instructions, and there are exactly `values` values.
    run: unsafe fn(&mut [T], usize),
}

impl<T: Float> RegisterLoop<T> {
    /// Applies `steps` multiply-adds to each of the [`values`](RegisterLoop::values).
    pub(crate) fn run(&self, values: &mut [T], steps: usize) {
        assert_eq!(values.len(), self.values, "the values fill the registers");
        // SAFETY: the values fill the registers. `available` and the tests return only loops whose instructions the
        // processor has.
        unsafe { (self.run)(values, steps) }
    }
}

/// The body of a [`RegisterLoop`] on `CHAINS` registers.
///
/// # Safety
/// The processor has the instructions of `V`, and `values` has `CHAINS · LANES` elements.
#[inline(always)]
unsafe fn multiply_adds<T: Float, V: Vector<T>, const CHAINS: usize>(values: &mut [T], steps: usize) {
    // SAFETY: the processor has the instructions of `V`, as the caller guarantees, and register `k` is loaded from and
    // stored to the elements `k · LANES..(k + 1) · LANES`, which exist for every `k < CHAINS`.
    unsafe {
        let (factor, addend) = (V::splat(T::from_f64(FACTOR)), V::splat(T::from_f64(ADDEND)));
        let at = values.as_mut_ptr();
        let mut registers: [V; CHAINS] = std::array::from_fn(|k| V::load(at.add(k * V::LANES)));
        for _ in 0..steps {
            for register in &mut registers {
                *register = register.multiply_add(factor, addend);
            }
        }
        for (k, register) in registers.into_iter().enumerate() {
            register.store(at.add(k * V::LANES));
        }
    }
}

/// An element type with register loops.
pub(crate) trait Registers: Float {
    /// The loop for the instruction set in use.
    fn available() -> RegisterLoop<Self>;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    use super::{RegisterLoop, multiply_adds};

    /// A loop on `$chains` registers.
    macro_rules! register_loop {
        ($features:literal: $chains:literal of $vector:ty, $T:ty) => {{
            /// # Safety
            /// As of [`RegisterLoop`]'s `run`.
            #[target_feature(enable = $features)]
            unsafe fn run(values: &mut [$T], steps: usize) {
                // SAFETY: the caller guarantees the number of values, and calls this only if the processor has the
                // features.
                unsafe { multiply_adds::<$T, $vector, $chains>(values, steps) }
            }
            RegisterLoop { values: $chains * size_of::<$vector>() / size_of::<$T>(), run }
        }};
    }

    // Two units with a latency of four or five cycles need ten chains. AVX2 has 16 registers, two of which hold the
    // constants; AVX-512 has 32.
    pub(super) const AVX512_F32: RegisterLoop<f32> = register_loop!("avx512f": 16 of __m512, f32);
    pub(super) const AVX512_F64: RegisterLoop<f64> = register_loop!("avx512f": 16 of __m512d, f64);
    pub(super) const AVX2_F32: RegisterLoop<f32> = register_loop!("avx2,fma": 12 of __m256, f32);
    pub(super) const AVX2_F64: RegisterLoop<f64> = register_loop!("avx2,fma": 12 of __m256d, f64);
}

/// A loop for any processor, on `CHAINS` groups of four values.
const fn portable<T: Float, const CHAINS: usize>() -> RegisterLoop<T> {
    RegisterLoop { values: 4 * CHAINS, run: multiply_adds::<T, [T; 4], CHAINS> }
}

/// Registers of 128 bits that hold values: of 16 on x86-64, and of 32 on 64-bit ARM.
const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 24 } else { 12 };
const BASE_F32: RegisterLoop<f32> = portable::<f32, REGISTERS>();
const BASE_F64: RegisterLoop<f64> = portable::<f64, { REGISTERS / 2 }>();

macro_rules! registers {
    ($T:ty: $avx512:ident $avx2:ident $base:ident) => {
        impl Registers for $T {
            fn available() -> RegisterLoop<$T> {
                match instruction_set() {
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx512 => x86::$avx512,
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx2 => x86::$avx2,
                    _ => $base,
                }
            }
        }
    };
}

registers!(f32: AVX512_F32 AVX2_F32 BASE_F32);
registers!(f64: AVX512_F64 AVX2_F64 BASE_F64);

#[cfg(test)]
mod tests {
    use super::*;

    /// After n steps, x is 2 + (x - 2) / 2ⁿ. That is exact for small integers and few steps.
    fn check<T: Float>(register_loop: RegisterLoop<T>) {
        for steps in [0, 1, 10] {
            let start = |k: usize| k as f64 - 20.0;
            let mut values: Vec<T> = (0..register_loop.values).map(|k| T::from_f64(start(k))).collect();
            register_loop.run(&mut values, steps);
            for (k, &value) in values.iter().enumerate() {
                assert_eq!(value.to_f64(), 2.0 + (start(k) - 2.0) / (1 << steps) as f64, "value {k}, {steps} steps");
            }
        }
    }

    #[test]
    fn every_value_takes_every_step_on_every_instruction_set() {
        check(BASE_F32);
        check(BASE_F64);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                check(x86::AVX2_F32);
                check(x86::AVX2_F64);
            }
            if is_x86_feature_detected!("avx512f") {
                check(x86::AVX512_F32);
                check(x86::AVX512_F64);
            }
        }
    }

    #[test]
    #[should_panic(expected = "the values fill the registers")]
    fn the_values_must_fill_the_registers() {
        BASE_F32.run(&mut [0.0; 3], 1);
    }
}
