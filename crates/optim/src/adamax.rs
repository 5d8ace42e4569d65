//! Adamax.

use autograd::Variable;
use tensor::{Float, Result, Update};

use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Adam with a decaying maximum of the gradients instead of their root mean square:
/// `m = β₁ m + (1 - β₁) g`, `u = max(β₂ u, |g|)`, `p -= η / (1 - β₁ᵗ) · m / (u + ε)` in step `t`. From
/// Kingma and Ba, "Adam" (2015), section 7.1.
///
/// Keras' `Adamax`: learning rate 0.001, `β₁` 0.9, `β₂` 0.999, `ε` 1e-7. PyTorch's: learning rate 0.002,
/// [`epsilon_inside_maximum`](Adamax::epsilon_inside_maximum) 1e-8.
pub struct Adamax {
    base: OptimizerBase,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    epsilon_is_inside: bool,
}

impl Adamax {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adamax {
        let base = OptimizerBase::new(learning_rate);
        Adamax { base, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, epsilon_is_inside: false }
    }

    /// Sets the decay `β₁` of the mean, from 0 to below 1.
    #[must_use]
    pub fn beta_1(self, beta_1: f64) -> Adamax {
        Adamax { beta_1, ..self }
    }

    /// Sets the decay `β₂` of the maximum, from 0 to below 1.
    #[must_use]
    pub fn beta_2(self, beta_2: f64) -> Adamax {
        Adamax { beta_2, ..self }
    }

    /// Sets `ε`, above 0, which prevents a division by zero.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Adamax {
        Adamax { epsilon, epsilon_is_inside: false, ..self }
    }

    /// Sets `ε` and adds it inside of the maximum, `u = max(β₂ u, |g| + ε)`, as in PyTorch.
    #[must_use]
    pub fn epsilon_inside_maximum(self, epsilon: f64) -> Adamax {
        Adamax { epsilon, epsilon_is_inside: true, ..self }
    }
}

impl Default for Adamax {
    fn default() -> Adamax {
        Adamax::new(0.001)
    }
}

impl Optimizer for Adamax {
    fn name(&self) -> &'static str {
        "adamax"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("beta_1", self.beta_1, Range::Decay),
            Hyperparameter::new("beta_2", self.beta_2, Range::Decay),
            Hyperparameter::new("epsilon", self.epsilon, Range::Epsilon),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        vec![Slot::zeros("momentum"), Slot::zeros("largest")]
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let rate = step.learning_rate / (1.0 - self.beta_1.powf(step.number as f64));
        let (inside, outside) = if self.epsilon_is_inside { (self.epsilon, 0.0) } else { (0.0, self.epsilon) };
        step.update(AdamaxUpdate { rate, beta_1: self.beta_1, beta_2: self.beta_2, inside, outside })
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

#[derive(Clone, Copy)]
struct AdamaxUpdate {
    /// The learning rate, including the correction of the mean.
    rate: f64,
    beta_1: f64,
    beta_2: f64,
    /// `ε` inside of the maximum, or 0.
    inside: f64,
    /// `ε` added to the maximum, or 0.
    outside: f64,
}

impl Update<2> for AdamaxUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [m, u]: [T; 2]) -> (T, [T; 2]) {
        let m = m + (g - m) * T::from_f64(1.0 - self.beta_1);
        let (u, size) = (u * T::from_f64(self.beta_2), g.abs() + T::from_f64(self.inside));
        // Not `max`, which would ignore NaN.
        let u = if u > size { u } else { size };
        (p - T::from_f64(self.rate) * m / (u + T::from_f64(self.outside)), [m, u])
    }
}
