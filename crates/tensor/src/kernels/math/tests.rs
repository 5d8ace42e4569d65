use super::*;
use crate::kernels::simd::{Loop, Set, vectorized};

#[test]
fn sums_and_products_return_their_rounding_errors() {
    let tiny = f64::EPSILON / 4.0;
    assert_eq!(exact_sum(1.0, tiny), (1.0, tiny));
    assert_eq!(exact_sum(tiny, -1.0), (-1.0, tiny));
    let x = 1.0 + f64::EPSILON;
    assert_eq!(exact_product(x, x), (1.0 + 2.0 * f64::EPSILON, f64::EPSILON * f64::EPSILON));
}

/// A function applied to numbers of all kinds, in a loop that is compiled for each instruction set.
struct Values<F>(F);

impl<F: Fn(f64) -> f64> Loop for Values<F> {
    type Output = Vec<u64>;
    const WIDEST: Set = Set::Avx512;

    #[inline(always)]
    fn run(self) -> Vec<u64> {
        let mut values: Vec<f64> = (-1000..1003).map(|k| f64::from(k) * 0.0317).collect();
        values.extend((1..2048).map(|k| f64::from_bits((k << 52) | (k * 977))));
        for x in &mut values {
            *x = (self.0)(*x);
        }
        values.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
    }
}

#[test]
fn every_function_gives_the_same_bits_on_every_instruction_set() {
    macro_rules! compare {
        ($($function:ident)*) => {$(
            let name = stringify!($function);
            assert_eq!(vectorized(Values($function::<f32>)), Values($function::<f32>).run(), "{name} for f32");
            assert_eq!(vectorized(Values($function::<f64>)), Values($function::<f64>).run(), "{name} for f64");
        )*};
    }
    compare!(exp exp_of_negative expm1 log log1p sigmoid silu softplus tanh erf gelu gelu_tanh silu_slope gelu_slope gelu_tanh_slope sin cos tan);
}

#[test]
fn the_short_exponential_stays_within_a_unit_in_the_last_place() {
    // Every 97th number from -0 to -200, and minus infinity.
    let samples = (0x8000_0000..=(-200.0f32).to_bits()).step_by(97).map(f32::from_bits).chain([f32::NEG_INFINITY]);
    for x in samples {
        let (found, expected) = (exp_of_negative::<f32>(x.into()), exp::<f64>(x.into()));
        let nearest = expected as f32;
        let ulp = f64::from(nearest.next_up()) - f64::from(nearest);
        assert!((found - expected).abs() < ulp, "e to the {x:e} is {expected:e}, not {found:e}");
    }
    assert!(exp_of_negative::<f32>(f64::NAN).is_nan());
}
