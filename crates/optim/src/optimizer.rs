//! The trait of all optimizers.

use autograd::Variable;
use tensor::profile::{Phase, phase};
use tensor::{Error, Result, Tensor, no_record};

use crate::base::OptimizerBase;
use crate::clip::Clip;
use crate::group::Group;
use crate::hyperparameter::Hyperparameter;
use crate::learning_rate::LearningRate;
use crate::state::{OptimizerState, Slot, VariableState};
use crate::step::Step;

/// An algorithm that updates variables with their gradients.
///
/// Implement [`step`](Optimizer::step), which updates one variable; the provided methods iterate over all variables,
/// store their states and check the arguments. Each variable has its own step count, so a variable that is added later
/// starts like all others. Schedules follow the total count.
///
/// A step clips the gradients ([`clip`](Optimizer::clip)), adds the L2 penalty to them, subtracts the weight decay from
/// the variable, and then applies the optimizer's formula.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an optimizer",
    label = "expected an optimizer such as `Adam::new(0.001)`"
)]
pub trait Optimizer: Send + Sync {
    /// The name in errors and checkpoints.
    fn name(&self) -> &'static str;

    /// The hyperparameters that are not in [`OptimizerBase`].
    fn hyperparameters(&self) -> Vec<Hyperparameter>;

    /// The states that the optimizer keeps for a variable.
    fn slots(&self, variable: &Variable) -> Vec<Slot>;

    /// Updates one variable and its states. [`OptimizerBase::states`] is empty during the call.
    ///
    /// # Errors
    /// Usually none: [`apply`](Optimizer::apply) has checked shapes and types.
    fn step(&self, step: Step<'_>) -> Result<()>;

    /// The learning rate, clipping, decays, groups and states.
    fn base(&self) -> &OptimizerBase;

    /// Mutable access to the same.
    fn base_mut(&mut self) -> &mut OptimizerBase;

    /// The learning rate; with a schedule, that of the next step.
    fn learning_rate(&self) -> f64 {
        self.base().learning_rate()
    }

    /// Sets the learning rate from the next step on. It replaces a schedule.
    ///
    /// # Errors
    /// Returns an error if it is negative, infinite or NaN. The learning rate is unchanged then.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        let learning_rate = LearningRate::from(learning_rate);
        learning_rate.check(0, self.name())?;
        self.base_mut().learning_rate = learning_rate;
        Ok(())
    }

    /// Multiplies every variable by `1 - learning_rate · weight_decay` before its step (decoupled weight decay): Keras'
    /// `weight_decay`, and PyTorch's in `AdamW`. Must be at least 0. The default is 0 (no decay).
    /// From Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019).
    #[must_use]
    fn weight_decay(mut self, weight_decay: f64) -> Self
    where
        Self: Sized,
    {
        self.base_mut().weight_decay = weight_decay;
        self
    }

    /// Adds `l2_penalty · p` to the gradient, like the penalty `l2_penalty / 2 · ‖p‖²` on the loss: PyTorch's
    /// `weight_decay` in all optimizers but `AdamW`. Must be at least 0. The default is 0 (no decay).
    #[must_use]
    fn l2_penalty(mut self, l2_penalty: f64) -> Self
    where
        Self: Sized,
    {
        self.base_mut().l2_penalty = l2_penalty;
        self
    }

    /// Clips the gradients. It replaces clipping set before.
    #[must_use]
    fn clip(mut self, clip: Clip) -> Self
    where
        Self: Sized,
    {
        self.base_mut().clip = Some(clip);
        self
    }

    /// Clips every element of the gradients to `-limit ..= limit`.
    #[must_use]
    fn clip_value(self, limit: f64) -> Self
    where
        Self: Sized,
    {
        self.clip(Clip::Value(limit))
    }

    /// Clips the Euclidean norm of every gradient.
    #[must_use]
    fn clip_norm(self, limit: f64) -> Self
    where
        Self: Sized,
    {
        self.clip(Clip::Norm(limit))
    }

    /// Clips the Euclidean norm of all gradients together.
    #[must_use]
    fn clip_global_norm(self, limit: f64) -> Self
    where
        Self: Sized,
    {
        self.clip(Clip::global_norm(limit))
    }

    /// Adds a parameter group. If several groups contain a variable, the first one applies.
    #[must_use]
    fn group(mut self, group: Group) -> Self
    where
        Self: Sized,
    {
        self.base_mut().groups.push(group);
        self
    }

    /// Checks all hyperparameters, like every [`apply`](Optimizer::apply).
    ///
    /// # Errors
    /// Returns an error if a hyperparameter is out of its range; it names the optimizer, the hyperparameter, the value
    /// and the range.
    fn validate(&self) -> Result<()> {
        self.base().check(self.name())?;
        self.hyperparameters().into_iter().try_for_each(|hyperparameter| hyperparameter.check(self.name()))
    }

