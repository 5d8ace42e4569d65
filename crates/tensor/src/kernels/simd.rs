//! Function multiversioning: loops that are compiled for several vector instruction sets and dispatched at run time.
#![allow(unsafe_code)]

use std::fmt;
use std::sync::OnceLock;

use crate::dtype::DType;

/// A set of vector instructions for which kernels are compiled. Each set includes those before it.
///
/// [`instruction_set`] returns the one in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstructionSet {
    /// What every processor of the target has.
    Base,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 with the extensions F, BW, DQ and VL.
    Avx512,
}

/// `base`, `avx2` and `avx512`: the values of `TENSOR_MAX_ISA`.
impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            InstructionSet::Base => "base",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Avx512 => "avx512",
        })
    }
}

/// The widest set that a loop is compiled for. Each further set costs compile time.
pub(crate) type Set = InstructionSet;

impl InstructionSet {
    const ALL: [InstructionSet; 3] = [InstructionSet::Base, InstructionSet::Avx2, InstructionSet::Avx512];

    /// The widest set that is worth its compile time: training runs in float32, float64 serves to check gradients, and
    /// loops over integers are bound by memory.
    pub(crate) const fn of(dtype: DType) -> InstructionSet {
        match dtype {
            DType::F32 => InstructionSet::Avx512,
            DType::F64 => InstructionSet::Avx2,
            _ => InstructionSet::Base,
        }
    }

    /// The wider of two.
    pub(crate) const fn or(self, other: InstructionSet) -> InstructionSet {
        if self as u8 >= other as u8 { self } else { other }
    }
}

/// The instruction set that kernels use: the widest that the processor supports, or the one that the environment
/// variable `TENSOR_MAX_ISA` names (`base`, `avx2` or `avx512`) if that is narrower. The variable is read once, by the
/// first kernel or the first call of this function.
///
/// float32 results may differ between `Base` and the other sets, which have fused multiply-adds.
///
/// # Panics
/// Panics if `TENSOR_MAX_ISA` has another value. The first kernel panics, too.
#[inline]
pub fn instruction_set() -> InstructionSet {
    // Not a `LazyLock`: after a panic, further calls panic with the same message.
    static USED: OnceLock<InstructionSet> = OnceLock::new();
    *USED.get_or_init(|| match std::env::var_os("TENSOR_MAX_ISA") {
        None => supported(),
        Some(value) => {
            let named = InstructionSet::ALL.into_iter().find(|set| *value == *set.to_string());
            let Some(most) = named else {
                panic!("TENSOR_MAX_ISA: {value:?} is not an instruction set; the values are base, avx2 and avx512");
            };
            most.min(supported())
        }
    })
}

/// The widest set that this processor supports.
fn supported() -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw");
        return if avx512 { InstructionSet::Avx512 } else { InstructionSet::Avx2 };
    }
    InstructionSet::Base
}

/// A loop that is compiled once for each instruction set. Everything that `run` calls must be inlined into it. (It is
/// not a closure, because the compiler does not always inline those.)
pub(crate) trait Loop: Sized {
    type Output;
    const WIDEST: Set;
    fn run(self) -> Self::Output;

    /// As `run`, where the processor has fused multiply-adds. Rust never contracts `a * b + c`: unless a loop says
    /// otherwise here, it gives the same bits on every instruction set.
    #[inline(always)]
    fn run_fused(self) -> Self::Output {
        self.run()
    }
}

/// A loop that writes to a slice. Passing the slice as its own argument tells the compiler that it does not alias, so it
/// emits no runtime alias check.
pub(crate) trait LoopInto<O>: Sized {
    const WIDEST: Set;
    fn run(self, out: &mut [O]);

    /// As [`Loop::run_fused`].
    #[inline(always)]
    fn run_fused(self, out: &mut [O]) {
        self.run(out);
    }
}

