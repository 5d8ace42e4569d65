//! The state of an optimizer.

use std::collections::HashMap;

use autograd::{Variable, WeakVariable};
use tensor::{Error, Result, Shape, Tensor};

/// A state that an optimizer keeps for each variable, in the variable's type, such as a velocity or a running mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The name in checkpoints.
    pub name: &'static str,
    /// The value of all elements before the first step.
    pub initial: f64,
    /// The shape; `None` for the variable's.
    pub shape: Option<Shape>,
}

impl Slot {
    /// A state of the variable's shape.
    pub const fn new(name: &'static str, initial: f64) -> Slot {
        Slot { name, initial, shape: None }
    }

    /// A state of the variable's shape that starts at zero.
    pub const fn zeros(name: &'static str) -> Slot {
        Slot::new(name, 0.0)
    }

    /// Sets another shape than the variable's.
    #[must_use]
    pub fn shaped(self, shape: impl Into<Shape>) -> Slot {
        Slot { shape: Some(shape.into()), ..self }
    }

    /// The shape of this state of a variable.
    pub(crate) fn shape_for(&self, variable: &Variable) -> Shape {
        self.shape.clone().unwrap_or_else(|| variable.shape())
    }
}

/// The states of all variables that an optimizer has stepped, and the number of steps.
///
/// States are created at a variable's first step and dropped after the variable.
#[derive(Clone, Default)]
pub struct StateStore {
    /// The number of steps, each over any number of variables.
    pub(crate) steps: u64,
    /// The number of calls of [`begin`](StateStore::begin), to detect a variable that is given twice.
    round: u64,
    entries: HashMap<u32, VariableEntry>,
}

#[derive(Clone)]
pub(crate) struct VariableEntry {
    variable: WeakVariable,
    round: u64,
    /// The number of steps of this variable.
    pub(crate) steps: u64,
    slots: Vec<Slot>,
    /// One for each slot.
    pub(crate) states: Vec<Tensor>,
}

impl StateStore {
    /// Begins a step of several variables.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
    }

    /// Prepares the states of a variable for its step, in the variable's type.
    ///
    /// # Errors
    /// Returns an error if the variable was already given in this step.
    pub(crate) fn prepare(&mut self, variable: &Variable, slots: Vec<Slot>) -> Result<()> {
        let round = self.round;
        if !self.entries.contains_key(&variable.id()) {
            // States only accumulate here, so this is where those of dropped variables are removed.
            self.entries.retain(|_, entry| entry.variable.upgrade().is_some());
        }
        let entry = self.entries.entry(variable.id()).or_insert_with(|| VariableEntry::new(variable));
        if entry.round == round {
            return Err(Error::argument("apply", "the variable is given twice; it takes one gradient, the sum"));
        }
        entry.round = round;
        // They differ in the first step, and after a builder method has changed the optimizer's slots.
        if entry.slots != slots {
            entry.refill(variable, slots);
        }
        let dtype = variable.dtype();
        for state in entry.states.iter_mut().filter(|state| state.dtype() != dtype) {
            // The variable was cast after its last step.
            *state = state.cast(dtype);
        }
        Ok(())
    }

    /// The states that [`prepare`](StateStore::prepare) has prepared.
    pub(crate) fn prepared(&mut self, variable: &Variable) -> Option<&mut VariableEntry> {
        self.entries.get_mut(&variable.id())
    }

    /// The number of variables with states.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no variable has been stepped.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The variables with states that still exist, in the order of their creation.
    pub fn variables(&self) -> Vec<Variable> {
        let mut variables: Vec<Variable> = self.entries.values().filter_map(|entry| entry.variable.upgrade()).collect();
        variables.sort_by_key(Variable::id);
        variables
    }

    /// The steps and states of a variable that has been stepped.
    pub(crate) fn of(&self, variable: &Variable) -> Option<VariableState> {
        let entry = self.entries.get(&variable.id())?;
        let states = entry.slots.iter().map(|slot| slot.name.to_owned()).zip(entry.states.iter().cloned()).collect();
        Some(VariableState { steps: entry.steps, states })
    }

    /// Replaces all states and steps by the given ones.
    pub(crate) fn replace(
        &mut self,
        steps: u64,
        entries: impl IntoIterator<Item = (Variable, u64, Vec<Slot>, Vec<Tensor>)>,
    ) {
        self.steps = steps;
        self.entries = entries
            .into_iter()
            .map(|(variable, steps, slots, states)| {
                (variable.id(), VariableEntry { steps, slots, states, ..VariableEntry::new(&variable) })
            })
            .collect();
    }
}

impl VariableEntry {
    fn new(variable: &Variable) -> VariableEntry {
        VariableEntry { variable: variable.downgrade(), round: 0, steps: 0, slots: Vec::new(), states: Vec::new() }
    }

    /// Keeps the states whose slots remain, and creates the others.
    fn refill(&mut self, variable: &Variable, slots: Vec<Slot>) {
        let dtype = variable.dtype();
        let state =
            |slot: &Slot| match self.slots.iter().position(|kept| (kept.name, &kept.shape) == (slot.name, &slot.shape))
            {
                Some(k) => self.states[k].clone(),
                None => Tensor::full_of(slot.shape_for(variable), slot.initial, dtype),
            };
        self.states = slots.iter().map(state).collect();
        self.slots = slots;
    }
}

/// A snapshot of an optimizer, without its hyperparameters. An optimizer that is restored from it continues with the same
/// bits.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    /// The learning rate; `None` if a schedule gives it.
    pub learning_rate: Option<f64>,
    /// The number of steps, which is the position in the schedule.
    pub steps: u64,
    /// The state of each variable, in the given order; `None` for a variable that was never stepped.
    pub variables: Vec<Option<VariableState>>,
}

/// The state of one variable.
#[derive(Clone, Debug)]
pub struct VariableState {
    /// The number of its steps.
    pub steps: u64,
    /// The values of its slots, by name.
    pub states: Vec<(String, Tensor)>,
}
