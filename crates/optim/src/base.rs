//! The data that all optimizers share.

use std::borrow::Cow;

use autograd::Variable;
use tensor::{Error, Result, Tensor};

use crate::clip::Clip;
use crate::group::Group;
use crate::hyperparameter::{Hyperparameter, Range};
use crate::learning_rate::LearningRate;
use crate::state::StateStore;

/// The learning rate, gradient clipping, decays, parameter groups and per-variable state of an optimizer. The builder
/// methods of [`Optimizer`](crate::Optimizer) set them.
#[derive(Default)]
pub struct OptimizerBase {
    pub(crate) learning_rate: LearningRate,
    pub(crate) clip: Option<Clip>,
    pub(crate) weight_decay: f64,
    pub(crate) l2_penalty: f64,
    pub(crate) groups: Vec<Group>,
    pub(crate) states: StateStore,
}

/// The hyperparameters of one variable in one step, after its group has changed them.
pub(crate) struct EffectiveHyperparameters {
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    pub(crate) l2_penalty: f64,
}

impl OptimizerBase {
    /// The given learning rate without clipping, decays and groups.
    pub fn new(learning_rate: impl Into<LearningRate>) -> OptimizerBase {
        OptimizerBase { learning_rate: learning_rate.into(), ..OptimizerBase::default() }
    }

    /// The states of all variables that have been stepped.
    pub fn states(&self) -> &StateStore {
        &self.states
    }

    /// The learning rate of the next step.
    pub(crate) fn learning_rate(&self) -> f64 {
        self.learning_rate.at(self.states.steps)
    }

    pub(crate) fn check(&self, optimizer: &str) -> Result<()> {
        self.learning_rate.check(self.states.steps, optimizer)?;
        Hyperparameter::new("weight_decay", self.weight_decay, Range::NonNegative).check(optimizer)?;
        Hyperparameter::new("l2_penalty", self.l2_penalty, Range::NonNegative).check(optimizer)?;
        self.clip.iter().flat_map(Clip::hyperparameters).try_for_each(|limit| limit.check(optimizer))?;
        self.groups.iter().enumerate().try_for_each(|(k, group)| {
            let check = |hyperparameter: Hyperparameter| hyperparameter.check(&format!("group {k}"));
            group.hyperparameters().try_for_each(check).map_err(|error| error.context(optimizer))
        })
    }

    pub(crate) fn effective(&self, variable: &Variable, learning_rate: f64) -> EffectiveHyperparameters {
        let (weight_decay, l2_penalty) = (self.weight_decay, self.l2_penalty);
        let mut effective = EffectiveHyperparameters { learning_rate, weight_decay, l2_penalty };
        if let Some(group) = self.groups.iter().find(|group| group.contains(variable)) {
            effective.learning_rate *= group.learning_rate_factor;
            effective.weight_decay = group.weight_decay.unwrap_or(effective.weight_decay);
            effective.l2_penalty = group.l2_penalty.unwrap_or(effective.l2_penalty);
        }
        effective
    }

    /// The clipped gradients.
    ///
    /// # Errors
    /// Returns an error if a gradient is not finite.
    pub(crate) fn clipped<'g>(&self, variables: &[Variable], gradients: &'g [Tensor]) -> Result<Cow<'g, [Tensor]>> {
        let clipped = match &self.clip {
            Some(clip) => Cow::Owned(clip.apply(variables, gradients)?),
            None => Cow::Borrowed(gradients),
        };
        if !self.clip.as_ref().is_some_and(Clip::rejects_non_finite) {
            check_finite(variables, &clipped)?;
        }
        Ok(clipped)
    }
}

/// A single NaN or infinite element would break the weight for good, and with the next forward pass the whole model.
fn check_finite(variables: &[Variable], gradients: &[Tensor]) -> Result<()> {
    match variables.iter().zip(gradients).find(|(_, gradient)| !gradient.all_finite()) {
        None => Ok(()),
        Some((variable, _)) => {
            let message = "the gradient has infinite or NaN elements; no variable was changed. A tape with \
                           `detect_anomalies` names the operation that produced them";
            Err(Error::argument("apply", message).context(variable.name()))
        }
    }
}

impl EffectiveHyperparameters {
    /// The gradient of the loss plus that of the L2 penalty.
    pub(crate) fn penalized<'g>(&self, variable: &Variable, gradient: &'g Tensor) -> Result<Cow<'g, Tensor>> {
        if self.l2_penalty == 0.0 {
            return Ok(Cow::Borrowed(gradient));
        }
        Ok(Cow::Owned(gradient.try_add(variable.value().try_mul(self.l2_penalty)?)?))
    }
}
