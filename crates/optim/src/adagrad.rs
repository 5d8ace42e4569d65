//! Adagrad.

use tensor::{Float, Result, Update};

use crate::{Hyperparameter, Memory, Optimizer, Range, Slot, Step};

/// Steps that shrink with the sum of the squared gradients of each element: `a += g²`,
/// `p -= η g / √(a + ε)`. From Duchi, Hazan and Singer, "Adaptive Subgradient Methods" (2011).
///
/// Keras' `Adagrad`: learning rate 0.001, `a` starts at 0.1, `ε` 1e-7.
pub struct Adagrad {
    memory: Memory,
    initial_accumulator_value: f64,
    epsilon: f64,
}

impl Adagrad {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: f64) -> Adagrad {
        Adagrad { memory: Memory::new(learning_rate), initial_accumulator_value: 0.1, epsilon: 1e-7 }
    }

    /// Sets where the sums of squares start, 0 or more.
    #[must_use]
    pub fn initial_accumulator_value(self, initial_accumulator_value: f64) -> Adagrad {
        Adagrad { initial_accumulator_value, ..self }
    }

    /// Sets `ε`, 0 or more, which keeps the divisor from zero.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Adagrad {
        Adagrad { epsilon, ..self }
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
            Hyperparameter::new("epsilon", self.epsilon, Range::NonNegative),
        ]
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot { name: "accumulator", initial: self.initial_accumulator_value }]
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let rate = step.learning_rate;
        step.update(&Rule { rate, epsilon: self.epsilon })
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

struct Rule {
    rate: f64,
    epsilon: f64,
}

impl Update<1> for Rule {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [a]: [T; 1]) -> (T, [T; 1]) {
        let a = a + g * g;
        (p - T::from_f64(self.rate) * g / (a + T::from_f64(self.epsilon)).sqrt(), [a])
    }
}
