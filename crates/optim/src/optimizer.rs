//! The trait of all optimizers.

use autograd::Variable;
use tensor::profile::{Phase, phase};
use tensor::{Error, Result, Tensor, no_record};

use crate::clip::Clip;
use crate::common::Common;
use crate::group::Group;
use crate::hyperparameter::Hyperparameter;
use crate::learning_rate::LearningRate;
use crate::memory::{OptimizerState, Slot, VariableState};
use crate::step::Step;

/// A rule by which gradients change variables.
///
/// An optimizer says how one variable is stepped ([`step`](Optimizer::step)); what is provided here
/// goes over all of them, keeps their states and checks what it is given. Steps are counted for
/// each variable by itself, so one that joins later begins like all others; schedules follow the
/// count of all.
///
/// The order of a step: gradients are limited ([`clip`](Optimizer::clip)); the L2 penalty is added;
/// weight decay is taken from the variable; then the optimizer's formula.
pub trait Optimizer: Send + Sync {
    /// The name under which errors and checkpoints show it.
    fn name(&self) -> &'static str;

    /// The hyperparameters besides those of [`Common`].
    fn hyperparameters(&self) -> Vec<Hyperparameter>;

    /// The states of a variable.
    fn slots(&self, variable: &Variable) -> Vec<Slot>;

    /// Changes one variable and its states. The memory is not at hand meanwhile.
    ///
    /// # Errors
    /// [`apply`](Optimizer::apply) has checked shapes and types, so usually none.
    fn step(&self, step: Step<'_>) -> Result<()>;

    /// Learning rate, limits, decays, groups and memory.
    fn common(&self) -> &Common;

    /// The same, to be changed.
    fn common_mut(&mut self) -> &mut Common;

    /// The factor of all steps: that of the next one, if a schedule gives it.
    fn learning_rate(&self) -> f64 {
        self.common().learning_rate()
    }

    /// Sets the learning rate from the next step on, in place of the present one or of a schedule.
    ///
    /// # Errors
    /// If it is negative, infinite or NaN; then it stays as it was.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        let learning_rate = LearningRate::from(learning_rate);
        learning_rate.check(0, self.name())?;
        self.common_mut().rate = learning_rate;
        Ok(())
    }

    /// Takes away the part `learning_rate · weight_decay` of every variable before its step, apart
    /// from the gradient: Keras' `weight_decay`, PyTorch's of `AdamW`. 0 or more; 0, none, by default.
    /// From Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019).
    #[must_use]
    fn weight_decay(mut self, weight_decay: f64) -> Self
    where
        Self: Sized,
    {
        self.common_mut().weight_decay = weight_decay;
        self
    }

    /// Adds `l2_penalty · p` to the gradient, as the penalty `l2_penalty / 2 · ‖p‖²` on the loss would:
    /// PyTorch's `weight_decay` of all optimizers but `AdamW`. 0 or more; 0, none, by default.
    #[must_use]
    fn l2_penalty(mut self, l2_penalty: f64) -> Self
    where
        Self: Sized,
    {
        self.common_mut().l2_penalty = l2_penalty;
        self
    }

    /// Limits the gradients, in place of any limit set before.
    #[must_use]
    fn clip(mut self, clip: Clip) -> Self
    where
        Self: Sized,
    {
        self.common_mut().clip = Some(clip);
        self
    }

    /// Limits every element of the gradients to `-limit ..= limit`.
    #[must_use]
    fn clip_value(self, limit: f64) -> Self
    where
        Self: Sized,
    {
        self.clip(Clip::Value(limit))
    }

    /// Limits the Euclidean norm of every gradient.
    #[must_use]
    fn clip_norm(self, limit: f64) -> Self
    where
        Self: Sized,
    {
        self.clip(Clip::Norm(limit))
    }

    /// Limits the Euclidean norm of all gradients together.
    #[must_use]
    fn clip_global_norm(self, limit: f64) -> Self
    where
        Self: Sized,
    {
        self.clip(Clip::global_norm(limit))
    }

    /// Treats some variables differently. Of several groups the first that takes a variable counts.
    #[must_use]
    fn group(mut self, group: Group) -> Self
    where
        Self: Sized,
    {
        self.common_mut().groups.push(group);
        self
    }

    /// Checks all hyperparameters, as every [`apply`](Optimizer::apply) does.
    ///
    /// # Errors
    /// Names the optimizer, the hyperparameter that is out of its range, its value and the range.
    fn validate(&self) -> Result<()> {
        self.common().check(self.name())?;
        self.hyperparameters().into_iter().try_for_each(|hyperparameter| hyperparameter.check(self.name()))
    }

