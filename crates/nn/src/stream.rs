//! The random numbers of a layer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tensor::{Generator, GeneratorState, random};

/// A source of random numbers that belongs to a layer, such as dropout. Clones are the same source.
///
/// Without a seed it is forked from the generator of the thread that first draws from it, so
/// [`tensor::random::seed`] makes it reproducible.
#[derive(Clone, Debug)]
pub struct RandomStream {
    name: &'static str,
    generator: Arc<Mutex<Option<Generator>>>,
}

impl RandomStream {
    /// A stream that is forked, under this name, when it is first drawn from.
    pub fn new(name: &'static str) -> RandomStream {
        RandomStream { name, generator: Arc::default() }
    }

    /// A stream with its own seed.
    pub fn seeded(name: &'static str, seed: u64) -> RandomStream {
        let generator = Generator::new(seed).fork(name);
        RandomStream { name, generator: Arc::new(Mutex::new(Some(generator))) }
    }

    /// Draws from the next fork of the stream. Each call has a separate fork, so threads that share the stream draw at
    /// the same time. Which of them gets which fork depends on the order of their calls.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Generator) -> T) -> T {
        // The lock is released before `draw` runs: a thread that waits for a parallel kernel of `draw` may steal a task
        // that draws from the same stream.
        let mut fork = self.lock().get_or_insert_with(|| random::fork(self.name)).fork(self.name);
        draw(&mut fork)
    }

    /// The position of the stream; `None` if nothing has been drawn from it.
    pub fn state(&self) -> Option<GeneratorState> {
        self.lock().as_ref().map(Generator::state)
    }

    /// Sets the stream to a position that [`RandomStream::state`] returned.
    pub fn restore(&self, state: Option<GeneratorState>) {
        *self.lock() = state.map(Generator::from_state);
    }

    // A poisoned lock is usable: a fork changes the generator in one step.
    fn lock(&self) -> MutexGuard<'_, Option<Generator>> {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
