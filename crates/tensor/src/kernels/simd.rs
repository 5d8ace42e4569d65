//! Loops compiled for the vector instructions of the processor at hand.
#![allow(unsafe_code)]

use crate::dtype::DType;

/// The widest instruction set for which a loop is compiled. Each costs time to build.
#[derive(Clone, Copy)]
pub(crate) enum Set {
    /// What every processor of the target has.
    Base,
    Avx2,
    Avx512,
}

impl Set {
    /// What pays for elements of a type: training is in float32, gradients are checked in float64, and
    /// loops over integers wait for memory.
    pub(crate) const fn of(dtype: DType) -> Set {
        match dtype {
            DType::F32 => Set::Avx512,
            DType::F64 => Set::Avx2,
            _ => Set::Base,
        }
    }

    /// The wider of two.
    pub(crate) const fn or(self, other: Set) -> Set {
        if self as u8 >= other as u8 { self } else { other }
    }
}

/// A loop: what its `run` does must be inlined into it, to be compiled once for each instruction
/// set. (Through closures alone the compiler does not always inline.)
pub(crate) trait Loop {
    type Output;
    const WIDEST: Set;
    fn run(self) -> Self::Output;
}

/// Runs a loop with the widest instructions that the processor has and the loop is compiled for.
///
/// Rust does not contract `a * b + c` by itself, so all forms give the same bits.
#[inline]
pub(crate) fn vectorized<L: Loop>(body: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
        fn avx512<L: Loop>(body: L) -> L::Output {
            body.run()
        }
        #[target_feature(enable = "avx2")]
        fn avx2<L: Loop>(body: L) -> L::Output {
            body.run()
        }
        if const { matches!(L::WIDEST, Set::Avx512) } {
            let found = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw");
            if found {
                // SAFETY: the processor has all these features.
                return unsafe { avx512(body) };
            }
        }
        if const { !matches!(L::WIDEST, Set::Base) } && is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has this feature.
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
        const WIDEST: Set = Set::Avx512;
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
