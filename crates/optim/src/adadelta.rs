//! Adadelta.

use autograd::Variable;
use tensor::{Float, Result, Update};

use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Scales gradients by the ratio of the running root mean squares of the previous steps and of the gradients: `a = ρ a + (1 - ρ) g²`, `d = √(x + ε) / √(a + ε) · g`, `x = ρ x + (1 - ρ) d²`,
/// `p -= η d`. From Zeiler, "ADADELTA" (2012), where `η` is 1.
///
/// Keras' `Adadelta`: learning rate 0.001, `ρ` 0.95, `ε` 1e-7. PyTorch's: learning rate 1, `ρ` 0.9, `ε`
/// 1e-6.
pub struct Adadelta {
    base: OptimizerBase,
    rho: f64,
    epsilon: f64,
}

impl Adadelta {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adadelta {
        Adadelta { base: OptimizerBase::new(learning_rate), rho: 0.95, epsilon: 1e-7 }
    }

    /// Sets the decay `ρ` of both means, from 0 to below 1.
    #[must_use]
    pub fn rho(self, rho: f64) -> Adadelta {
        Adadelta { rho, ..self }
    }

    /// Sets `ε`, above 0, which prevents a division by zero and makes the first step nonzero.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Adadelta {
        Adadelta { epsilon, ..self }
    }
}

impl Default for Adadelta {
    fn default() -> Adadelta {
        Adadelta::new(0.001)
    }
}

impl Optimizer for Adadelta {
    fn name(&self) -> &'static str {
        "adadelta"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("rho", self.rho, Range::Decay),
            Hyperparameter::new("epsilon", self.epsilon, Range::Epsilon),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        vec![Slot::zeros("accumulated_gradient"), Slot::zeros("accumulated_step")]
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let rate = step.learning_rate;
        step.update(AdadeltaUpdate { rate, rho: self.rho, epsilon: self.epsilon })
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

#[derive(Clone, Copy)]
struct AdadeltaUpdate {
    rate: f64,
    rho: f64,
    epsilon: f64,
}

impl Update<2> for AdadeltaUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [a, x]: [T; 2]) -> (T, [T; 2]) {
        let (rho, rest, epsilon) = (T::from_f64(self.rho), T::from_f64(1.0 - self.rho), T::from_f64(self.epsilon));
        let a = rho * a + rest * g * g;
        let d = (x + epsilon).sqrt() / (a + epsilon).sqrt() * g;
        let x = rho * x + rest * d * d;
        (p - T::from_f64(self.rate) * d, [a, x])
    }
}
