//! What a training has besides its model and its optimizer, and checkpoints keep.

use std::cell::{Ref, RefCell, RefMut};

use autograd::Variable;
use nn::{Layer, Mode, RandomStream, Visitable, Visitor};
use optim::{Optimizer, WeightAverage};
use tensor::Tensor;

use crate::error::{Error, Result, TrainError};
use crate::state::unique;

/// What is kept, each under a name.
#[derive(Default)]
pub(crate) struct Kept<'a> {
    pub(crate) parts: Parts<'a>,
    pub(crate) optimizers: Vec<(String, &'a RefCell<dyn Optimizer>)>,
    pub(crate) averages: Vec<(String, &'a RefCell<WeightAverage>)>,
}

/// Models, variables and random streams, as the parts of one layer. As a function it is the identity.
#[derive(Default)]
pub(crate) struct Parts<'a>(Vec<(String, &'a dyn Visitable)>);

impl Layer for Parts<'_> {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        Ok(input.clone())
    }

    fn visit(&self, visitor: &mut Visitor) {
        self.0.iter().for_each(|(name, part)| part.visit_as(name, visitor));
    }
}

impl<'a> Kept<'a> {
    pub(crate) fn part(&mut self, name: &str, part: &'a dyn Visitable) {
        self.parts.0.push((without_dots(name), part));
    }

    pub(crate) fn optimizer(&mut self, name: &str, optimizer: &'a RefCell<dyn Optimizer>) {
        self.optimizers.push((without_dots(name), optimizer));
    }

    pub(crate) fn average(&mut self, name: &str, average: &'a RefCell<WeightAverage>) {
        self.averages.push((without_dots(name), average));
    }

    /// What there is, for people and for a comparison.
    pub(crate) fn names(&self) -> [(&'static str, Vec<&str>); 3] {
        fn of<T>(kept: &[(String, T)]) -> Vec<&str> {
            kept.iter().map(|(name, _)| name.as_str()).collect()
        }
        [("parts", of(&self.parts.0)), ("optimizers", of(&self.optimizers)), ("averages", of(&self.averages))]
    }

    /// Checks that each name stands for one thing, in a checkpoint of this model too.
    pub(crate) fn check(&self, model: &dyn Layer) -> Result<()> {
        for (what, names) in self.names() {
            unique(what, names)?;
        }
        if self.parts.0.is_empty() {
            return Ok(());
        }
        unique("weights", self.weights(model).iter().map(|(path, _)| path.as_str()))?;
        unique("random streams", self.streams(model).iter().map(|(path, _)| path.as_str()))
    }

    /// The weights of the model by path, and after them those that are kept.
    pub(crate) fn weights(&self, model: &dyn Layer) -> Vec<(String, Variable)> {
        model.named_weights().into_iter().chain(below_kept(self.parts.named_weights())).collect()
    }

    /// The random streams of the model by path, and after them those that are kept.
    pub(crate) fn streams(&self, model: &dyn Layer) -> Vec<(String, RandomStream)> {
        model.named_streams().into_iter().chain(below_kept(self.parts.named_streams())).collect()
    }
}

fn below_kept<T>(named: Vec<(String, T)>) -> impl Iterator<Item = (String, T)> {
    named.into_iter().map(|(path, value)| (format!("kept.{path}"), value))
}

/// Dots separate the parts of a path.
fn without_dots(name: &str) -> String {
    name.replace('.', "_")
}

/// What is kept under a name, to be looked at.
pub(crate) fn lend<'a, T: ?Sized>(name: &str, kept: &'a RefCell<T>) -> Result<Ref<'a, T>> {
    kept.try_borrow().map_err(|_| borrowed(name))
}

/// What is kept under a name, to be changed.
pub(crate) fn lend_mut<'a, T: ?Sized>(name: &str, kept: &'a RefCell<T>) -> Result<RefMut<'a, T>> {
    kept.try_borrow_mut().map_err(|_| borrowed(name))
}

fn borrowed(name: &str) -> Error {
    TrainError::trainer(format!("{name} is borrowed; let go of it before next_epoch, end_batch and end_epoch"))
}
