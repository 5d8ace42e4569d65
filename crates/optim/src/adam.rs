//! Adam.

use autograd::Variable;
use tensor::{Float, Result, Update};

use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Divides a running mean of the gradient by its running root mean square, both corrected for their initial value of
/// zero: `m = β₁ m + (1 - β₁) g`, `v = β₂ v + (1 - β₂) g²`,
/// `p -= η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)` in step `t`. From Kingma and Ba, "Adam" (2015), in
/// the form at the end of their section 2.
///
/// AMSGrad divides by the largest `v` so far; from Reddi, Kale and Kumar, "On the Convergence of
/// Adam and Beyond" (2018).
///
/// Keras' `Adam`: learning rate 0.001, `β₁` 0.9, `β₂` 0.999, `ε` 1e-7. PyTorch's `Adam`:
/// [`corrected_epsilon`](Adam::corrected_epsilon) 1e-8, and its `weight_decay` is the
/// [`l2_penalty`](Optimizer::l2_penalty).
pub struct Adam {
    base: OptimizerBase,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    epsilon_is_corrected: bool,
    amsgrad: bool,
}

impl Adam {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adam {
        Adam {
            base: OptimizerBase::new(learning_rate),
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
            epsilon_is_corrected: false,
            amsgrad: false,
        }
    }

    /// Sets the decay `β₁` of the mean, from 0 to below 1.
    #[must_use]
    pub fn beta_1(self, beta_1: f64) -> Adam {
        Adam { beta_1, ..self }
    }

    /// Sets the decay `β₂` of the mean square, from 0 to below 1.
    #[must_use]
    pub fn beta_2(self, beta_2: f64) -> Adam {
        Adam { beta_2, ..self }
    }

    /// Sets `ε`, above 0, which prevents a division by zero.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Adam {
        Adam { epsilon, epsilon_is_corrected: false, ..self }
    }

    /// Sets `ε` and adds it to the root of the corrected mean square, `√(v / (1 - β₂ᵗ)) + ε`, as in Algorithm 1 of the paper
    /// and in PyTorch. In early steps it has less effect than [`epsilon`](Adam::epsilon).
    #[must_use]
    pub fn corrected_epsilon(self, epsilon: f64) -> Adam {
        Adam { epsilon, epsilon_is_corrected: true, ..self }
    }

    /// Divides by the largest mean square so far (AMSGrad).
    #[must_use]
    pub fn amsgrad(self) -> Adam {
        Adam { amsgrad: true, ..self }
    }
}

impl Default for Adam {
    fn default() -> Adam {
        Adam::new(0.001)
    }
}

impl Optimizer for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("beta_1", self.beta_1, Range::Decay),
            Hyperparameter::new("beta_2", self.beta_2, Range::Decay),
            Hyperparameter::new("epsilon", self.epsilon, Range::Epsilon),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        let mut slots = vec![Slot::zeros("momentum"), Slot::zeros("velocity")];
        if self.amsgrad {
            slots.push(Slot::zeros("velocity_hat"));
        }
        slots
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let mut update = AdamUpdate::new(&step, self.beta_1, self.beta_2, self.epsilon);
        if self.epsilon_is_corrected {
            update.epsilon *= (1.0 - self.beta_2.powf(step.number as f64)).sqrt();
        }
        if self.amsgrad { step.update(AmsGradUpdate(update)) } else { step.update(update) }
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

/// The formula without AMSGrad. The states are `m` and `v`.
#[derive(Clone, Copy)]
pub(crate) struct AdamUpdate {
    /// The learning rate, including the corrections of both means.
    pub(crate) rate: f64,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

impl AdamUpdate {
    pub(crate) fn new(step: &Step<'_>, beta_1: f64, beta_2: f64, epsilon: f64) -> AdamUpdate {
        let t = step.number as f64;
        let rate = step.learning_rate * (1.0 - beta_2.powf(t)).sqrt() / (1.0 - beta_1.powf(t));
        AdamUpdate { rate, beta_1, beta_2, epsilon }
    }

    #[inline(always)]
    fn means<T: Float>(&self, g: T, m: T, v: T) -> (T, T) {
        (m + (g - m) * T::from_f64(1.0 - self.beta_1), v + (g * g - v) * T::from_f64(1.0 - self.beta_2))
    }

    #[inline(always)]
    fn descent<T: Float>(&self, m: T, v: T) -> T {
        T::from_f64(self.rate) * m / (v.sqrt() + T::from_f64(self.epsilon))
    }
}

impl Update<2> for AdamUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let (m, v) = self.means(g, m, v);
        (p - self.descent(m, v), [m, v])
    }
}

#[derive(Clone, Copy)]
struct AmsGradUpdate(AdamUpdate);

impl Update<3> for AmsGradUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [m, v, largest]: [T; 3]) -> (T, [T; 3]) {
        let (m, v) = self.0.means(g, m, v);
        // Not `max`, which would ignore NaN.
        let largest = if largest > v { largest } else { v };
        (p - self.0.descent(m, largest), [m, v, largest])
    }
}
