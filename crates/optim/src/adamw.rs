//! Adam with weight decay.

use autograd::Variable;
use tensor::Result;

use crate::{Adam, Hyperparameter, LearningRate, Optimizer, OptimizerBase, Slot, Step};

/// [`Adam`] with [weight decay](Optimizer::weight_decay) by default: `p -= η λ p`, then Adam's step. From Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019).
///
/// Keras' `AdamW`: like its `Adam`, with weight decay 0.004. PyTorch's `AdamW`: weight decay 0.01 and
/// [`corrected_epsilon`](AdamW::corrected_epsilon) 1e-8.
pub struct AdamW(Adam);

impl AdamW {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> AdamW {
        AdamW(Adam::new(learning_rate).weight_decay(0.004))
    }

    /// Sets the decay `β₁` of the mean: [`Adam::beta_1`].
    #[must_use]
    pub fn beta_1(self, beta_1: f64) -> AdamW {
        AdamW(self.0.beta_1(beta_1))
    }

    /// Sets the decay `β₂` of the mean square: [`Adam::beta_2`].
    #[must_use]
    pub fn beta_2(self, beta_2: f64) -> AdamW {
        AdamW(self.0.beta_2(beta_2))
    }

    /// Sets `ε`: [`Adam::epsilon`].
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> AdamW {
        AdamW(self.0.epsilon(epsilon))
    }

    /// Sets `ε` in PyTorch's form: [`Adam::corrected_epsilon`].
    #[must_use]
    pub fn corrected_epsilon(self, epsilon: f64) -> AdamW {
        AdamW(self.0.corrected_epsilon(epsilon))
    }

    /// Divides by the largest mean square so far: [`Adam::amsgrad`].
    #[must_use]
    pub fn amsgrad(self) -> AdamW {
        AdamW(self.0.amsgrad())
    }
}

impl Default for AdamW {
    fn default() -> AdamW {
        AdamW::new(0.001)
    }
}

impl Optimizer for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        self.0.hyperparameters()
    }

    fn slots(&self, variable: &Variable) -> Vec<Slot> {
        self.0.slots(variable)
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        self.0.step(step)
    }

    fn base(&self) -> &OptimizerBase {
        self.0.base()
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        self.0.base_mut()
    }
}
