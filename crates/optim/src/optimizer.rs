//! The trait of all optimizers.

use autograd::Variable;
use tensor::profile::{Phase, phase};
use tensor::{Error, Result, Tensor, Update};

use crate::hyperparameter::{Hyperparameter, Range};
use crate::memory::{Memory, OptimizerState, Slot};

/// A rule by which gradients change variables.
///
/// An optimizer says how one variable is stepped ([`step`](Optimizer::step)); what is provided here
/// goes over all of them, keeps their states and checks what it is given. Steps are counted for
/// each variable by itself, so one that joins later begins like all others.
pub trait Optimizer: Send {
    /// The name under which errors and checkpoints show it.
    fn name(&self) -> &'static str;

    /// The hyperparameters besides the learning rate.
    fn hyperparameters(&self) -> Vec<Hyperparameter>;

    /// The states of each variable.
    fn slots(&self) -> Vec<Slot>;

    /// Changes one variable and its states. The learning rate is that of `step`: the memory is not
    /// at hand meanwhile.
    ///
    /// # Errors
    /// [`apply`](Optimizer::apply) has checked shapes and types, so usually none.
    fn step(&self, step: Step<'_>) -> Result<()>;

    /// Learning rate and states.
    fn memory(&self) -> &Memory;

    /// Learning rate and states, to be changed.
    fn memory_mut(&mut self) -> &mut Memory;

    /// The factor of all steps.
    fn learning_rate(&self) -> f64 {
        self.memory().learning_rate
    }

    /// Sets the learning rate from the next step on.
    ///
    /// # Errors
    /// If it is negative, infinite or NaN; then it stays as it was.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        checked_rate(learning_rate).check(self.name())?;
        self.memory_mut().learning_rate = learning_rate;
        Ok(())
    }

    /// Checks learning rate and hyperparameters, as every [`apply`](Optimizer::apply) does.
    ///
    /// # Errors
    /// Names the optimizer, the hyperparameter that is out of its range, its value and the range.
    fn validate(&self) -> Result<()> {
        checked_rate(self.learning_rate()).check(self.name())?;
        self.hyperparameters().into_iter().try_for_each(|hyperparameter| hyperparameter.check(self.name()))
    }

    /// Takes one step of each variable, given the gradients in the same order.
    ///
    /// # Errors
    /// If a hyperparameter is out of its range, the numbers of variables and gradients differ, a
    /// gradient has not the shape and type of its variable, a variable is not floating or given
    /// twice. Then no variable was changed.
    fn apply(&mut self, variables: &[Variable], gradients: &[Tensor]) -> Result<()> {
        let _phase = phase(Phase::Update);
        self.validate()?;
        let name = self.name();
        check_pairs(name, variables, gradients)?;
        let slots = self.slots();
        // The memory is taken out while `self` is asked to step, and put back whether or not that fails.
        let mut memory = std::mem::take(self.memory_mut());
        memory.begin();
        let learning_rate = memory.learning_rate;
        let prepare = |variable: &Variable| {
            memory.prepare(variable, &slots).map_err(|error| error.context(variable.name()).context(name))
        };
        let mut result = variables.iter().try_for_each(prepare);
        for (variable, gradient) in variables.iter().zip(gradients) {
            let (Ok(()), Some(entry)) = (&result, memory.prepared(variable)) else { break };
            let (number, states) = (entry.steps + 1, entry.states.as_mut_slice());
            result = self.step(Step { variable, gradient, states, number, learning_rate });
            entry.steps = number;
        }
        *self.memory_mut() = memory;
        result
    }

    /// All that is needed to go on later, for these variables in this order. Tensors are shared, so
    /// this copies nothing by itself.
    fn state(&self, variables: &[Variable]) -> OptimizerState {
        let slots = self.slots();
        let variables = variables.iter().map(|variable| self.memory().of(variable, &slots)).collect();
        OptimizerState { learning_rate: self.learning_rate(), variables }
    }