/// Defines a function that runs a loop with the widest instruction set that is in use and that the loop is compiled for,
/// and one that takes the set in use as an argument.
macro_rules! dispatch {
    ($(#[$inline:meta])? $name:ident $with:ident, $Loop:path, ($($out:ident: $Out:ty)?) -> $Output:ty $(, $O:ident)?) => {
        #[inline]
        pub(crate) fn $name<$($O,)? L: $Loop>(body: L $(, $out: $Out)?) -> $Output {
            let set = if const { matches!(L::WIDEST, Set::Base) } { Set::Base } else { instruction_set() };
            // SAFETY: the processor supports the set in use.
            unsafe { $with(set, body $(, $out)?) }
        }

        /// # Safety
        /// The processor supports `set`.
        #[inline]
        unsafe fn $with<$($O,)? L: $Loop>(set: Set, body: L $(, $out: $Out)?) -> $Output {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
            fn avx512<$($O,)? L: $Loop>(body: L $(, $out: $Out)?) -> $Output {
                body.run_fused($($out)?)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2<$($O,)? L: $Loop>(body: L $(, $out: $Out)?) -> $Output {
                body.run_fused($($out)?)
            }
            $(#[$inline])?
            fn base<$($O,)? L: $Loop>(body: L $(, $out: $Out)?) -> $Output {
                match cfg!(target_arch = "aarch64") {
                    true => body.run_fused($($out)?),
                    false => body.run($($out)?),
                }
            }
            #[cfg(target_arch = "x86_64")]
            if const { !matches!(L::WIDEST, Set::Base) } {
                if const { matches!(L::WIDEST, Set::Avx512) } && set == Set::Avx512 {
                    // SAFETY: the processor supports AVX-512, as this function demands.
                    return unsafe { avx512(body $(, $out)?) };
                }
                if set != Set::Base {
                    // SAFETY: the processor supports AVX-512, which includes AVX2 and FMA, or these.
                    return unsafe { avx2(body $(, $out)?) };
                }
            }
            base(body $(, $out)?)
        }
    };
}

dispatch!(vectorized vectorized_with, Loop, () -> L::Output);
// Not inlined into the caller, where the compiler would no longer know that the slice does not alias.
dispatch!(#[inline(never)] vectorized_into vectorized_into_with, LoopInto<O>, (out: &mut [O]) -> (), O);

/// For tests of every instruction set that the processor has.
#[cfg(test)]
pub(crate) mod sets {
    use super::*;

    /// The sets that this processor supports.
    pub(crate) fn available() -> impl Iterator<Item = Set> {
        InstructionSet::ALL.into_iter().filter(|set| *set <= supported())
    }

    /// Runs a loop with an instruction set.
    pub(crate) fn vectorized_on<L: Loop>(set: Set, body: L) -> L::Output {
        assert!(set <= supported());
        // SAFETY: as was asserted.
        unsafe { vectorized_with(set, body) }
    }

    /// Runs a loop with an instruction set, given that baseline code has no fused multiply-adds: the same computation
    /// in plain code, which gives the same bits.
    pub(crate) fn plain_on<L: Loop>(set: Set, body: L) -> L::Output {
        if set == Set::Base && !cfg!(target_arch = "aarch64") { body.run() } else { body.run_fused() }
    }
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
        for set in sets::available() {
            assert_eq!(sets::vectorized_on(set, Sum(&values)).to_bits(), Sum(&values).run().to_bits(), "{set}");
        }
    }

    /// All tests of this crate's modules, in child processes.
    #[test]
    fn narrower_instruction_sets_pass_the_tests() {
        if std::env::var_os("TENSOR_MAX_ISA").is_some() {
            return;
        }
        for set in sets::available().filter(|&set| set < instruction_set()) {
            let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
            let skip = ["--skip", "narrower_instruction_sets_pass_the_tests"];
            let output = tests.env("TENSOR_MAX_ISA", set.to_string()).args(skip).output().unwrap();
            assert!(output.status.success(), "{set}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}
