//! Gradient descent, plain or with momentum.

use tensor::{Float, Result, Update};

use crate::{Hyperparameter, Memory, Optimizer, Range, Slot, Step};

/// Gradient descent: `p -= η g`.
///
/// With momentum `μ`, in Keras' and the chapter's form: `v = μ v - η g`, `p += v`; with Nesterov
/// momentum `p += μ v - η g`, `v` being the new one.
///
/// Keras' `SGD`: learning rate 0.01, no momentum.
pub struct Sgd {
    memory: Memory,
    momentum: f64,
    nesterov: bool,
}

impl Sgd {
    /// Plain descent with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: f64) -> Sgd {
        Sgd { memory: Memory::new(learning_rate), momentum: 0.0, nesterov: false }
    }

    /// Sets the momentum, from 0 (none, the default) to 1; `apply` checks it.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Sgd {
        Sgd { momentum, ..self }
    }

    /// Looks ahead along the velocity, after Nesterov (1983); without momentum it changes nothing.
    #[must_use]
    pub fn nesterov(self) -> Sgd {
        Sgd { nesterov: true, ..self }
    }
}

impl Default for Sgd {
    fn default() -> Sgd {
        Sgd::new(0.01)
    }
}

impl Optimizer for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![Hyperparameter::new("momentum", self.momentum, Range::Unit)]
    }

    fn slots(&self) -> Vec<Slot> {
        if self.momentum == 0.0 { vec![] } else { vec![Slot::zeros("velocity")] }
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let (rate, momentum) = (step.learning_rate, self.momentum);
        match (step.states.len(), self.nesterov) {
            (0, _) => step.update(&Plain { rate }),
            (_, false) => step.update(&Momentum { rate, momentum }),
            (_, true) => step.update(&Nesterov { rate, momentum }),
        }
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

struct Plain {
    rate: f64,
}

impl Update<0> for Plain {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, []: [T; 0]) -> (T, [T; 0]) {
        (p - T::from_f64(self.rate) * g, [])
    }
}

struct Momentum {
    rate: f64,
    momentum: f64,
}

impl Update<1> for Momentum {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
        let v = T::from_f64(self.momentum) * v - T::from_f64(self.rate) * g;
        (p + v, [v])
    }
}

struct Nesterov {
    rate: f64,
    momentum: f64,
}

impl Update<1> for Nesterov {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
        let (momentum, descent) = (T::from_f64(self.momentum), T::from_f64(self.rate) * g);
        let v = momentum * v - descent;
        (p + (momentum * v - descent), [v])
    }
}
