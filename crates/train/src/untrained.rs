//! Variables on which the loss depends but which nobody trains.

use std::collections::HashSet;

use autograd::{GradientTape, Variable};
use tensor::Tensor;

use crate::error::{Result, TrainError};

/// Makes a trainable variable that is not among the weights of the model an error in the first step: it would be neither
/// trained nor saved. Later steps only compare the weights with those of the step before.
#[derive(Default)]
pub(crate) struct Untrained {
    /// Variables that the program trains and keeps itself.
    exempt: Vec<Variable>,
    /// The weights with which a step was checked.
    checked: Option<Vec<u32>>,
}

impl Untrained {
    pub(crate) fn except(exempt: Vec<Variable>) -> Untrained {
        Untrained { exempt, checked: None }
    }

    /// # Errors
    /// Returns an error if the loss depends on a trainable variable that is neither among the weights nor exempt.
    pub(crate) fn check(&mut self, tape: &GradientTape, loss: &Tensor, weights: &[Variable]) -> Result<()> {
        let is_checked = |checked: &Vec<u32>| weights.iter().map(Variable::id).eq(checked.iter().copied());
        if self.checked.as_ref().is_some_and(is_checked) {
            return Ok(());
        }
        let known: HashSet<u32> = weights.iter().chain(&self.exempt).map(Variable::id).collect();
        let mut others = tape.trainable_variables(loss)?;
        others.retain(|variable| !known.contains(&variable.id()));
        if others.is_empty() {
            self.checked = Some(weights.iter().map(Variable::id).collect());
            return Ok(());
        }
        Err(TrainError::trainer(message(&others)))
    }
}

fn message(variables: &[Variable]) -> String {
    /// How many are named.
    const NAMED: usize = 3;
    let names = variables.iter().take(NAMED).map(|variable| format!("{} {}", variable.name(), variable.shape()));
    let mut names = names.collect::<Vec<_>>().join(", ");
    if variables.len() > NAMED {
        names += &format!(" and {} more", variables.len() - NAMED);
    }
    format!(
        "fit: the loss depends on trainable variables that are not among the model's weights, so that they would be \
         neither trained nor saved: {names}. Show them in `visit` (`parts!` writes it). If they should stay as they are, \
         call `set_trainable(false)`, or `stop_gradient` on what is computed from them. If the program trains them \
         itself, give them to `Fit::keep`"
    )
}
