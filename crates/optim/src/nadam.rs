//! Nadam.

use autograd::Variable;
use tensor::{Float, Result, Tensor, Update};

use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Adam with Nesterov momentum: with `μₜ = β₁ (1 - 0.96^(t ψ) / 2)` and their product `Πₜ = μ₁ ⋯ μₜ`,
/// `m = β₁ m + (1 - β₁) g`, `v = β₂ v + (1 - β₂) g²`,
/// `p -= η (μₜ₊₁ m / (1 - Πₜ₊₁) + (1 - μₜ) g / (1 - Πₜ)) / (√(v / (1 - β₂ᵗ)) + ε)` in step `t`. From
/// Dozat, "Incorporating Nesterov Momentum into Adam" (2016).
///
/// Keras' `Nadam`: learning rate 0.001, `β₁` 0.9, `β₂` 0.999, `ε` 1e-7, `ψ` 1. PyTorch's `NAdam`: learning rate
/// 0.002, `ε` 1e-8, `ψ` 0.004.
pub struct Nadam {
    base: OptimizerBase,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    momentum_decay: f64,
}

impl Nadam {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Nadam {
        let base = OptimizerBase::new(learning_rate);
        Nadam { base, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, momentum_decay: 1.0 }
    }

    /// Sets the decay `β₁` of the mean, from 0 to below 1.
    #[must_use]
    pub fn beta_1(self, beta_1: f64) -> Nadam {
        Nadam { beta_1, ..self }
    }

    /// Sets the decay `β₂` of the mean square, from 0 to below 1.
    #[must_use]
    pub fn beta_2(self, beta_2: f64) -> Nadam {
        Nadam { beta_2, ..self }
    }

    /// Sets `ε`, above 0, which prevents a division by zero.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Nadam {
        Nadam { epsilon, ..self }
    }

    /// Sets `ψ`, 0 or more, which determines how fast the momentum approaches `β₁`. In Keras it is always 1.
    #[must_use]
    pub fn momentum_decay(self, momentum_decay: f64) -> Nadam {
        Nadam { momentum_decay, ..self }
    }

    /// `μₜ`.
    fn momentum(&self, t: f64) -> f64 {
        self.beta_1 * (1.0 - 0.5 * 0.96f64.powf(t * self.momentum_decay))
    }
}

impl Default for Nadam {
    fn default() -> Nadam {
        Nadam::new(0.001)
    }
}

impl Optimizer for Nadam {
    fn name(&self) -> &'static str {
        "nadam"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("beta_1", self.beta_1, Range::Decay),
            Hyperparameter::new("beta_2", self.beta_2, Range::Decay),
            Hyperparameter::new("epsilon", self.epsilon, Range::Epsilon),
            Hyperparameter::new("momentum_decay", self.momentum_decay, Range::NonNegative),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        let product = Slot::new("momentum_product", 1.0).shaped([]);
        vec![Slot::zeros("momentum"), Slot::zeros("velocity"), product]
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let (t, rate) = (step.number as f64, step.learning_rate);
        let (means, product) = step.states.split_at_mut(2);
        let product = &mut product[0];
        let (now, next) = (self.momentum(t), self.momentum(t + 1.0));
        let so_far = product.item()? * now;
        *product = Tensor::full_of([], so_far, product.dtype());
        let update = NadamUpdate {
            along_mean: rate * next / (1.0 - so_far * next),
            along_gradient: rate * (1.0 - now) / (1.0 - so_far),
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            correction: 1.0 - self.beta_2.powf(t),
        };
        Step { states: means, ..step }.update(update)
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

#[derive(Clone, Copy)]
struct NadamUpdate {
    /// The factor of the mean.
    along_mean: f64,
    /// The factor of the gradient.
    along_gradient: f64,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    /// The divisor of the mean square.
    correction: f64,
}

impl Update<2> for NadamUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let m = m + (g - m) * T::from_f64(1.0 - self.beta_1);
        let v = v + (g * g - v) * T::from_f64(1.0 - self.beta_2);
        let direction = T::from_f64(self.along_mean) * m + T::from_f64(self.along_gradient) * g;
        let root = (v / T::from_f64(self.correction)).sqrt();
        (p - direction / (root + T::from_f64(self.epsilon)), [m, v])
    }
}
