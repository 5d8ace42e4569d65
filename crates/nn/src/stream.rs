//! The random numbers of a layer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

    /// Draws from the next fork of the stream. Each call has a fork of its own, so threads that share the stream
    /// draw at the same time. Which of them gets which fork depends on the order of their calls.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Generator) -> T) -> T {
        // The lock is released before `draw` runs: while a kernel waits for its parallel work, this thread may run
        // a task that draws from the same stream.
        let mut fork = self.lock().get_or_insert_with(|| random::fork(self.name)).fork(self.name);
        draw(&mut fork)
    }

    /// Where the stream stands; `None` if it has not begun.
    pub fn state(&self) -> Option<GeneratorState> {
        self.lock().as_ref().map(Generator::state)
    }

    /// Puts the stream where [`RandomStream::state`] said that it was.
    pub fn restore(&self, state: Option<GeneratorState>) {
        *self.lock() = state.map(Generator::from_state);
    }

    // A panic leaves the generator before or after its fork, and whole in both cases.
    fn lock(&self) -> MutexGuard<'_, Option<Generator>> {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
