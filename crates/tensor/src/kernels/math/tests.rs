use super::*;
use crate::kernels::simd::{Loop, vectorized};

#[test]
fn sums_and_products_keep_what_rounding_takes() {
    let tiny = f64::EPSILON / 4.0;
    assert_eq!(exact_sum(1.0, tiny), (1.0, tiny));
    assert_eq!(exact_sum(tiny, -1.0), (-1.0, tiny));
    let x = 1.0 + f64::EPSILON;
    assert_eq!(exact_product(x, x), (1.0 + 2.0 * f64::EPSILON, f64::EPSILON * f64::EPSILON));
}

/// A function of a few numbers of all kinds, in a loop that is compiled for each instruction set.
struct Values<F>(F);

impl<F: Fn(f64) -> f64> Loop for Values<F> {
    type Output = Vec<u64>;

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
    compare!(exp expm1 log log1p sigmoid silu softplus tanh erf gelu gelu_tanh silu_slope gelu_slope gelu_tanh_slope sin cos tan);
}
