//! Variables that an optimizer treats differently.

use autograd::Variable;

use crate::hyperparameter::{Hyperparameter, Range};

/// A parameter group: a rule that tells which variables belong to it, and what is different for
/// them. A variable belongs to the first group of the optimizer that takes it, or to none.
///
/// ```
/// use optim::{AdamW, Group, Optimizer};
///
/// let optimizer = AdamW::new(1e-3)
///     .group(Group::vectors().weight_decay(0.0))
///     .group(Group::named("encoder").rate(0.1));
/// ```
pub struct Group {
    takes: Box<dyn Fn(&Variable) -> bool + Send + Sync>,
    pub(crate) rate: f64,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) l2_penalty: Option<f64>,
}

impl Group {
    /// The variables for which `takes` is true. It is asked in every step.
    pub fn new(takes: impl Fn(&Variable) -> bool + Send + Sync + 'static) -> Group {
        Group { takes: Box::new(takes), rate: 1.0, weight_decay: None, l2_penalty: None }
    }

    /// The variables in whose name `part` occurs.
    pub fn named(part: impl Into<String>) -> Group {
        let part = part.into();
        Group::new(move |variable| variable.name().contains(&part))
    }

    /// The variables of fewer than two axes: biases, and the scales and offsets of normalization,
    /// which are usually spared weight decay.
    pub fn vectors() -> Group {
        Group::new(|variable| variable.shape().rank() < 2)
    }

    /// Sets the factor, 0 or more, by which their learning rate differs from that of the optimizer.
    #[must_use]
    pub fn rate(self, factor: f64) -> Group {
        Group { rate: factor, ..self }
    }

    /// Sets their [weight decay](crate::Optimizer::weight_decay) in place of that of the optimizer.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Group {
        Group { weight_decay: Some(weight_decay), ..self }
    }

    /// Sets their [L2 penalty](crate::Optimizer::l2_penalty) in place of that of the optimizer.
    #[must_use]
    pub fn l2_penalty(self, l2_penalty: f64) -> Group {
        Group { l2_penalty: Some(l2_penalty), ..self }
    }

    pub(crate) fn takes(&self, variable: &Variable) -> bool {
        (self.takes)(variable)
    }

    pub(crate) fn hyperparameters(&self) -> impl Iterator<Item = Hyperparameter> {
        let decays = [("weight_decay", self.weight_decay), ("l2_penalty", self.l2_penalty)];
        let decays = decays.into_iter().filter_map(|(name, value)| Some((name, value?)));
        std::iter::once(("rate", self.rate))
            .chain(decays)
            .map(|(name, value)| Hyperparameter::new(name, value, Range::NonNegative))
    }
}
