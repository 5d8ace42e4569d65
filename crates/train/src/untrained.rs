//! Variables on which the loss depends but which nobody trains.

use std::collections::HashSet;

use autograd::{GradientTape, Variable};
use data::escaped;
use tensor::Tensor;

use crate::error::{Result, TrainError};

/// Makes it an error if the loss depends on a trainable variable that is not among the model's weights: the variable
/// would be neither trained nor saved.
///
/// A check walks the tape, so it does not run in every step: it runs in the first one, when the weights have changed, in
/// steps whose number is a power of two, and when it is [requested](Untrained::request_check). The other steps only compare
/// the weights with those of the last check.
#[derive(Default)]
pub(crate) struct Untrained {
    /// Variables that the program trains and saves itself.
    exempt: Vec<Variable>,
    /// The weights of the last check; none if the next step must be checked.
    checked: Option<Vec<u32>>,
    steps: u64,
    last_check: u64,
}

impl Untrained {
    pub(crate) fn except(exempt: Vec<Variable>) -> Untrained {
        Untrained { exempt, ..Untrained::default() }
    }

    /// Checks the next step, unless one of the last three was checked: a model may read a variable for the first time in a
    /// later batch.
    pub(crate) fn request_check(&mut self) {
        if self.steps >= self.last_check + 3 {
            self.checked = None;
        }
    }

    /// # Errors
    /// Returns an error if the loss depends on a trainable variable that is neither among the weights nor exempt.
    pub(crate) fn check(&mut self, tape: &GradientTape, loss: &Tensor, weights: &[Variable]) -> Result<()> {
        self.steps += 1;
        let is_checked = |checked: &Vec<u32>| weights.iter().map(Variable::id).eq(checked.iter().copied());
        if !self.steps.is_power_of_two() && self.checked.as_ref().is_some_and(is_checked) {
            return Ok(());
        }
        self.last_check = self.steps;
        let known: HashSet<u32> = weights.iter().chain(&self.exempt).map(Variable::id).collect();
        let mut others = tape.trainable_variables(loss)?;
        others.retain(|variable| !known.contains(&variable.id()));
        if others.is_empty() {
            self.checked = Some(weights.iter().map(Variable::id).collect());
            return Ok(());
        }
        self.checked = None;
        Err(TrainError::trainer(message(&others)))
    }
}

fn message(variables: &[Variable]) -> String {
    /// How many variables the message names.
    const NAMED: usize = 3;
    let name = |variable: &Variable| format!("{} {}", escaped(&variable.name()), variable.shape());
    let mut names = variables.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    if variables.len() > NAMED {
        names += &format!(" and {} more", variables.len() - NAMED);
    }
    format!(
        "fit: the loss depends on trainable variables that are not among the model's weights, so they would be neither \
         trained nor saved: {names}. Show them in `visit` (`parts!` writes it). If they should not change, call \
         `set_trainable(false)`, or `stop_gradient` on what is computed from them. If the program trains them itself, \
         give them to `Fit::keep`"
    )
}
