//! Function multiversioning: loops that are compiled for several vector instruction sets and dispatched at run time.
#![allow(unsafe_code)]

use std::sync::LazyLock;

use crate::dtype::DType;

/// The widest instruction set for which a loop is compiled. Each further set costs compile time.
#[derive(Clone, Copy)]
pub(crate) enum Set {
    /// What every processor of the target has.
    Base,
    Avx2,
    Avx512,
}

impl Set {
    /// The widest set that is worth its compile time: training runs in float32, float64 serves to check gradients, and
    /// loops over integers are bound by memory.
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

/// A loop that is compiled once for each instruction set. Everything that `run` calls must be inlined into it. (It is
/// not a closure, because the compiler does not always inline those.)
pub(crate) trait Loop {
    type Output;
    const WIDEST: Set;
    fn run(self) -> Self::Output;
}

/// A loop that writes to a slice. Passing the slice as its own argument tells the compiler that it does not alias, so it
/// emits no runtime alias check.
pub(crate) trait LoopInto<O> {
    const WIDEST: Set;
    fn run(self, out: &mut [O]);
}

/// The widest instruction set that this processor supports.
static SUPPORTED: LazyLock<Set> = LazyLock::new(|| {
    #[cfg(target_arch = "x86_64")]
    {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw");
        if is_x86_feature_detected!("avx2") {
            return if avx512 { Set::Avx512 } else { Set::Avx2 };
        }
    }
    Set::Base
});

/// Runs a loop with the widest instruction set that the processor supports and the loop is compiled for.
///
/// Rust does not contract `a * b + c` into a fused multiply-add, so all versions give the same bits.
macro_rules! dispatch {
    ($(#[$inline:meta])? $name:ident, $Loop:path, ($($out:ident: $Out:ty)?) -> $Output:ty $(, $O:ident)?) => {
        #[inline]
        pub(crate) fn $name<$($O,)? L: $Loop>(body: L $(, $out: $Out)?) -> $Output {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
            fn avx512<$($O,)? L: $Loop>(body: L $(, $out: $Out)?) -> $Output {
                body.run($($out)?)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2<$($O,)? L: $Loop>(body: L $(, $out: $Out)?) -> $Output {
                body.run($($out)?)
            }
            $(#[$inline])?
            fn base<$($O,)? L: $Loop>(body: L $(, $out: $Out)?) -> $Output {
                body.run($($out)?)
            }
            #[cfg(target_arch = "x86_64")]
            if const { !matches!(L::WIDEST, Set::Base) } {
                let supported = *SUPPORTED;
                if const { matches!(L::WIDEST, Set::Avx512) } && matches!(supported, Set::Avx512) {
                    // SAFETY: `SUPPORTED` says that the processor has these instructions.
                    return unsafe { avx512(body $(, $out)?) };
                }
                if !matches!(supported, Set::Base) {
                    // SAFETY: `SUPPORTED` is AVX-512, which includes AVX2, or AVX2.
                    return unsafe { avx2(body $(, $out)?) };
                }
            }
            base(body $(, $out)?)
        }
    };
}

dispatch!(vectorized, Loop, () -> L::Output);
// Not inlined into the caller, where the compiler would no longer know that the slice does not alias.
dispatch!(#[inline(never)] vectorized_into, LoopInto<O>, (out: &mut [O]) -> (), O);

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
