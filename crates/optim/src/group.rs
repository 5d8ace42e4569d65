//! Parameter groups: variables with different hyperparameters.

use autograd::Variable;

use crate::hyperparameter::{Hyperparameter, Range};

/// A parameter group: a predicate that selects variables, and the hyperparameters that differ for them. If several
/// groups of an optimizer select a variable, the first one applies.
///
/// ```
/// use optim::{AdamW, Group, Optimizer};
///
/// let optimizer = AdamW::new(1e-3)
///     .group(Group::vectors().weight_decay(0.0))
///     .group(Group::named("encoder").learning_rate_factor(0.1));
/// ```
pub struct Group {
    contains: Box<dyn Fn(&Variable) -> bool + Send + Sync>,
    pub(crate) learning_rate_factor: f64,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) l2_penalty: Option<f64>,
}

impl Group {
    /// The variables for which `contains` returns true. It is called for each variable in every step.
    pub fn new(contains: impl Fn(&Variable) -> bool + Send + Sync + 'static) -> Group {
        Group { contains: Box::new(contains), learning_rate_factor: 1.0, weight_decay: None, l2_penalty: None }
    }

    /// The variables whose name contains `part`.
    pub fn named(part: impl Into<String>) -> Group {
        let part = part.into();
        Group::new(move |variable| variable.name().contains(&part))
    }

    /// The variables with fewer than two axes: biases, and the scales and offsets of normalization layers, which usually
    /// have no weight decay.
    pub fn vectors() -> Group {
        Group::new(|variable| variable.shape().rank() < 2)
    }

    /// Sets the factor, 0 or more, by which the optimizer's learning rate is multiplied.
    #[must_use]
    pub fn learning_rate_factor(self, factor: f64) -> Group {
        Group { learning_rate_factor: factor, ..self }
    }

    /// Sets the [weight decay](crate::Optimizer::weight_decay) instead of the optimizer's.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Group {
        Group { weight_decay: Some(weight_decay), ..self }
    }

    /// Sets the [L2 penalty](crate::Optimizer::l2_penalty) instead of the optimizer's.
    #[must_use]
    pub fn l2_penalty(self, l2_penalty: f64) -> Group {
        Group { l2_penalty: Some(l2_penalty), ..self }
    }

    pub(crate) fn contains(&self, variable: &Variable) -> bool {
        (self.contains)(variable)
    }

    pub(crate) fn hyperparameters(&self) -> impl Iterator<Item = Hyperparameter> {
        let decays = [("weight_decay", self.weight_decay), ("l2_penalty", self.l2_penalty)];
        let decays = decays.into_iter().filter_map(|(name, value)| Some((name, value?)));
        std::iter::once(("learning_rate_factor", self.learning_rate_factor))
            .chain(decays)
            .map(|(name, value)| Hyperparameter::new(name, value, Range::NonNegative))
    }
}
