//! States as named tensors, as checkpoints store them.

use std::collections::HashSet;

use data::escaped;
use tensor::Tensor;

use crate::error::{Result, TrainError};

/// Named tensors. Numbers and counts are stored as scalars.
#[derive(Debug, Default)]
pub(crate) struct StateDict(Vec<(String, Tensor)>);

impl StateDict {
    pub(crate) fn put_number(&mut self, name: &str, value: f64) {
        self.0.push((name.into(), Tensor::from(value)));
    }

    pub(crate) fn put_count(&mut self, name: &str, value: usize) {
        self.0.push((name.into(), Tensor::from(value as i64)));
    }

    pub(crate) fn put_numbers(&mut self, name: &str, values: Vec<f64>) {
        self.0.push((name.into(), values.into_iter().collect()));
    }

    /// Stores tensors under a common prefix.
    pub(crate) fn put_tensors(&mut self, prefix: &str, tensors: &[(String, Tensor)]) {
        self.0.extend(tensors.iter().map(|(name, tensor)| (format!("{prefix}.{name}"), tensor.clone())));
    }

    /// Stores tensors under a common prefix and their indices.
    pub(crate) fn put_list(&mut self, prefix: &str, tensors: &[Tensor]) {
        self.0.extend(tensors.iter().enumerate().map(|(k, tensor)| (format!("{prefix}.{k}"), tensor.clone())));
    }

    pub(crate) fn as_slice(&self) -> &[(String, Tensor)] {
        &self.0
    }

    pub(crate) fn into_inner(self) -> Vec<(String, Tensor)> {
        self.0
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Tensor> {
        match self.0.iter().find(|(other, _)| other == name) {
            Some((_, tensor)) => Ok(tensor),
            None => Err(TrainError::trainer(format!("the state has no {}", escaped(name)))),
        }
    }

    pub(crate) fn get_number(&self, name: &str) -> Result<f64> {
        self.get(name)?.item()
    }

    pub(crate) fn get_count(&self, name: &str) -> Result<usize> {
        let value = self.get_number(name)?;
        if value >= 0.0 && value.fract() == 0.0 && value < 2f64.powi(53) {
            Ok(value as usize)
        } else {
            let name = escaped(name);
            Err(TrainError::trainer(format!("the state has {value} as {name}, which must be a count below 2^53")))
        }
    }

    /// The tensors under a prefix, with the rest of their names.
    pub(crate) fn get_tensors(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let below = |(name, tensor): &(String, Tensor)| {
            let name = name.strip_prefix(prefix)?.strip_prefix('.')?;
            Some((name.to_owned(), tensor.clone()))
        };
        self.0.iter().filter_map(below).collect()
    }

    pub(crate) fn get_list(&self, prefix: &str) -> Vec<Tensor> {
        (0..).map_while(|k| self.get(&format!("{prefix}.{k}")).ok().cloned()).collect()
    }
}

impl From<&[(String, Tensor)]> for StateDict {
    fn from(entries: &[(String, Tensor)]) -> StateDict {
        StateDict(entries.to_vec())
    }
}

/// Returns an error if two of `kind` have the same name.
pub(crate) fn check_unique<'n>(kind: &str, names: impl IntoIterator<Item = &'n str>) -> Result<()> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(TrainError::trainer(format!("two {kind} are named {}; names must be unique", escaped(name)))),
        None => Ok(()),
    }
}
