//! Lazy initialization of weights.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tensor::{Generator, Result, random};

/// A place for what a layer makes at its first use: mostly weights, whose shape follows from the first input.
///
/// ```
/// use nn::{Built, Initializer, Variable};
/// # use tensor::random;
///
/// # random::seed(1);
/// let kernel: Built<Variable> = Built::new();
/// let build = || {
///     kernel.get_or_build("scale", |generator| {
///         Ok(Variable::new(Initializer::GlorotUniform.initialize(generator, [4, 3])?))
///     })
/// };
/// assert_eq!(build()?.id(), build()?.id());
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Built<T> {
    cell: OnceLock<T>,
    /// The generator of those who build at the moment.
    generator: Mutex<Option<Generator>>,
}

impl<T> Default for Built<T> {
    fn default() -> Built<T> {
        Built { cell: OnceLock::new(), generator: Mutex::new(None) }
    }
}

impl<T> Built<T> {
    /// An empty place.
    pub fn new() -> Built<T> {
        Built::default()
    }

    /// The value, if it has been made.
    pub fn get(&self) -> Option<&T> {
        self.cell.get()
    }

    /// The value, made by `build` at the first call.
    ///
    /// `build` is given a fork, of this name, of the calling thread's generator. Inside, that thread's generator is
    /// a fork of the fork, so that layers which are built in turn draw from it too.
    ///
    /// Threads do not wait for each other here. If several call this before there is a value, each of them builds,
    /// all with the fork that the first of them took, so that they make equal values. The first one to finish puts its
    /// value in place, and those of the others are dropped.
    ///
    /// # Errors
    /// Returns that of `build`. The place stays empty, and the next call takes a new fork.
    pub fn get_or_build(&self, name: &str, build: impl FnOnce(&mut Generator) -> Result<T>) -> Result<&T> {
        if let Some(value) = self.cell.get() {
            return Ok(value);
        }
        // No lock is held while `build` runs: while one of its kernels waits for its parallel work, this thread may
        // run a task that comes here as well.
        let mut fork = self.generator().get_or_insert_with(|| random::fork(name)).clone();
        let mut nested = fork.clone().fork("nested");
        match random::with_generator(&mut nested, || build(&mut fork)) {
            Ok(value) => Ok(self.cell.get_or_init(|| value)),
            Err(error) => {
                *self.generator() = None;
                Err(error)
            }
        }
    }

    // A panic of another caller leaves a whole generator or none.
    fn generator(&self) -> MutexGuard<'_, Option<Generator>> {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
