//! Mathematical functions as straight-line code, which the compiler vectorizes.
//!
//! There are no branches, tables or calls, so each element gets the same bits at every position of a slice. Arithmetic on
//! bits wraps, because it overflows for NaN. float64 is computed without fused multiply-adds, to the same bits on every
//! instruction set; float32 with them where the loop's instruction set has them (see [`MultiplyAdd`]), so its bits may
//! differ between `base` and the other sets.
//!
//! The polynomials are minimax approximations, computed with the Remez algorithm and rounded to their type. The comment
//! on each gives its function, argument, range and largest error, or the largest product of the error and a weight. Those
//! of float32 aim at 2⁻²⁶ or below (float32 rounds by 2⁻²⁴), those of float64 at 2⁻⁵⁶ (float64 rounds by 2⁻⁵³).

mod double;
mod single;
mod trigonometric;

pub(crate) use single::{Fused, MultiplyAdd, Separate};
pub(crate) use trigonometric::REDUCIBLE;

use crate::dtype::{DType, Float};

/// Each function, for float32 or float64. `M` is how float32 multiplies and adds.
macro_rules! functions {
    ($($name:ident)*) => {$(
        #[inline(always)]
        pub(crate) fn $name<M: MultiplyAdd, T: Float>(x: T) -> T {
            match T::DTYPE {
                DType::F32 => from_single(single::$name::<M>(to_single(x))),
                _ => T::from_f64(double::$name(x.to_f64())),
            }
        }
    )*};
}

/// The identity for float32. Not by way of float64: comparisons would be compiled for float64.
#[inline(always)]
fn to_single<T: Float>(x: T) -> f32 {
    x.to_f32().unwrap_or(f32::NAN)
}

/// The identity for float32.
#[inline(always)]
fn from_single<T: Float>(x: f32) -> T {
    T::from(x).unwrap_or(T::nan())
}

functions! {
    exp exp_of_negative expm1 log log_of_normal log1p sigmoid silu silu_slope softplus tanh erf erf_slope gelu gelu_slope gelu_tanh
    gelu_tanh_slope
}

/// Functions that compute in float64 for both types.
macro_rules! trigonometric {
    ($($name:ident)*) => {$(
        #[inline(always)]
        pub(crate) fn $name<T: Float>(x: T) -> T {
            T::from_f64(trigonometric::$name::<T>(x.to_f64()))
        }
    )*};
}

trigonometric!(sin cos tan);

#[cfg(test)]
mod tests;
