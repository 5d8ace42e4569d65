//! Adafactor.

use autograd::Variable;
use tensor::{Result, Tensor};

use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Divides gradients by an estimate of their root mean square that is stored as means over rows and columns: `n + m`
/// numbers for a matrix `[n, m]` instead of `n m`.
///
/// With `βₜ = 1 - tᶜ`, `s = g² + ε₁`: `r = βₜ r + (1 - βₜ) mean(s over columns)`,
/// `c = βₜ c + (1 - βₜ) mean(s over rows)`, `v = r cᵀ / mean(r)`; a variable with fewer than two axes
/// stores `v = βₜ v + (1 - βₜ) s`, and one with more is a stack of matrices in its last two axes. Then `u = g / √v`,
/// `u /= max(1, rms(u) / d)`, `p -= max(ε₂, rms(p)) · min(η, 1 / √t) · u` in step `t`. From Shazeer and
/// Stern, "Adafactor" (2018).
///
/// Keras' `Adafactor`: learning rate 0.001, `c` -0.8, `ε₁` 1e-30, `ε₂` 0.001, `d` 1; its
/// option `relative_step=False` has no effect and is not supported. PyTorch's has learning rate 0.01, and instead of
/// adding `ε₁` it bounds `mean(r)` below by `ε₁` and `v` by `ε₁²`; this form is not supported.
pub struct Adafactor {
    base: OptimizerBase,
    beta_2_decay: f64,
    epsilon_1: f64,
    epsilon_2: f64,
    clip_threshold: f64,
}

impl Adafactor {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adafactor {
        let base = OptimizerBase::new(learning_rate);
        Adafactor { base, beta_2_decay: -0.8, epsilon_1: 1e-30, epsilon_2: 1e-3, clip_threshold: 1.0 }
    }

    /// Sets the exponent `c`, 0 or less, which determines how fast the decay of the means approaches 1.
    #[must_use]
    pub fn beta_2_decay(self, beta_2_decay: f64) -> Adafactor {
        Adafactor { beta_2_decay, ..self }
    }

    /// Sets `ε₁`, above 0, which prevents a division by zero.
    #[must_use]
    pub fn epsilon_1(self, epsilon_1: f64) -> Adafactor {
        Adafactor { epsilon_1, ..self }
    }

    /// Sets `ε₂`, 0 or more, the lower bound of `rms(p)`, so that a variable of zeros can change.
    #[must_use]
    pub fn epsilon_2(self, epsilon_2: f64) -> Adafactor {
        Adafactor { epsilon_2, ..self }
    }

    /// Sets `d`, above 0, the largest root mean square of a step before it is multiplied by the learning rate.
    #[must_use]
    pub fn clip_threshold(self, clip_threshold: f64) -> Adafactor {
        Adafactor { clip_threshold, ..self }
    }
}

impl Default for Adafactor {
    fn default() -> Adafactor {
        Adafactor::new(0.001)
    }
}

impl Optimizer for Adafactor {
    fn name(&self) -> &'static str {
        "adafactor"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("beta_2_decay", self.beta_2_decay, Range::NonPositive),
            Hyperparameter::new("epsilon_1", self.epsilon_1, Range::Epsilon),
            Hyperparameter::new("epsilon_2", self.epsilon_2, Range::NonNegative),
            Hyperparameter::new("clip_threshold", self.clip_threshold, Range::Positive),
        ]
    }

    fn slots(&self, variable: &Variable) -> Vec<Slot> {
        let shape = variable.shape();
        match shape.rank().checked_sub(2) {
            None => vec![Slot::zeros("velocity")],
            Some(axis) => {
                let without = |axis: usize| shape.reduced(&[axis], false);
                vec![Slot::zeros("row").shaped(without(axis + 1)), Slot::zeros("column").shaped(without(axis))]
            }
        }
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let t = step.number as f64;
        let new = t.powf(self.beta_2_decay);
        // An exponential moving average with the weight `new` for the new value.
        let follow = |state: &mut Tensor, now: &Tensor| -> Result<()> {
            *state = state.try_mul(1.0 - new)?.try_add(now.try_mul(new)?)?;
            Ok(())
        };
        let (gradient, squares) = (step.gradient, step.gradient.square().try_add(self.epsilon_1)?);
        let direction = match &mut *step.states {
            [row, column] => {
                follow(row, &squares.mean_axis([-1])?)?;
                follow(column, &squares.mean_axis([-2])?)?;
                let row = row.try_div(row.mean_keepdims([-1])?)?.rsqrt().expand_dims(-1)?;
                gradient.try_mul(row)?.try_mul(column.rsqrt().expand_dims(-2)?)?
            }
            states => {
                states.iter_mut().try_for_each(|velocity| follow(velocity, &squares))?;
                gradient.try_mul(states[0].rsqrt())?
            }
        };
        let size = step.learning_rate.min(t.sqrt().recip()) * root_mean_square(&step.start()?)?.max(self.epsilon_2);
        let rate = size / (root_mean_square(&direction)? / self.clip_threshold).max(1.0);
        step.descend(&direction, rate)
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

/// The root mean square; 0 for an empty tensor.
fn root_mean_square(x: &Tensor) -> Result<f64> {
    Ok(x.norm().item()? / (x.size().max(1) as f64).sqrt())
}
