//! Half precision: float16 (IEEE 754 binary16) and bfloat16 (the upper half of a float32).

/// Converts a float16 exactly.
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::from_bits(u32::from(bits & 0x8000) << 16 | 0x7f80_0000 | u32::from(bits & 0x3ff) << 13),
        _ => sign * (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// Rounds to the nearest float16, ties to even. Values out of range become infinities.
pub(crate) fn f32_to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = value.abs();
    if magnitude.is_nan() {
        return sign | 0x7e00 | (bits >> 13) as u16 & 0x3ff;
    }
    // Halfway between the largest float16, 65504, and the next value of an unbounded exponent.
    if magnitude >= 65520.0 {
        return sign | 0x7c00;
    }
    // Below 2⁻¹⁴, float16 has steps of 2⁻²⁴. Adding 1/2 gives float32 the same steps, so the addition rounds correctly.
    if magnitude < 2f32.powi(-14) {
        return sign | (magnitude + 0.5).to_bits() as u16;
    }
    // Changes the exponent bias from 127 to 15, and rounds off 13 bits of the fraction.
    let odd = bits >> 13 & 1;
    sign | ((magnitude.to_bits() - (112 << 23) + 0xfff + odd) >> 13) as u16
}

/// Converts a bfloat16 exactly.
pub(crate) fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Rounds to the nearest bfloat16, ties to even.
pub(crate) fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        // Rounding could turn it into an infinity.
        return (bits >> 16) as u16 | 0x40;
    }
    let odd = bits >> 16 & 1;
    ((bits + 0x7fff + odd) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The float16 nearest to `value`, by a search over all of them; ties to even.
    fn nearest(value: f32) -> u16 {
        let distance = |bits: u16| {
            // Infinity takes the place of the next number.
            let candidate = if bits == 0x7c00 { 65536.0 } else { f64::from(f16_to_f32(bits)) };
            (candidate - f64::from(value.abs())).abs()
        };
        let best = (0..=0x7c00u16).min_by(|&a, &b| distance(a).total_cmp(&distance(b)).then((a & 1).cmp(&(b & 1))));
        best.unwrap() | if value.is_sign_negative() { 0x8000 } else { 0 }
    }

    #[test]
    fn every_half_precision_number_round_trips() {
        assert_eq!(
            [0x3c00, 0xc000, 0x0001, 0x03ff, 0x0400, 0x7bff].map(f16_to_f32),
            [1.0, -2.0, 2f32.powi(-24), 1023.0 * 2f32.powi(-24), 2f32.powi(-14), 65504.0]
        );
        assert_eq!(f16_to_f32(0xfc00), f32::NEG_INFINITY);
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16_to_f32(bits), bf16_to_f32(bits));
            if half.is_nan() {
                assert!(bits & 0x7fff > 0x7c00 && f16_to_f32(f32_to_f16(half)).is_nan());
            } else {
                assert_eq!(f32_to_f16(half), bits);
            }
            if brain.is_nan() {
                assert!(bits & 0x7fff > 0x7f80 && bf16_to_f32(f32_to_bf16(brain)).is_nan());
            } else {
                assert_eq!(f32_to_bf16(brain), bits);
            }
        }
    }

    #[test]
    fn other_numbers_round_to_the_nearest_and_to_even() {
        let steps = (0..0x7c00u16).step_by(97).map(f16_to_f32);
        for value in steps.chain([0.1, 1e-8, 2f32.powi(-25), 65519.0, 65520.0, 1e5]) {
            let next = f32::from_bits(value.to_bits() + 1);
            let middle = value + 0.5 * (f16_to_f32(f32_to_f16(value) + 1) - value).min(16.0);
            for value in [value, next, middle, -middle, f32::from_bits(middle.to_bits() - 1)] {
                assert_eq!(f32_to_f16(value), nearest(value), "{value:e}");
            }
        }
        let brain = |bits: u32| f32_to_bf16(f32::from_bits(bits));
        assert_eq!([0x3f80_7fff, 0x3f80_8000, 0x3f80_8001, 0x3f81_8000].map(brain), [0x3f80, 0x3f80, 0x3f81, 0x3f82]);
        assert_eq!(f32_to_bf16(f32::MAX), 0x7f80, "rounds to infinity");
        assert!(bf16_to_f32(brain(0x7f80_0001)).is_nan());
    }
}
