//! Loops compiled for the vector instructions of the processor at hand.
#![allow(unsafe_code)]

/// A loop: what its `run` does must be inlined into it, to be compiled once for each instruction
/// set. (Through closures alone the compiler does not always inline.)
pub(crate) trait Loop {
    type Output;
    fn run(self) -> Self::Output;
}

/// Runs a loop with AVX2 and FMA where the processor has them.
///
/// Rust does not contract `a * b + c` by itself, so both forms give the same bits.
#[inline]
pub(crate) fn vectorized<L: Loop>(body: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2<L: Loop>(body: L) -> L::Output {
            body.run()
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both features.
            return unsafe { avx2(body) };
        }
    }
    body.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a [f32]);

    impl Loop for Sum<'_> {
        type Output = f32;
        #[inline(always)]
        fn run(self) -> f32 {
            self.0.iter().map(|x| x * 0.1 + 1.0).sum()
        }
    }

    #[test]
    fn a_loop_gives_the_same_bits_on_every_instruction_set() {
        let values: Vec<f32> = (0..1000).map(|k| k as f32 * 0.37).collect();
        assert_eq!(vectorized(Sum(&values)).to_bits(), Sum(&values).run().to_bits());
    }
}
