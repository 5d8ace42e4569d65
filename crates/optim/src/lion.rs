//! Lion.

use autograd::Variable;
use tensor::{Float, Result, Update};

use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Takes steps of constant size along the sign of a running mean: `p -= η sign(β₁ m + (1 - β₁) g)`, then
/// `m = β₂ m + (1 - β₂) g`; the sign of 0 is 0. From Chen and others, "Symbolic Discovery of
/// Optimization Algorithms" (2023).
///
/// Keras' `Lion`: learning rate 0.001, `β₁` 0.9, `β₂` 0.99. PyTorch does not have it.
pub struct Lion {
    base: OptimizerBase,
    beta_1: f64,
    beta_2: f64,
}

impl Lion {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Lion {
        Lion { base: OptimizerBase::new(learning_rate), beta_1: 0.9, beta_2: 0.99 }
    }

    /// Sets the weight `β₁` of the mean in the step, from 0 to below 1.
    #[must_use]
    pub fn beta_1(self, beta_1: f64) -> Lion {
        Lion { beta_1, ..self }
    }

    /// Sets the decay `β₂` of the mean, from 0 to below 1.
    #[must_use]
    pub fn beta_2(self, beta_2: f64) -> Lion {
        Lion { beta_2, ..self }
    }
}

impl Default for Lion {
    fn default() -> Lion {
        Lion::new(0.001)
    }
}

impl Optimizer for Lion {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("beta_1", self.beta_1, Range::Decay),
            Hyperparameter::new("beta_2", self.beta_2, Range::Decay),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        vec![Slot::zeros("momentum")]
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let rate = step.learning_rate;
        step.update(LionUpdate { rate, beta_1: self.beta_1, beta_2: self.beta_2 })
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

#[derive(Clone, Copy)]
struct LionUpdate {
    rate: f64,
    beta_1: f64,
    beta_2: f64,
}

impl Update<1> for LionUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let mean = |beta: f64| T::from_f64(beta) * m + T::from_f64(1.0 - beta) * g;
        let (direction, rate) = (mean(self.beta_1), T::from_f64(self.rate));
        let step = if direction > T::zero() {
            rate
        } else if direction < T::zero() {
            -rate
        } else {
            // 0 or NaN.
            direction
        };
        (p - step, [mean(self.beta_2)])
    }
}
