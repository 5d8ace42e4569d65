//! What a layer adds to the loss of the values that it sees.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tensor::{TaskLocal, Tensor};

use crate::layer::{Layer, Part, Visitor};

/// Penalties by the address of their owner. The weak reference keeps the address from being reused.
type Waiting = RefCell<HashMap<usize, (Weak<()>, Tensor)>>;

/// The penalties that the running task has set and not taken.
static WAITING: TaskLocal<Waiting> = TaskLocal::new(RefCell::default);

/// The penalty of a layer's last call, until it is taken. Each thread, and each task of a parallel loop, has its own,
/// as it has its own tapes, so several may use one layer at the same time. Clones are the same penalty.
///
/// A layer sets it in `forward` and shows it by [`Visitor::penalty`](crate::Visitor::penalty);
/// [`Layer::regularization_loss`](crate::Layer::regularization_loss) takes it.
#[derive(Clone, Debug, Default)]
pub struct Penalty(Arc<()>);

impl Penalty {
    /// Puts a scalar in the place of this thread's last one.
    pub fn set(&self, penalty: Tensor) {
        let waiting = WAITING.get();
        let mut waiting = waiting.borrow_mut();
        waiting.retain(|_, (owner, _)| owner.strong_count() > 0);
        waiting.insert(self.address(), (Arc::downgrade(&self.0), penalty));
    }

    /// What this thread set, once.
    pub fn take(&self) -> Option<Tensor> {
        let taken = WAITING.get_if_set()?.borrow_mut().remove(&self.address());
        taken.map(|(_, penalty)| penalty)
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

/// The penalties of a model as they are now, until this is dropped: for a pass on trial.
pub(crate) struct KeptPenalties(Vec<(Penalty, Option<Tensor>)>);

impl KeptPenalties {
    pub(crate) fn of(model: &dyn Layer) -> KeptPenalties {
        let mut penalties = Vec::new();
        model.visit(&mut Visitor::new(&mut |_, part| {
            if let Part::Penalty(penalty) = part {
                penalties.push((penalty.clone(), penalty.take()));
            }
        }));
        KeptPenalties(penalties)
    }
}

impl Drop for KeptPenalties {
    fn drop(&mut self) {
        // A penalty that was shown twice was there only the first time.
        for (penalty, value) in self.0.drain(..).rev() {
            penalty.take();
            if let Some(value) = value {
                penalty.set(value);
            }
        }
    }
}
