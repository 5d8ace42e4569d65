//! Lazy initialization.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tensor::{Generator, Result, random};

/// A value that a layer creates at its first use: mostly weights, whose shape depends on the first input.
///
/// ```
/// use nn::{Initializer, LazyInit, Variable};
/// # use tensor::random;
///
/// # random::seed(1);
/// let kernel: LazyInit<Variable> = LazyInit::new();
/// let build = || {
///     kernel.get_or_init("scale", |generator| {
///         Ok(Variable::new(Initializer::GlorotUniform.initialize(generator, [4, 3])?))
///     })
/// };
/// assert_eq!(build()?.id(), build()?.id());
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct LazyInit<T> {
    cell: OnceLock<T>,
    /// The generator that all concurrent initializations start from.
    generator: Mutex<Option<Generator>>,
}

impl<T> Default for LazyInit<T> {
    fn default() -> LazyInit<T> {
        LazyInit { cell: OnceLock::new(), generator: Mutex::new(None) }
    }
}

impl<T> LazyInit<T> {
    /// No value yet.
    pub fn new() -> LazyInit<T> {
        LazyInit::default()
    }

    /// The value, if it is initialized.
    pub fn get(&self) -> Option<&T> {
        self.cell.get()
    }

    /// The value. The first call creates it with `init`.
    ///
    /// `init` gets a fork, under the given name, of the calling thread's generator. While it runs, the thread's generator
    /// is a fork of that fork, so layers initialized in turn draw from it too.
    ///
    /// Threads do not wait for each other. If several call this before there is a value, each runs `init`, all with the
    /// fork that the first of them took, so they create equal values. The first value that is ready is kept and the
    /// others are dropped.
    ///
    /// # Errors
    /// Returns the errors of `init`. There is still no value then, and the next call takes a new fork.
    pub fn get_or_init(&self, name: &str, init: impl FnOnce(&mut Generator) -> Result<T>) -> Result<&T> {
        if let Some(value) = self.cell.get() {
            return Ok(value);
        }
        // No lock is held while `init` runs: a thread that waits for a parallel kernel of `init` may steal a task that
        // calls this again.
        let mut fork = self.generator().get_or_insert_with(|| random::fork(name)).clone();
        let mut nested = fork.clone().fork("nested");
        match random::with_generator(&mut nested, || init(&mut fork)) {
            Ok(value) => Ok(self.cell.get_or_init(|| value)),
            Err(error) => {
                *self.generator() = None;
                Err(error)
            }
        }
    }

    // A poisoned lock is usable: the option is replaced as a whole.
    fn generator(&self) -> MutexGuard<'_, Option<Generator>> {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