    /// Takes one step for each variable, with the gradients in the same order. Tapes do not record it.
    ///
    /// Infinite and NaN gradients are never applied. The check costs one pass over the gradients. [`Clip::Value`] limits
    /// infinite elements before the check.
    ///
    /// # Errors
    /// Returns an error if a hyperparameter is out of its range, the numbers of variables and
    /// gradients differ, a gradient has a different shape or type than its variable, a variable is not
    /// floating or given twice, or a gradient has infinite or NaN elements; it names the variable.
    /// No variable is changed then.
    fn apply(&mut self, variables: &[Variable], gradients: &[Tensor]) -> Result<()> {
        let _phase = phase(Phase::Update);
        self.validate()?;
        let name = self.name();
        check_pairs(name, variables, gradients)?;
        let gradients = self.base().clipped(variables, gradients).map_err(|error| error.context(name))?;
        let learning_rate = self.learning_rate();
        // The states are moved out, so that `self.step` can borrow `self` and a variable's states at the same time, and
        // moved back whether or not the step fails.
        let mut states = std::mem::take(&mut self.base_mut().states);
        let result = no_record(|| {
            states.begin();
            for variable in variables {
                let prepared = states.prepare(variable, self.slots(variable));
                prepared.map_err(|error| error.context(variable.name()).context(name))?;
            }
            for (variable, gradient) in variables.iter().zip(gradients.iter()) {
                let Some(entry) = states.prepared(variable) else { break };
                let effective = self.base().effective(variable, learning_rate);
                self.step(Step {
                    variable,
                    gradient: &*effective.penalized(variable, gradient)?,
                    states: &mut entry.states,
                    number: entry.steps + 1,
                    learning_rate: effective.learning_rate,
                    decay: effective.learning_rate * effective.weight_decay,
                })?;
                entry.steps += 1;
            }
            states.steps += 1;
            Ok(())
        });
        self.base_mut().states = states;
        result
    }

    /// A snapshot of the state for these variables, in this order. It shares the tensors, so nothing is copied.
    fn state(&self, variables: &[Variable]) -> OptimizerState {
        let base = self.base();
        let learning_rate = match base.learning_rate {
            LearningRate::Constant(rate) => Some(rate),
            LearningRate::Schedule(_) => None,
        };
        let variables = variables.iter().map(|variable| base.states.of(variable)).collect();
        OptimizerState { learning_rate, steps: base.states.steps, variables }
    }

    /// Runs the checks of [`restore`](Optimizer::restore) and changes nothing.
    ///
    /// # Errors
    /// Returns the errors of [`restore`](Optimizer::restore).
    fn check_state(&self, variables: &[Variable], state: &OptimizerState) -> Result<()> {
        let name = self.name();
        restored_rate(&self.base().learning_rate, state)
            .map_err(|error| error.context(name))?
            .check(state.steps, name)?;
        if state.variables.len() != variables.len() {
            let message = format!(
                "the optimizer is given {} variables, the state has {}",
                variables.len(),
                state.variables.len()
            );
            return Err(Error::argument("restore", message).context(name));
        }
        for (variable, state) in variables.iter().zip(&state.variables) {
            let Some(state) = state else { continue };
            check_states(variable, &self.slots(variable), &state.states)
                .map_err(|error| error.context(variable.name()).context(name))?;
        }
        Ok(())
    }

    /// Restores a snapshot that [`state`](Optimizer::state) returned for variables of the same shapes and types, in the
    /// same order. States of other variables are dropped. A learning rate in the snapshot replaces a schedule.
    ///
    /// # Errors
    /// Returns an error if the numbers, names, shapes or types of the states do not fit, the learning rate is out of its
    /// range, or the snapshot was taken with a schedule and the optimizer has none. The optimizer is unchanged then.
    fn restore(&mut self, variables: &[Variable], state: OptimizerState) -> Result<()> {
        self.check_state(variables, &state)?;
        let rate = restored_rate(&self.base().learning_rate, &state)?;
        let entry = |(variable, state): (&Variable, Option<VariableState>)| {
            let VariableState { steps, states } = state?;
            let states = states.into_iter().map(|(_, state)| state.stop_gradient()).collect();
            Some((variable.clone(), steps, self.slots(variable), states))
        };
        let entries: Vec<_> = variables.iter().zip(state.variables).filter_map(entry).collect();
        let base = self.base_mut();
        base.learning_rate = rate;
        base.states.replace(state.steps, entries);
        Ok(())
    }
}

/// The learning rate after a snapshot is restored; `rate` is the one before.
fn restored_rate(rate: &LearningRate, state: &OptimizerState) -> Result<LearningRate> {
    match (state.learning_rate, rate) {
        (Some(rate), _) => Ok(LearningRate::Constant(rate)),
        (None, LearningRate::Constant(rate)) => {
            let message = format!(
                "the state was taken with a learning rate schedule; this optimizer has the constant rate {rate:?}"
            );
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
        let message = format!("{count} variables need {count} gradients, not {given}{which}");
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
        return Err(Error::argument("restore", format!("the state has {found:?}; the optimizer needs {expected:?}")));
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

    fn base(&self) -> &OptimizerBase {
        (**self).base()
    }

    fn base_mut(&mut self) -> &mut OptimizerBase {
        (**self).base_mut()
    }
}
