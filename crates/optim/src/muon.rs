//! Muon.

use autograd::Variable;
use tensor::{Float, Result, Tensor, Update};

use crate::adam::AdamUpdate;
use crate::{Hyperparameter, LearningRate, Optimizer, OptimizerBase, Range, Slot, Step};

/// Orthogonalizes the steps of matrices, so that all singular values are about 1: `m = μ m + g`,
/// `u = orthogonal(g + μ m)`, `p -= η s √(max(rows, columns)) · u`, where `s` is
/// [`rms_rate`](Muon::rms_rate). A quintic Newton–Schulz iteration computes it: with
/// `X = u / (‖u‖ + 1e-7)`, five times `A = X Xᵀ`, `X = a X + (b A + c A²) X`, which brings singular values
/// between 0.68 and 1.14. From Jordan and others, "Muon" (2024); the scale from Liu and others, "Muon is
/// Scalable for LLM Training" (2025).
///
/// Variables of other ranks, and variables whose names are [excluded](Muon::exclude), take the step of
/// [`AdamW`](crate::AdamW) with the same learning rate. Names that contain "embedding" are excluded by default; exclude
/// the output layer too.
///
/// Keras' `Muon`: learning rate 0.001, `μ` 0.95, 5 iterations with 3.4445, -4.775, 2.0315, `s` 0.2, Nesterov
/// momentum; `β₁` 0.9, `β₂` 0.999 and `ε` 1e-7 for the other variables; weight decay 0.004 for all (use a
/// [`Group`](crate::Group) to change it for some). PyTorch's `Muon` uses a running mean instead of the sum `m`, which only
/// changes the effect of the 1e-7, iterates in bfloat16, and supports only matrices; `s` is its `match_rms_adamw`.
pub struct Muon {
    base: OptimizerBase,
    momentum: f64,
    nesterov: bool,
    iterations: u32,
    coefficients: [f64; 3],
    rms_rate: f64,
    excluded: Vec<String>,
    adam_beta_1: f64,
    adam_beta_2: f64,
    epsilon: f64,
}

impl Muon {
    /// Keras' defaults with the given learning rate, which `apply` checks.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Muon {
        Muon {
            base: OptimizerBase { weight_decay: 0.004, ..OptimizerBase::new(learning_rate) },
            momentum: 0.95,
            nesterov: true,
            iterations: 5,
            coefficients: [3.4445, -4.775, 2.0315],
            rms_rate: 0.2,
            excluded: vec!["embedding".into()],
            adam_beta_1: 0.9,
            adam_beta_2: 0.999,
            epsilon: 1e-7,
        }
    }

    /// Sets the momentum `μ`, from 0 to below 1.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Muon {
        Muon { momentum, ..self }
    }

    /// Orthogonalizes `m` instead of `g + μ m`.
    #[must_use]
    pub fn without_nesterov(self) -> Muon {
        Muon { nesterov: false, ..self }
    }

    /// Sets the number of iterations; with 0 the direction is only scaled to norm 1.
    #[must_use]
    pub fn iterations(self, iterations: u32) -> Muon {
        Muon { iterations, ..self }
    }

    /// Sets `a`, `b` and `c` of the iteration. `[1.875, -1.25, 0.375]` converges to 1, but slowly.
    #[must_use]
    pub fn coefficients(self, coefficients: [f64; 3]) -> Muon {
        Muon { coefficients, ..self }
    }

    /// Sets `s`, above 0, the root mean square of a step before it is multiplied by the learning rate. Adam's is about 0.2.
    #[must_use]
    pub fn rms_rate(self, rms_rate: f64) -> Muon {
        Muon { rms_rate, ..self }
    }

    /// Uses the step of AdamW for variables whose names contain `part`, ignoring case.
    #[must_use]
    pub fn exclude(mut self, part: &str) -> Muon {
        self.excluded.push(part.to_lowercase());
        self
    }

    /// Sets `β₁` of the variables that are not matrices, from 0 to below 1.
    #[must_use]
    pub fn adam_beta_1(self, adam_beta_1: f64) -> Muon {
        Muon { adam_beta_1, ..self }
    }

    /// Sets `β₂` of the variables that are not matrices, from 0 to below 1.
    #[must_use]
    pub fn adam_beta_2(self, adam_beta_2: f64) -> Muon {
        Muon { adam_beta_2, ..self }
    }

    /// Sets `ε` of the variables that are not matrices, above 0.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Muon {
        Muon { epsilon, ..self }
    }

    fn orthogonalizes(&self, variable: &Variable) -> bool {
        if variable.shape().rank() != 2 {
            return false;
        }
        let name = variable.name().to_lowercase();
        !self.excluded.iter().any(|part| name.contains(part))
    }

    /// An approximation of the nearest matrix whose singular values are all 1.
    fn orthogonalized(&self, x: &Tensor) -> Result<Tensor> {
        let [a, b, c] = self.coefficients;
        let is_tall = x.shape()[0] > x.shape()[1];
        // A wide matrix, for which x xᵀ is the smaller product.
        let x = if is_tall { x.t()? } else { x.clone() };
        let mut x = x.try_div(x.norm().try_add(1e-7)?)?;
        for _ in 0..self.iterations {
            let square = x.matmul(x.t()?)?;
            let polynomial = square.try_mul(b)?.try_add(square.matmul(&square)?.try_mul(c)?)?;
            x = x.try_mul(a)?.try_add(polynomial.matmul(&x)?)?;
        }
        if is_tall { x.t() } else { Ok(x) }
    }
}

impl Default for Muon {
    fn default() -> Muon {
        Muon::new(0.001)
    }
}

impl Optimizer for Muon {
    fn name(&self) -> &'static str {
        "muon"
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        vec![
            Hyperparameter::new("momentum", self.momentum, Range::Decay),
            Hyperparameter::new("coefficient a", self.coefficients[0], Range::Finite),
            Hyperparameter::new("coefficient b", self.coefficients[1], Range::Finite),
            Hyperparameter::new("coefficient c", self.coefficients[2], Range::Finite),
            Hyperparameter::new("rms_rate", self.rms_rate, Range::Positive),
            Hyperparameter::new("adam_beta_1", self.adam_beta_1, Range::Decay),
            Hyperparameter::new("adam_beta_2", self.adam_beta_2, Range::Decay),
            Hyperparameter::new("epsilon", self.epsilon, Range::Epsilon),
        ]
    }

    fn slots(&self, variable: &Variable) -> Vec<Slot> {
        let mut slots = vec![Slot::zeros("momentum")];
        if !self.orthogonalizes(variable) {
            slots.push(Slot::zeros("velocity"));
        }
        slots
    }

    fn step(&self, mut step: Step<'_>) -> Result<()> {
        if step.states.len() == 2 {
            let moments = AdamUpdate::new(&step, self.adam_beta_1, self.adam_beta_2, self.epsilon);
            return step.update(moments);
        }
        let momentum = step.direction(MomentumDirection { momentum: self.momentum, nesterov: self.nesterov })?;
        let direction = self.orthogonalized(&momentum)?;
        let longest = step.gradient.shape().iter().copied().max().unwrap_or(1);
        let rate = step.learning_rate * self.rms_rate * (longest as f64).sqrt();
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
struct MomentumDirection {
    momentum: f64,
    nesterov: bool,
}

impl Update<1> for MomentumDirection {
    #[inline(always)]
    fn element<T: Float>(&self, _: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let momentum = T::from_f64(self.momentum);
        let m = momentum * m + g;
        (if self.nesterov { g + momentum * m } else { m }, [m])
    }
}
