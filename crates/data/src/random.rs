//! Random numbers for a pass, and for a sample in it.

use tensor::{Generator, GeneratorState};

/// The `number`-th fork of that name of the generator of a seed, without drawing those before it.
pub(crate) fn fork(seed: u64, name: &str, number: u64) -> Generator {
    // A fork draws two words.
    Generator::from_state(GeneratorState { seed, stream: 0, position: number.wrapping_mul(2) }).fork(name)
}
