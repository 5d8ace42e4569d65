//! What an optimizer keeps from step to step.

use std::collections::HashMap;

use autograd::{Variable, WeakVariable};
use tensor::{Error, Result, Shape, Tensor};

/// One state that an optimizer keeps for each parameter, of the parameter's type: a velocity, a
/// running mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its name, by which checkpoints know it.
    pub name: &'static str,
    /// The value of all its elements before the first step.
    pub initial: f64,
    /// Its shape, if that is not the parameter's.
    pub shape: Option<Shape>,
}

impl Slot {
    /// A state of the parameter's shape.
    pub const fn new(name: &'static str, initial: f64) -> Slot {
        Slot { name, initial, shape: None }
    }

    /// A state of the parameter's shape that starts at zero.
    pub const fn zeros(name: &'static str) -> Slot {
        Slot::new(name, 0.0)
    }

    /// The same with a shape of its own.
    #[must_use]
    pub fn shaped(self, shape: impl Into<Shape>) -> Slot {
        Slot { shape: Some(shape.into()), ..self }
    }

    /// The shape of this state of a variable.
    pub(crate) fn shape_for(&self, variable: &Variable) -> Shape {
        self.shape.clone().unwrap_or_else(|| variable.shape())
    }
}

/// The states that an optimizer has of every variable it has stepped, and how many steps it took.
///
/// States are made at a variable's first step and go when the variable is gone.
#[derive(Clone, Default)]
pub struct Memory {
    /// The steps taken, each of any number of variables.
    pub(crate) steps: u64,
    /// How often [`begin`](Memory::begin) ran; what notices a variable given twice.
    round: u64,
    entries: HashMap<u32, Entry>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    variable: WeakVariable,
    round: u64,
    /// How often this variable was stepped.
    pub(crate) steps: u64,
    slots: Vec<Slot>,
    /// One of each slot.
    pub(crate) states: Vec<Tensor>,
}

impl Memory {
    /// Starts a step of several variables.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
    }

    /// Makes the states of a variable ready for its step, each of the variable's type.
    ///
    /// # Errors
    /// If the variable was given before in this round: its step would be taken twice.
    pub(crate) fn prepare(&mut self, variable: &Variable, slots: Vec<Slot>) -> Result<()> {
        let round = self.round;
        if !self.entries.contains_key(&variable.id()) {
            // The only time that states pile up, so the time to let go of those nobody needs.
            self.entries.retain(|_, entry| entry.variable.upgrade().is_some());
        }
        let entry = self.entries.entry(variable.id()).or_insert_with(|| Entry::new(variable));
        if entry.round == round {
            return Err(Error::argument("apply", "the variable is given twice; it takes one gradient, the sum"));
        }
        entry.round = round;
        // True in a first step, and after a builder method has changed what the optimizer keeps.
        if entry.slots != slots {
            entry.refill(variable, slots);
        }
        let dtype = variable.dtype();
        for state in entry.states.iter_mut().filter(|state| state.dtype() != dtype) {
            // The variable was cast since.
            *state = state.cast(dtype);
        }
        Ok(())
    }

    /// What [`prepare`](Memory::prepare) made ready.
    pub(crate) fn prepared(&mut self, variable: &Variable) -> Option<&mut Entry> {
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

    /// The variables with states that anybody still holds, in the order in which they were made.
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

    /// Forgets all states and steps, and takes over those given.
    pub(crate) fn replace(
        &mut self,
        steps: u64,
        entries: impl IntoIterator<Item = (Variable, u64, Vec<Slot>, Vec<Tensor>)>,
    ) {
        self.steps = steps;
        self.entries = entries
            .into_iter()
            .map(|(variable, steps, slots, states)| {
                (variable.id(), Entry { steps, slots, states, ..Entry::new(&variable) })
            })
            .collect();
    }
}

impl Entry {
    fn new(variable: &Variable) -> Entry {
        Entry { variable: variable.downgrade(), round: 0, steps: 0, slots: Vec::new(), states: Vec::new() }
    }

    /// Keeps the states whose slots are still asked for, and makes the others.
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

/// All that an optimizer needs to go on where it stopped, with the same numbers, besides its
/// hyperparameters.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    /// The learning rate; `None` if a schedule gives it.
    pub learning_rate: Option<f64>,
    /// How many steps were taken: where the schedule is.
    pub steps: u64,
    /// For each variable, in the order asked for; `None` for one that was never stepped.
    pub variables: Vec<Option<VariableState>>,
}

/// What an optimizer keeps for one variable.
#[derive(Clone, Debug)]
pub struct VariableState {
    /// How often it was stepped.
    pub steps: u64,
    /// Its states by name.
    pub states: Vec<(String, Tensor)>,
}