    /// Goes on from `state`, which [`state`](Optimizer::state) gave for as many variables of the
    /// same shapes and types in the same order. States of other variables are forgotten.
    ///
    /// # Errors
    /// If numbers, names, shapes or types of the states do not fit, or the learning rate is out of
    /// its range. Then the optimizer is as it was.
    fn restore(&mut self, variables: &[Variable], state: OptimizerState) -> Result<()> {
        let name = self.name();
        checked_rate(state.learning_rate).check(name)?;
        if state.variables.len() != variables.len() {
            let message = format!("has {} variables, not {}", variables.len(), state.variables.len());
            return Err(Error::argument("restore", message).context(name));
        }
        let slots = self.slots();
        let mut entries = Vec::with_capacity(variables.len());
        for (variable, state) in variables.iter().zip(state.variables) {
            let Some(state) = state else { continue };
            check_states(variable, &slots, &state.states)
                .map_err(|error| error.context(variable.name()).context(name))?;
            let states = state.states.into_iter().map(|(_, state)| state.stop_gradient()).collect();
            entries.push((variable.clone(), state.steps, states));
        }
        let memory = self.memory_mut();
        memory.learning_rate = state.learning_rate;
        memory.replace(entries);
        Ok(())
    }
}

/// The step of one variable.
pub struct Step<'a> {
    /// The variable to change.
    pub variable: &'a Variable,
    /// Its gradient, of its shape and type.
    pub gradient: &'a Tensor,
    /// Its states in the order of [`Optimizer::slots`], of its shape and type.
    pub states: &'a mut [Tensor],
    /// Which step of this variable it is, counted from 1.
    pub number: u64,
    /// The learning rate in force.
    pub learning_rate: f64,
}

impl Step<'_> {
    /// Changes every element by a formula: in place, in one pass, on all threads.
    ///
    /// # Errors
    /// If the formula takes another number of states than there are.
    pub fn update<const S: usize>(self, rule: &impl Update<S>) -> Result<()> {
        let count = self.states.len();
        let states: Vec<&mut Tensor> = self.states.iter_mut().collect();
        let Ok(states) = <[&mut Tensor; S]>::try_from(states) else {
            return Err(Error::argument("update", format!("the formula takes {S} states, the optimizer has {count}")));
        };
        self.variable.update(self.gradient, states, rule)
    }
}

fn checked_rate(learning_rate: f64) -> Hyperparameter {
    Hyperparameter::new("learning_rate", learning_rate, Range::NonNegative)
}

fn check_pairs(name: &str, variables: &[Variable], gradients: &[Tensor]) -> Result<()> {
    if variables.len() != gradients.len() {
        let (count, given) = (variables.len(), gradients.len());
        let which = match variables.get(given) {
            Some(variable) => format!("; {} is the first without one", variable.name()),
            None => String::new(),
        };
        let message = format!("{count} variables take as many gradients, not {given}{which}");
        return Err(Error::argument("apply", message).context(name));
    }
    for (variable, gradient) in variables.iter().zip(gradients) {
        let (shape, dtype) = (variable.shape(), variable.dtype());
        let error = if !dtype.is_float() {
            Error::dtype("apply", dtype, "a floating type")
        } else if *gradient.shape() != shape {
            let expected = format!("the gradient must have that of the variable, {shape}");
            Error::shape("apply", gradient.shape(), expected)
        } else if gradient.dtype() != dtype {
            Error::dtypes("apply", dtype, gradient.dtype())
        } else {
            continue;
        };
        return Err(error.context(variable.name()).context(name));
    }
    Ok(())
}

fn check_states(variable: &Variable, slots: &[Slot], states: &[(String, Tensor)]) -> Result<()> {
    if !slots.iter().map(|slot| slot.name).eq(states.iter().map(|(name, _)| name.as_str())) {
        let expected: Vec<_> = slots.iter().map(|slot| slot.name).collect();
        let found: Vec<_> = states.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Error::argument("restore", format!("states {found:?}, not {expected:?}")));
    }
    for (name, state) in states {
        if *state.shape() != variable.shape() {
            let expected = format!("must be that of the variable, {}", variable.shape());
            return Err(Error::shape("restore", state.shape(), expected).context(name));
        }
        if state.dtype() != variable.dtype() {
            return Err(Error::dtypes("restore", variable.dtype(), state.dtype()).context(name));
        }
    }
    Ok(())
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        (**self).hyperparameters()
    }

    fn slots(&self) -> Vec<Slot> {
        (**self).slots()
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        (**self).step(step)
    }

    fn memory(&self) -> &Memory {
        (**self).memory()
    }

    fn memory_mut(&mut self) -> &mut Memory {
        (**self).memory_mut()
    }
}
