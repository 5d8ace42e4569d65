//! Random generators for epochs and samples.

use tensor::{Generator, GeneratorState};

use crate::error::Result;

/// The `number`-th fork with this name of `Generator::new(seed)`, without drawing those before it.
pub(crate) fn fork(seed: u64, name: &str, number: u64) -> Generator {
    // Each fork draws two words.
    Generator::from_state(GeneratorState { seed, stream: 0, position: number.wrapping_mul(2) }).fork(name)
}

/// The generator for a sample in an epoch.
pub(crate) fn of_sample(seed: u64, name: &str, epoch: u64, sample: usize) -> Generator {
    let of_epoch = fork(seed, name, epoch).state();
    Generator::from_state(GeneratorState { position: (sample as u64).wrapping_mul(2), ..of_epoch }).fork("sample")
}

/// The numbers below `count` in a random order.
pub(crate) fn permutation(generator: &mut Generator, count: usize) -> Result<Vec<usize>> {
    let order = generator.permutation(count).to_vec::<i64>()?;
    Ok(order.into_iter().map(|number| number as usize).collect())
}

/// A number in [0, 1).
pub(crate) fn unit(generator: &mut Generator) -> Result<f64> {
    generator.uniform([], 0.0..1.0)?.item()
}
