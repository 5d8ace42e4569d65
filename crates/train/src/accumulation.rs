//! Gradients of several batches for one step of the optimizer.

use autograd::Variable;
use data::escaped;
use optim::{AccumulatorState, GradientAccumulator};
use tensor::Tensor;

use crate::error::{Error, Result, TrainError};

/// A [`GradientAccumulator`] that remembers which variables the gradients of a round belong to: it adds gradients by
/// position, so freezing one weight and unfreezing another within a round would add gradients of different weights.
pub(crate) struct Accumulation {
    accumulator: GradientAccumulator,
    /// The variables of this round; none before its first batch, or if its checkpoint does not name them.
    variables: Option<Vec<Variable>>,
}

/// The result of a round that ended early.
pub(crate) struct Round {
    /// The variables of the gradients, if they are known.
    pub(crate) variables: Option<Vec<Variable>>,
    /// The mean gradients.
    pub(crate) gradients: Vec<Tensor>,
}

impl Accumulation {
    /// One step every `batches` batches.
    pub(crate) fn new(batches: usize) -> Accumulation {
        Accumulation { accumulator: GradientAccumulator::new(batches as u64), variables: None }
    }

    /// The number of batches of a round.
    pub(crate) fn batches(&self) -> u64 {
        self.accumulator.batches()
    }

    /// Adds the gradients of a batch. Returns the mean gradients after the last batch of a round.
    ///
    /// # Errors
    /// Returns an error, and adds nothing, if the variables are not those of the batch before, a gradient has NaN or
    /// infinite elements, or [`GradientAccumulator::add`] fails.
    pub(crate) fn add(&mut self, variables: &[Variable], gradients: &[Tensor]) -> Result<Option<Vec<Tensor>>> {
        if self.batches() <= 1 {
            return self.accumulator.add(gradients);
        }
        // The sums would carry the element into checkpoints, and an error at their step would name another batch.
        if let Some((variable, _)) = variables.iter().zip(gradients).find(|(_, gradient)| !gradient.all_finite()) {
            let message = "the gradient has infinite or NaN elements; it was not added, and no variable was changed";
            return Err(Error::argument("accumulate", message).context(escaped(&variable.name()).to_string()));
        }
        if let Some(before) = &self.variables {
            check_same(before, variables)?;
        }
        let means = self.accumulator.add(gradients)?;
        if means.is_some() {
            self.variables = None;
        } else if self.variables.is_none() {
            self.variables = Some(variables.to_vec());
        }
        Ok(means)
    }

    /// Ends a round early; `None` if no gradients were added.
    pub(crate) fn take(&mut self) -> Result<Option<Round>> {
        let variables = self.variables.take();
        Ok(self.accumulator.take()?.map(|gradients| Round { variables, gradients }))
    }

    /// The variables of this round and the sums of their gradients.
    pub(crate) fn state(&self) -> (Option<&[Variable]>, AccumulatorState) {
        (self.variables.as_deref(), self.accumulator.state())
    }

    /// Continues a round.
    pub(crate) fn restore(&mut self, variables: Option<Vec<Variable>>, state: AccumulatorState) {
        self.accumulator.restore(state);
        self.variables = variables;
    }
}

fn check_same(before: &[Variable], variables: &[Variable]) -> Result<()> {
    if before.iter().map(Variable::id).eq(variables.iter().map(Variable::id)) {
        return Ok(());
    }
    let only = |these: &[Variable], others: &[Variable]| {
        let missing = these.iter().find(|variable| others.iter().all(|other| other.id() != variable.id()));
        missing.map(|variable| escaped(&variable.name()).to_string())
    };
    let change = match (only(before, variables), only(variables, before)) {
        (None, None) => "they have another order".to_owned(),
        (gone, new) => {
            let gone = gone.map(|name| format!("{name} is no longer among them"));
            let new = new.map(|name| format!("{name} is new"));
            gone.into_iter().chain(new).collect::<Vec<_>>().join(", ")
        }
    };
    Err(TrainError::trainer(format!(
        "accumulate: the weights differ from those of the batch before: {change}; freeze and unfreeze weights only \
         between steps of the optimizer, for example when an epoch begins"
    )))
}
