//! Gradient descent, with or without momentum.

use autograd::Variable;
use tensor::{Float, Result, Update};

use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Gradient descent: `p -= η g`.
///
/// With momentum `μ`, in Keras' form: `v = μ v - η g`, `p += v`; with Nesterov
/// momentum `p += μ v - η g` with the new `v`. From Polyak (1964) and Nesterov (1983).
///
/// Keras' `SGD`: learning rate 0.01, no momentum. PyTorch's `SGD` stores `v` without the factor
/// `-η`, which is equivalent while the learning rate is constant.
pub struct Sgd {
    base: OptimizerBase,
    momentum: f64,
    dampening: f64,
    nesterov: bool,
}

impl Sgd {
    /// Gradient descent without momentum, with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Sgd {
        Sgd { base: OptimizerBase::new(learning_rate), momentum: 0.0, dampening: 0.0, nesterov: false }
    }

    /// Sets the momentum, from 0 (none, the default) to 1; `apply` checks it.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Sgd {
        Sgd { momentum, ..self }
    }

    /// Multiplies each gradient but the first by `1 - dampening` before it is added to the velocity; from 0, the default,
    /// to 1. It is an option of PyTorch, not of Keras. Without momentum it has no effect.
    #[must_use]
    pub fn dampening(self, dampening: f64) -> Sgd {
        Sgd { dampening, ..self }
    }

    /// Uses Nesterov momentum. Without momentum it has no effect.
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
        vec![
            Hyperparameter::new("momentum", self.momentum, Range::Unit),
            Hyperparameter::new("dampening", self.dampening, Range::Unit),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        if self.momentum == 0.0 { vec![] } else { vec![Slot::zeros("velocity")] }
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let (rate, momentum) = (step.learning_rate, self.momentum);
        let part = if step.number == 1 { 1.0 } else { 1.0 - self.dampening };
        match (momentum == 0.0, self.nesterov) {
            (true, _) => step.update(SgdUpdate { rate }),
            (false, false) => step.update(MomentumUpdate { rate: rate * part, momentum }),
            (false, true) => step.update(NesterovUpdate { rate, part, momentum }),
        }
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

#[derive(Clone, Copy)]
struct SgdUpdate {
    rate: f64,
}

impl Update<0> for SgdUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, []: [T; 0]) -> (T, [T; 0]) {
        (p - T::from_f64(self.rate) * g, [])
    }
}

#[derive(Clone, Copy)]
struct MomentumUpdate {
    rate: f64,
    momentum: f64,
}

impl Update<1> for MomentumUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
        let v = T::from_f64(self.momentum) * v - T::from_f64(self.rate) * g;
        (p + v, [v])
    }
}

#[derive(Clone, Copy)]
struct NesterovUpdate {
    rate: f64,
    /// The factor of the gradient in the velocity.
    part: f64,
    momentum: f64,
}

impl Update<1> for NesterovUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
        let (momentum, descent) = (T::from_f64(self.momentum), T::from_f64(self.rate) * g);
        let v = momentum * v - T::from_f64(self.part) * descent;
        (p + (momentum * v - descent), [v])
    }
}
