//! Adagrad.

use autograd::Variable;
use tensor::{Float, Result, Update};

use crate::epsilon::Epsilon;
use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Divides gradients by the root of the sum of their squares so far: `a += g²`,
/// `p -= η g / √(a + ε)`. From Duchi, Hazan and Singer, "Adaptive Subgradient Methods" (2011).
///
/// Keras' `Adagrad`: learning rate 0.001, `a` starts at 0.1, `ε` 1e-7. PyTorch's `Adagrad`: learning rate
/// 0.01, `a` starts at 0, [`epsilon_outside_root`](Adagrad::epsilon_outside_root) 1e-10; its
/// `lr_decay` is the schedule [`InverseTime`](crate::schedules::InverseTime).
pub struct Adagrad {
    base: OptimizerBase,
    initial_accumulator_value: f64,
    epsilon: Epsilon,
}

impl Adagrad {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adagrad {
        Adagrad {
            base: OptimizerBase::new(learning_rate),
            initial_accumulator_value: 0.1,
            epsilon: Epsilon::InsideRoot(1e-7),
        }
    }

    /// Sets the initial value of the sums of squares, 0 or more.
    #[must_use]
    pub fn initial_accumulator_value(self, initial_accumulator_value: f64) -> Adagrad {
        Adagrad { initial_accumulator_value, ..self }
    }

    /// Sets `ε`, above 0, which prevents a division by zero.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Adagrad {
        Adagrad { epsilon: Epsilon::InsideRoot(epsilon), ..self }
    }

    /// Sets `ε` and adds it outside of the root, `√a + ε`, as in PyTorch (1e-10).
    #[must_use]
    pub fn epsilon_outside_root(self, epsilon: f64) -> Adagrad {
        Adagrad { epsilon: Epsilon::OutsideRoot(epsilon), ..self }
    }
}

impl Default for Adagrad {
    fn default() -> Adagrad {
        Adagrad::new(0.001)
    }
}

impl Optimizer for Adagrad {
    fn name(&self) -> &'static str {
        "adagrad"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("initial_accumulator_value", self.initial_accumulator_value, Range::NonNegative),
            Hyperparameter::new("epsilon", self.epsilon.value(), Range::Epsilon),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        vec![Slot::new("accumulator", self.initial_accumulator_value)]
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let rate = step.learning_rate;
        step.update(AdagradUpdate { rate, epsilon: self.epsilon })
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

#[derive(Clone, Copy)]
struct AdagradUpdate {
    rate: f64,
    epsilon: Epsilon,
}

impl Update<1> for AdagradUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [a]: [T; 1]) -> (T, [T; 1]) {
        let a = a + g * g;
        (p - T::from_f64(self.rate) * g / self.epsilon.root(a), [a])
    }
}
