//! RMSprop.

use autograd::Variable;
use tensor::{Float, Result, Update};

use crate::epsilon::Epsilon;
use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Divides gradients by their running root mean square: `v = ρ v + (1 - ρ) g²`,
/// `s = η g / √(v + ε)`, `p -= s`. From Tieleman and Hinton, lecture 6.5 (2012).
///
/// With momentum `μ`: `b = μ b + s`, `p -= b`. Centered: with the running mean
/// `m = ρ m + (1 - ρ) g`, the variance `v - m²` is used instead of `v`. If rounding makes it negative, it is replaced by
/// 0; Keras takes the root, which is NaN.
///
/// Keras' `RMSprop`: learning rate 0.001, `ρ` 0.9, no momentum, `ε` 1e-7, not centered. PyTorch's
/// `RMSprop`: learning rate 0.01, `ρ` (there `alpha`) 0.99,
/// [`epsilon_outside_root`](RmsProp::epsilon_outside_root) 1e-8; it stores `b` without the factor `η`,
/// which is equivalent while the learning rate is constant.
pub struct RmsProp {
    base: OptimizerBase,
    rho: f64,
    momentum: f64,
    epsilon: Epsilon,
    centered: bool,
}

impl RmsProp {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> RmsProp {
        RmsProp {
            base: OptimizerBase::new(learning_rate),
            rho: 0.9,
            momentum: 0.0,
            epsilon: Epsilon::InsideRoot(1e-7),
            centered: false,
        }
    }

    /// Sets the decay `ρ` of the running means, from 0 to below 1.
    #[must_use]
    pub fn rho(self, rho: f64) -> RmsProp {
        RmsProp { rho, ..self }
    }

    /// Sets the momentum, from 0 (none, the default) to 1.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> RmsProp {
        RmsProp { momentum, ..self }
    }

    /// Sets `ε`, above 0, which prevents a division by zero.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> RmsProp {
        RmsProp { epsilon: Epsilon::InsideRoot(epsilon), ..self }
    }

    /// Sets `ε` and adds it outside of the root, `√v + ε`, as in PyTorch (1e-8).
    #[must_use]
    pub fn epsilon_outside_root(self, epsilon: f64) -> RmsProp {
        RmsProp { epsilon: Epsilon::OutsideRoot(epsilon), ..self }
    }

    /// Divides by the standard deviation instead of the root mean square.
    #[must_use]
    pub fn centered(self) -> RmsProp {
        RmsProp { centered: true, ..self }
    }
}

impl Default for RmsProp {
    fn default() -> RmsProp {
        RmsProp::new(0.001)
    }
}

impl Optimizer for RmsProp {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("rho", self.rho, Range::Decay),
            Hyperparameter::new("momentum", self.momentum, Range::Unit),
            Hyperparameter::new("epsilon", self.epsilon.value(), Range::Epsilon),
        ]
    }

    fn slots(&self, _variable: &Variable) -> Vec<Slot> {
        let mut slots = vec![Slot::zeros("mean_square")];
        if self.centered {
            slots.push(Slot::zeros("mean"));
        }
        if self.momentum != 0.0 {
            slots.push(Slot::zeros("velocity"));
        }
        slots
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        let (rate, momentum) = (step.learning_rate, self.momentum);
        let update = RmsUpdate { rate, rho: self.rho, epsilon: self.epsilon };
        match (self.centered, momentum != 0.0) {
            (false, false) => step.update(PlainUpdate(update)),
            (false, true) => step.update(MomentumUpdate(update, momentum)),
            (true, false) => step.update(CenteredUpdate(update)),
            (true, true) => step.update(CenteredMomentumUpdate(update, momentum)),
        }
    }

    fn base(&self) -> &OptimizerBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        &mut self.base
    }
}

/// The part that the four forms share.
#[derive(Clone, Copy)]
struct RmsUpdate {
    rate: f64,
    rho: f64,
    epsilon: Epsilon,
}

impl RmsUpdate {
    #[inline(always)]
    fn mean<T: Float>(&self, mean: T, new: T) -> T {
        T::from_f64(self.rho) * mean + T::from_f64(1.0 - self.rho) * new
    }

    #[inline(always)]
    fn descent<T: Float>(&self, g: T, square: T) -> T {
        T::from_f64(self.rate) * g / self.epsilon.root(square)
    }

    #[inline(always)]
    fn variance<T: Float>(square: T, mean: T) -> T {
        let variance = square - mean * mean;
        // Not `max`, which would turn NaN into 0.
        if variance < T::zero() { T::zero() } else { variance }
    }
}

#[derive(Clone, Copy)]
struct PlainUpdate(RmsUpdate);

impl Update<1> for PlainUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
        let v = self.0.mean(v, g * g);
        (p - self.0.descent(g, v), [v])
    }
}

#[derive(Clone, Copy)]
struct MomentumUpdate(RmsUpdate, f64);

impl Update<2> for MomentumUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [v, b]: [T; 2]) -> (T, [T; 2]) {
        let v = self.0.mean(v, g * g);
        let b = T::from_f64(self.1) * b + self.0.descent(g, v);
        (p - b, [v, b])
    }
}

#[derive(Clone, Copy)]
struct CenteredUpdate(RmsUpdate);

impl Update<2> for CenteredUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [v, m]: [T; 2]) -> (T, [T; 2]) {
        let (v, m) = (self.0.mean(v, g * g), self.0.mean(m, g));
        (p - self.0.descent(g, RmsUpdate::variance(v, m)), [v, m])
    }
}

#[derive(Clone, Copy)]
struct CenteredMomentumUpdate(RmsUpdate, f64);

impl Update<3> for CenteredMomentumUpdate {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, [v, m, b]: [T; 3]) -> (T, [T; 3]) {
        let (v, m) = (self.0.mean(v, g * g), self.0.mean(m, g));
        let b = T::from_f64(self.1) * b + self.0.descent(g, RmsUpdate::variance(v, m));
        (p - b, [v, m, b])
    }
}
