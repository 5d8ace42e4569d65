//! What all optimizers have in common.

use std::borrow::Cow;

use autograd::Variable;
use tensor::{Error, Result, Tensor};

use crate::clip::Clip;
use crate::group::Group;
use crate::hyperparameter::{Hyperparameter, Range};
use crate::learning_rate::LearningRate;
use crate::memory::Memory;

/// The learning rate, the limits on gradients, the decays, the groups and the memory of an
/// optimizer. The builder methods of [`Optimizer`](crate::Optimizer) set them.
#[derive(Default)]
pub struct Common {
    pub(crate) rate: LearningRate,
    pub(crate) clip: Option<Clip>,
    pub(crate) weight_decay: f64,
    pub(crate) l2_penalty: f64,
    pub(crate) groups: Vec<Group>,
    pub(crate) memory: Memory,
}

/// What is in force for one variable in one step.
pub(crate) struct Terms {
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    pub(crate) l2_penalty: f64,
}

impl Common {
    /// This learning rate, and nothing else: no clipping, no decay, no groups.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Common {
        Common { rate: learning_rate.into(), ..Common::default() }
    }

    /// The states of all variables that have been stepped.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The rate of the next step.
    pub(crate) fn learning_rate(&self) -> f64 {
        self.rate.at(self.memory.steps)
    }

    pub(crate) fn check(&self, optimizer: &str) -> Result<()> {
        self.rate.check(self.memory.steps, optimizer)?;
        Hyperparameter::new("weight_decay", self.weight_decay, Range::NonNegative).check(optimizer)?;
        Hyperparameter::new("l2_penalty", self.l2_penalty, Range::NonNegative).check(optimizer)?;
        self.clip.iter().flat_map(Clip::hyperparameters).try_for_each(|limit| limit.check(optimizer))?;
        self.groups.iter().enumerate().try_for_each(|(k, group)| {
            let check = |hyperparameter: Hyperparameter| hyperparameter.check(&format!("group {k}"));
            group.hyperparameters().try_for_each(check).map_err(|error| error.context(optimizer))
        })
    }

    pub(crate) fn terms(&self, variable: &Variable, learning_rate: f64) -> Terms {
        let (weight_decay, l2_penalty) = (self.weight_decay, self.l2_penalty);
        let mut terms = Terms { learning_rate, weight_decay, l2_penalty };
        if let Some(group) = self.groups.iter().find(|group| group.takes(variable)) {
            terms.learning_rate *= group.rate;
            terms.weight_decay = group.weight_decay.unwrap_or(terms.weight_decay);
            terms.l2_penalty = group.l2_penalty.unwrap_or(terms.l2_penalty);
        }
        terms
    }

    /// The gradients within their limits, all of them finite.
    pub(crate) fn clipped<'g>(&self, variables: &[Variable], gradients: &'g [Tensor]) -> Result<Cow<'g, [Tensor]>> {
        let clipped = match &self.clip {
            Some(clip) => Cow::Owned(clip.apply(variables, gradients)?),
            None => Cow::Borrowed(gradients),
        };
        if !self.clip.as_ref().is_some_and(Clip::refuses_non_finite) {
            check_finite(variables, &clipped)?;
        }
        Ok(clipped)
    }
}

/// One such element would spoil a weight for good, and with the next forward pass the whole model.
fn check_finite(variables: &[Variable], gradients: &[Tensor]) -> Result<()> {
    match variables.iter().zip(gradients).find(|(_, gradient)| !gradient.all_finite()) {
        None => Ok(()),
        Some((variable, _)) => {
            let message = "the gradient has infinite or NaN elements; no variable was changed. A tape's \
                           `detect_anomalies` names the operation that they come from";
            Err(Error::argument("apply", message).context(variable.name()))
        }
    }
}

impl Terms {
    /// The gradient of the loss and of the L2 penalty.
    pub(crate) fn penalized<'g>(&self, variable: &Variable, gradient: &'g Tensor) -> Result<Cow<'g, Tensor>> {
        if self.l2_penalty == 0.0 {
            return Ok(Cow::Borrowed(gradient));
        }
        Ok(Cow::Owned(gradient.try_add(variable.value().try_mul(self.l2_penalty)?)?))
    }
}
