use super::*;
use crate::dtype::Element;
use crate::kernels::simd::{Loop, Set, sets};

/// Numbers of all kinds.
fn numbers() -> Vec<f64> {
    let mut numbers: Vec<f64> = (-1000..1003).map(|k| f64::from(k) * 0.0317).collect();
    numbers.extend((1..2048).map(|k| f64::from_bits((k << 52) | (k * 977))));
    numbers.extend((1..256).map(|k| f64::from(f32::from_bits((k << 23) | (k * 977)))));
    numbers
}

/// The compiler neither fuses nor splits multiply-adds.
#[test]
fn every_function_gives_the_bits_of_plain_code_on_every_instruction_set() {
    macro_rules! compare {
        ($($function:ident)*) => {$({
            struct Values<T>(Vec<T>);

            impl<T: Float> Values<T> {
                #[inline(always)]
                fn bits<M: MultiplyAdd>(mut self) -> Vec<u64> {
                    for x in &mut self.0 {
                        *x = $function::<M, T>(*x);
                    }
                    let bits = |x: &T| if x.is_nan() { u64::MAX } else { Element::to_f64(*x).to_bits() };
                    self.0.iter().map(bits).collect()
                }
            }

            impl<T: Float> Loop for Values<T> {
                type Output = Vec<u64>;
                const WIDEST: Set = Set::Avx512;

                #[inline(always)]
                fn run(self) -> Vec<u64> {
                    self.bits::<Separate>()
                }

                #[inline(always)]
                fn run_fused(self) -> Vec<u64> {
                    self.bits::<Fused>()
                }
            }

            for set in sets::available() {
                fn values<T: Float>() -> Values<T> {
                    Values(numbers().into_iter().map(T::from_f64).collect())
                }
                let name = stringify!($function);
                let (found, expected) = (sets::vectorized_on(set, values::<f32>()), sets::plain_on(set, values::<f32>()));
                assert_eq!(found, expected, "{name} for f32 on {set}");
                // float64 has the same bits on every set.
                assert_eq!(sets::vectorized_on(set, values::<f64>()), values::<f64>().run(), "{name} for f64 on {set}");
            }
        })*};
    }
    compare! {
        exp exp_of_negative expm1 log log_of_normal log1p sigmoid silu silu_slope softplus tanh erf erf_slope gelu gelu_slope gelu_tanh
        gelu_tanh_slope
    }
}

#[test]
fn the_exponential_of_negative_numbers_stays_within_a_unit_in_the_last_place() {
    // Every 97th number from -0 to -200, and minus infinity.
    let samples = (0x8000_0000..=(-200.0f32).to_bits()).step_by(97).map(f32::from_bits).chain([f32::NEG_INFINITY]);
    for x in samples {
        let expected = exp::<Separate, f64>(x.into());
        let nearest = expected as f32;
        let ulp = f64::from(nearest.next_up()) - f64::from(nearest);
        for found in [exp_of_negative::<Separate, f32>(x), exp_of_negative::<Fused, f32>(x)] {
            assert!((f64::from(found) - expected).abs() < ulp, "e to the {x:e} is {expected:e}, not {found:e}");
        }
    }
    assert!(exp_of_negative::<Fused, f32>(f32::NAN).is_nan());
}
