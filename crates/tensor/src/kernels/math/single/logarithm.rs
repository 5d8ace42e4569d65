//! The natural logarithm: `ln x = e ln 2 + ln(1 + f)` with an integer `e` and `√½ ≤ 1 + f < √2`.

use super::exponential::LN_2;
use super::{MultiplyAdd, polynomial};

/// `(ln(1 + f) - f + f²/2) / f³` for `√½ ≤ 1 + f ≤ √2`; error times `f³ / ln(1 + f)`: 2⁻²⁷.
const LOG: [f32; 8] =
    [0.333_333_3, -0.250_008_23, 0.200_012_6, -0.166_233_44, 0.142_010_51, -0.131_595_43, 0.127_658_98, -0.076_414_29];

/// `(ln(1 + s) - s) / s²` for `0 ≤ s ≤ 1`; error times `s² / ln(1 + s)`: 2⁻²⁷.
const UNIT: [f32; 10] = [
    -0.499_999_88,
    0.333_327_14,
    -0.249_888_64,
    0.198_996_22,
    -0.161_351_64,
    0.124_795_064,
    -0.083_238_56,
    0.042_114_45,
    -0.013_691_49,
    0.002_084_509,
];

const SQRT_HALF: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();

/// The bits of the mantissa.
const MANTISSA: u32 = (1 << 23) - 1;

/// `e ln 2 + ln(1 + f)`.
#[inline(always)]
fn joined<M: MultiplyAdd>(e: f32, f: f32) -> f32 {
    let series = M::multiply_add(f, polynomial::<M, _>(f, &LOG), -0.5);
    M::multiply_add(e, LN_2.0, f + M::multiply_add(f * f, series, e * LN_2.1))
}

/// `e` and `f` of a positive normal number.
#[inline(always)]
fn parts(x: f32) -> (f32, f32) {
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    ((bits as i32 >> 23) as f32, f32::from_bits((bits & MANTISSA).wrapping_add(SQRT_HALF)) - 1.0)
}

/// `ln x` for positive normal numbers.
#[inline(always)]
pub(in super::super) fn log_of_normal<M: MultiplyAdd>(x: f32) -> f32 {
    let (e, f) = parts(x);
    joined::<M>(e, f)
}

/// `ln x`.
#[inline(always)]
pub(in super::super) fn log<M: MultiplyAdd>(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let (e, f) = parts(if subnormal { x * 8_388_608.0 } else { x });
    let result = joined::<M>(e - if subnormal { 23.0 } else { 0.0 }, f);
    let special = if x < 0.0 { f32::NAN } else { x };
    let special = if x == 0.0 { f32::NEG_INFINITY } else { special };
    if x > 0.0 && x < f32::INFINITY { result } else { special }
}

/// `ln(1 + x)`.
#[inline(always)]
pub(in super::super) fn log1p<M: MultiplyAdd>(x: f32) -> f32 {
    let bits = (1.0 + x).to_bits().wrapping_sub(SQRT_HALF);
    // 2⁻ᵉ, by way of 2²⁻ᵉ, because its exponent may be that of a subnormal number.
    let power = 0.25 * f32::from_bits((129u32 << 23).wrapping_sub(bits & !MANTISSA));
    // (1 + x) 2⁻ᵉ - 1, in which the second difference is exact where it counts.
    let f = M::multiply_add(x, power, power - 1.0);
    // Keeps the sign of 0.
    let result = joined::<M>((bits as i32 >> 23) as f32, f).copysign(x);
    let special = if x < -1.0 { f32::NAN } else { x };
    let special = if x == -1.0 { f32::NEG_INFINITY } else { special };
    if x > -1.0 && x < f32::INFINITY { result } else { special }
}

/// `ln(1 + s)` for `0 ≤ s ≤ 1`.
#[inline(always)]
pub(super) fn log1p_of_unit<M: MultiplyAdd>(s: f32) -> f32 {
    M::multiply_add(s * s, polynomial::<M, _>(s, &UNIT), s)
}
