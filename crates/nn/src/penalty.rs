//! What a layer adds to the loss of the values that it sees.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use tensor::Tensor;

/// The penalty of a layer's last call, until it is taken. Each thread has its own, as it has its own tapes, so
/// that several may use one layer at the same time. Clones are the same.
///
/// A layer sets it in `forward` and shows it by [`Visitor::penalty`](crate::Visitor::penalty);
/// [`Layer::regularization_loss`](crate::Layer::regularization_loss) takes it.
#[derive(Clone, Debug, Default)]
pub struct Penalty(Arc<Mutex<HashMap<ThreadId, Tensor>>>);

impl Penalty {
    /// Puts a scalar in the place of this thread's last one.
    pub fn set(&self, penalty: Tensor) {
        self.entries().insert(thread::current().id(), penalty);
    }

    /// What this thread set, once.
    pub fn take(&self) -> Option<Tensor> {
        self.entries().remove(&thread::current().id())
    }

    // Nothing that is done under the lock leaves halves behind.
    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<ThreadId, Tensor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
