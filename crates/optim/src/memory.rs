//! What an optimizer keeps from step to step.

use std::collections::HashMap;

use autograd::{Variable, WeakVariable};
use tensor::{Error, Result, Tensor, no_record};

/// One state that an optimizer keeps for each parameter, of the parameter's shape and type: a
/// velocity, a running mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Its name, by which checkpoints know it.
    pub name: &'static str,
    /// The value of all its elements before the first step.
    pub initial: f64,
}

impl Slot {
    /// A state that starts at zero.
    pub const fn zeros(name: &'static str) -> Slot {
        Slot { name, initial: 0.0 }
    }
}

/// The learning rate of an optimizer and its states of every variable it has stepped.
///
/// States are made at a variable's first step and go when the variable is gone.
#[derive(Clone, Default)]
pub struct Memory {
    pub(crate) learning_rate: f64,
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
    pub(crate) states: Vec<Tensor>,
}

impl Memory {
    /// A memory without states.
    pub fn new(learning_rate: f64) -> Memory {
        Memory { learning_rate, ..Memory::default() }
    }

    /// Starts a step of several variables.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
    }

    /// Makes the states of a variable ready for its step, each of the variable's shape and type.
    ///
    /// # Errors
    /// If the variable was given before in this round: its step would be taken twice.
    pub(crate) fn prepare(&mut self, variable: &Variable, slots: &[Slot]) -> Result<()> {
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
        let (shape, dtype) = (variable.shape(), variable.dtype());
        for (k, slot) in slots.iter().enumerate() {
            match entry.states.get_mut(k) {
                None => entry.states.push(Tensor::full_of(&shape, slot.initial, dtype)),
                // The variable was cast since.
                Some(state) if state.dtype() != dtype => *state = no_record(|| state.cast(dtype)),
                Some(_) => {}
            }
        }
        // A builder method may have changed the optimizer to one with fewer states.
        entry.states.truncate(slots.len());
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

    /// The steps and states of a variable that has been stepped.
    pub(crate) fn of(&self, variable: &Variable, slots: &[Slot]) -> Option<VariableState> {
        let entry = self.entries.get(&variable.id())?;
        let states = slots.iter().map(|slot| slot.name.to_owned()).zip(entry.states.iter().cloned()).collect();
        Some(VariableState { steps: entry.steps, states })
    }

    /// Forgets all states, and takes over those given for some variables.
    pub(crate) fn replace(&mut self, states: impl IntoIterator<Item = (Variable, u64, Vec<Tensor>)>) {
        let entry = |(variable, steps, states): (Variable, u64, Vec<Tensor>)| {
            (variable.id(), Entry { steps, states, ..Entry::new(&variable) })
        };
        self.entries = states.into_iter().map(entry).collect();
    }
}

impl Entry {
    fn new(variable: &Variable) -> Entry {
        Entry { variable: variable.downgrade(), round: 0, steps: 0, states: Vec::new() }
    }
}

/// All that an optimizer needs to go on where it stopped, with the same numbers.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    /// The learning rate in force.
    pub learning_rate: f64,
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