    /// Takes one step of each variable, given the gradients in the same order. No tape records it.
    ///
    /// Infinite and NaN gradients are never applied: the check costs one pass over the gradients, which
    /// the step reads anyway. [`Clip::Value`] limits infinite elements before it.
    ///
    /// # Errors
    /// Returns an error if a hyperparameter is out of its range, the numbers of variables and
    /// gradients differ, a gradient has a different shape or type than its variable, a variable is not
    /// floating or given twice, or a gradient has infinite or NaN elements; it names the variable.
    /// Then no variable was changed.
    fn apply(&mut self, variables: &[Variable], gradients: &[Tensor]) -> Result<()> {
        let _phase = phase(Phase::Update);
        self.validate()?;
        let name = self.name();
        check_pairs(name, variables, gradients)?;
        let gradients = self.common().clipped(variables, gradients).map_err(|error| error.context(name))?;
        let learning_rate = self.learning_rate();
        // The memory is taken out while `self` is asked to step, and put back whether or not that fails.
        let mut memory = std::mem::take(&mut self.common_mut().memory);
        let result = no_record(|| {
            memory.begin();
            for variable in variables {
                let prepared = memory.prepare(variable, self.slots(variable));
                prepared.map_err(|error| error.context(variable.name()).context(name))?;
            }
            for (variable, gradient) in variables.iter().zip(gradients.iter()) {
                let Some(entry) = memory.prepared(variable) else { break };
                let terms = self.common().terms(variable, learning_rate);
                self.step(Step {
                    variable,
                    gradient: &*terms.penalized(variable, gradient)?,
                    states: &mut entry.states,
                    number: entry.steps + 1,
                    learning_rate: terms.learning_rate,
                    decay: terms.learning_rate * terms.weight_decay,
                })?;
                entry.steps += 1;
            }
            memory.steps += 1;
            Ok(())
        });
        self.common_mut().memory = memory;
        result
    }

    /// All that is needed to go on later, for these variables in this order. Tensors are shared, so
    /// this copies nothing by itself.
    fn state(&self, variables: &[Variable]) -> OptimizerState {
        let common = self.common();
        let learning_rate = match common.rate {
            LearningRate::Constant(rate) => Some(rate),
            LearningRate::Schedule(_) => None,
        };
        let variables = variables.iter().map(|variable| common.memory.of(variable)).collect();
        OptimizerState { learning_rate, steps: common.memory.steps, variables }
    }

    /// Checks all that [`restore`](Optimizer::restore) checks, and changes nothing.
    ///
    /// # Errors
    /// As [`restore`](Optimizer::restore).
    fn check_state(&self, variables: &[Variable], state: &OptimizerState) -> Result<()> {
        let name = self.name();
        restored_rate(&self.common().rate, state).map_err(|error| error.context(name))?.check(state.steps, name)?;
        if state.variables.len() != variables.len() {
            let message = format!("has {} variables, not {}", variables.len(), state.variables.len());
            return Err(Error::argument("restore", message).context(name));
        }
        for (variable, state) in variables.iter().zip(&state.variables) {
            let Some(state) = state else { continue };
            check_states(variable, &self.slots(variable), &state.states)
                .map_err(|error| error.context(variable.name()).context(name))?;
        }
        Ok(())
    }

    /// Goes on from `state`, which [`state`](Optimizer::state) gave for as many variables of the
    /// same shapes and types in the same order. States of other variables are forgotten. A learning
    /// rate in the state takes the place of a schedule.
    ///
    /// # Errors
    /// If numbers, names, shapes or types of the states do not fit, the learning rate is out of its
    /// range, or the state asks for a schedule and there is none. Then the optimizer is as it was.
    fn restore(&mut self, variables: &[Variable], state: OptimizerState) -> Result<()> {
        self.check_state(variables, &state)?;
        let rate = restored_rate(&self.common().rate, &state)?;
        let entry = |(variable, state): (&Variable, Option<VariableState>)| {
            let VariableState { steps, states } = state?;
            let states = states.into_iter().map(|(_, state)| state.stop_gradient()).collect();
            Some((variable.clone(), steps, self.slots(variable), states))
        };
        let entries: Vec<_> = variables.iter().zip(state.variables).filter_map(entry).collect();
        let common = self.common_mut();
        common.rate = rate;
        common.memory.replace(state.steps, entries);
        Ok(())
    }
}

/// The learning rate after a state is restored, `rate` being that before.
fn restored_rate(rate: &LearningRate, state: &OptimizerState) -> Result<LearningRate> {
    match (state.learning_rate, rate) {
        (Some(rate), _) => Ok(LearningRate::Constant(rate)),
        (None, LearningRate::Constant(rate)) => {
            let message = format!("the state is of an optimizer with a schedule; this one has the rate {rate:?}");
            Err(Error::argument("restore", message))
        }
        (None, schedule) => Ok(schedule.clone()),
    }
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
            Error::dtypes("apply", gradient.dtype(), dtype)
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
    for (slot, (name, state)) in slots.iter().zip(states) {
        let shape = slot.shape_for(variable);
        if *state.shape() != shape {
            let expected = match slot.shape {
                None => format!("must be that of the variable, {shape}"),
                Some(_) => format!("must be {shape}"),
            };
            return Err(Error::shape("restore", state.shape(), expected).context(name));
        }
        if state.dtype() != variable.dtype() {
            return Err(Error::dtypes("restore", state.dtype(), variable.dtype()).context(name));
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

    fn slots(&self, variable: &Variable) -> Vec<Slot> {
        (**self).slots(variable)
    }

    fn step(&self, step: Step<'_>) -> Result<()> {
        (**self).step(step)
    }

    fn common(&self) -> &Common {
        (**self).common()
    }

    fn common_mut(&mut self) -> &mut Common {
        (**self).common_mut()
    }
}
