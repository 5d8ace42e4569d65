//! Penalties that a layer computes from the values of a forward pass.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tensor::{TaskLocal, Tensor};

/// Penalties by the address of their owner. The weak reference keeps the address from being reused.
type Pending = RefCell<HashMap<usize, (Weak<()>, Tensor)>>;

/// The penalties that the running task has set and not taken.
static PENDING: TaskLocal<Pending> = TaskLocal::new(RefCell::default);

/// The penalty of a layer's last call, until it is taken. Each thread, and each task of a parallel loop, has a
/// separate value, like its tapes, so several may use one layer at the same time. Clones are the same penalty.
///
/// A layer sets it in `forward` and shows it to visitors with [`Visitor::penalty`](crate::Visitor::penalty);
/// [`Layer::regularization_loss`](crate::Layer::regularization_loss) takes it.
#[derive(Clone, Debug, Default)]
pub struct Penalty(Arc<()>);

impl Penalty {
    /// Sets the penalty, a scalar, in place of the one that this thread set before.
    pub fn set(&self, penalty: Tensor) {
        let pending = PENDING.get();
        let mut pending = pending.borrow_mut();
        pending.retain(|_, (owner, _)| owner.strong_count() > 0);
        pending.insert(self.address(), (Arc::downgrade(&self.0), penalty));
    }

    /// Takes the penalty that this thread set; `None` if there is none or it was taken.
    pub fn take(&self) -> Option<Tensor> {
        let taken = PENDING.get_if_set()?.borrow_mut().remove(&self.address());
        taken.map(|(_, penalty)| penalty)
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

/// Sets some penalties back to the values they had when this was made, when it is dropped.
pub(crate) struct PenaltySnapshot(Vec<(Penalty, Option<Tensor>)>);

impl PenaltySnapshot {
    pub(crate) fn of(penalties: Vec<Penalty>) -> PenaltySnapshot {
        let with_value = |penalty: Penalty| {
            let value = penalty.take();
            (penalty, value)
        };
        PenaltySnapshot(penalties.into_iter().map(with_value).collect())
    }
}

impl Drop for PenaltySnapshot {
    fn drop(&mut self) {
        // In reverse order: a penalty that was listed twice had its value only the first time.
        for (penalty, value) in self.0.drain(..).rev() {
            penalty.take();
            if let Some(value) = value {
                penalty.set(value);
            }
        }
    }
}
