//! The random numbers of a layer.

use std::sync::{Arc, Mutex, PoisonError};

use tensor::{Generator, GeneratorState, random};

/// A source of random numbers that belongs to a layer, such as dropout's. Clones are the same
/// source.
///
/// Unless a seed was given, it is forked from the generator of the thread that first draws from
/// it; so [`tensor::random::seed`] fixes it.
#[derive(Clone, Debug)]
pub struct RandomStream {
    name: &'static str,
    generator: Arc<Mutex<Option<Generator>>>,
}

impl RandomStream {
    /// A stream that begins when it is first drawn from, as a fork of this name.
    pub fn new(name: &'static str) -> RandomStream {
        RandomStream { name, generator: Arc::default() }
    }

    /// The stream of this name from a seed of its own.
    pub fn seeded(name: &'static str, seed: u64) -> RandomStream {
        let generator = Generator::new(seed).fork(name);
        RandomStream { name, generator: Arc::new(Mutex::new(Some(generator))) }
    }

    /// Draws.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Generator) -> T) -> T {
        // A generator is whole at any time: a panic while drawing has only moved it or not.
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        draw(generator.get_or_insert_with(|| random::fork(self.name)))
    }

    /// Where it is; nothing if it has not begun.
    pub fn state(&self) -> Option<GeneratorState> {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Generator::state)
    }

    /// Puts it where [`RandomStream::state`] said that it was.
    pub fn restore(&self, state: Option<GeneratorState>) {
        *self.generator.lock().unwrap_or_else(PoisonError::into_inner) = state.map(Generator::from_state);
    }
}
