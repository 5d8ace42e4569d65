//! A set of variables.

use autograd::Variable;

/// The ids of some variables, sorted. Variables mostly arrive in ascending order of their ids, so an insertion appends.
#[derive(Default)]
pub(crate) struct VariableSet(Vec<u32>);

impl VariableSet {
    /// Adds a variable and returns whether it was new.
    pub(crate) fn insert(&mut self, variable: &Variable) -> bool {
        let position = self.0.binary_search(&variable.id());
        if let Err(position) = position {
            self.0.insert(position, variable.id());
        }
        position.is_err()
    }
}
