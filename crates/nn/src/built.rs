//! What is made at its first use.

use std::sync::{Mutex, OnceLock, PoisonError};

use tensor::Result;

/// A place for what a layer makes when it first knows how: weights, mostly, whose shape follows
/// from the first input.
#[derive(Debug, Default)]
pub struct Built<T> {
    cell: OnceLock<T>,
    building: Mutex<()>,
}

impl<T> Built<T> {
    /// An empty place.
    pub fn new() -> Built<T> {
        Built { cell: OnceLock::new(), building: Mutex::new(()) }
    }

    /// What is there, if it has been made.
    pub fn get(&self) -> Option<&T> {
        self.cell.get()
    }

    /// What is there, made by `build` at the first call. Of several threads one builds and the
    /// others wait.
    ///
    /// # Errors
    /// That of `build`; then the place stays empty.
    pub fn get_or_build(&self, build: impl FnOnce() -> Result<T>) -> Result<&T> {
        if let Some(value) = self.cell.get() {
            return Ok(value);
        }
        // Nothing is under this lock, so a panic of another builder has spoilt nothing.
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        match self.cell.get() {
            Some(value) => Ok(value),
            None => {
                let value = build()?;
                Ok(self.cell.get_or_init(|| value))
            }
        }
    }
}
