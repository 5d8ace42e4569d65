//! What a layer adds to the loss of the values that it sees.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tensor::Tensor;

use crate::layer::{Layer, Part, Visitor};

thread_local! {
    /// What was set on this thread and not taken, by the address of its owner: the reference keeps the address from
    /// being given to another.
    static WAITING: RefCell<HashMap<usize, (Weak<()>, Tensor)>> = RefCell::default();
}

/// The penalty of a layer's last call, until it is taken. Each thread has its own, as it has its own tapes, so
/// that several may use one layer at the same time. Clones are the same.
///
/// A layer sets it in `forward` and shows it by [`Visitor::penalty`](crate::Visitor::penalty);
/// [`Layer::regularization_loss`](crate::Layer::regularization_loss) takes it.
#[derive(Clone, Debug, Default)]
pub struct Penalty(Arc<()>);

impl Penalty {
    /// Puts a scalar in the place of this thread's last one.
    pub fn set(&self, penalty: Tensor) {
        WAITING.with_borrow_mut(|waiting| {
            waiting.retain(|_, (owner, _)| owner.strong_count() > 0);
            waiting.insert(self.address(), (Arc::downgrade(&self.0), penalty));
        });
    }

    /// What this thread set, once.
    pub fn take(&self) -> Option<Tensor> {
        WAITING.with_borrow_mut(|waiting| waiting.remove(&self.address())).map(|(_, penalty)| penalty)
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
        for (penalty, value) in self.0.drain(..) {
            penalty.take();
            if let Some(value) = value {
                penalty.set(value);
            }
        }
    }
}
