//! LAMB.

use autograd::Variable;
use tensor::{Float, Result, Update};

use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Adam with the step of each variable scaled to the norm of the variable:
/// `m = β₁ m + (1 - β₁) g`, `v = β₂ v + (1 - β₂) g²`,
/// `u = (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)`, `p -= η ‖p‖ / ‖u‖ · u` in step `t`, with Euclidean norms
/// of whole variables; the ratio is 1 if a norm is 0. From You and others, "Large Batch Optimization
/// for Deep Learning" (2020).
///
/// Keras' `Lamb`: learning rate 0.001, `β₁` 0.9, `β₂` 0.999, `ε` 1e-7. As in Keras, weight decay is applied before
/// the step and not, as in the paper, added to `u`. PyTorch does not have it.
pub struct Lamb {
    base: OptimizerBase,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

impl Lamb {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Lamb {
        Lamb { base: OptimizerBase::new(learning_rate), beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }

    /// Sets the decay `β₁` of the mean, from 0 to below 1.
    #[must_use]
    pub fn beta_1(self, beta_1: f64) -> Lamb {
        Lamb { beta_1, ..self }
    }

    /// Sets the decay `β₂` of the mean square, from 0 to below 1.
    #[must_use]
    pub fn beta_2(self, beta_2: f64) -> Lamb {
        Lamb { beta_2, ..self }
    }

    /// Sets `ε`, above 0, which prevents a division by zero.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Lamb {
        Lamb { epsilon, ..self }
    }
}

impl Default for Lamb {
    fn default() -> Lamb {
        Lamb::new(0.001)
    }
}

impl Optimizer for Lamb {
    fn name(&self) -> &'static str {
        "lamb"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("beta_1", self.beta_1, Range::Decay),
            Hyperparameter::new("beta_2", self.beta_2, Range::Decay),
            Hyperparameter::new("epsilon", self.epsilon, Range::Epsilon),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        vec![Slot::zeros("momentum"), Slot::zeros("velocity")]
    }

    fn step(&self, mut step: Step<'_>) -> Result<()> {
        let t = step.number as f64;
        let direction = step.direction(LambDirection {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            corrections: [1.0 - self.beta_1.powf(t), 1.0 - self.beta_2.powf(t)],
        })?;
        let (of_variable, of_direction) = (step.start()?.norm().item()?, direction.norm().item()?);
        let ratio = if of_variable > 0.0 && of_direction > 0.0 { of_variable / of_direction } else { 1.0 };
        let rate = ratio * step.learning_rate;
        step.descend(&direction, rate)
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

#[derive(Clone, Copy)]
struct LambDirection {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    /// The divisors of the means.
    corrections: [f64; 2],
}

impl Update<2> for LambDirection {
    #[inline(always)]
    fn element<T: Float>(&self, _: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let m = m + (g - m) * T::from_f64(1.0 - self.beta_1);
        let v = v + (g * g - v) * T::from_f64(1.0 - self.beta_2);
        let [first, second] = self.corrections.map(T::from_f64);
        ((m / first) / ((v / second).sqrt() + T::from_f64(self.epsilon)), [m, v])
    }
}
