//! What checkpoints store besides the model and the optimizer of a training.

use std::cell::{Ref, RefCell, RefMut};

use autograd::Variable;
use nn::{Layer, Mode, RandomStream, Visitable, Visitor};
use optim::{Optimizer, WeightAverage};
use tensor::Tensor;

use crate::error::{Error, Result, TrainError};
use crate::state_dict::check_unique;

/// The objects given to [`Fit::keep`](crate::Fit::keep) and its relatives, each under a name.
#[derive(Default)]
pub(crate) struct Tracked<'a> {
    pub(crate) parts: Composite<'a>,
    pub(crate) optimizers: Vec<(String, &'a RefCell<dyn Optimizer>)>,
    pub(crate) averages: Vec<(String, &'a RefCell<WeightAverage>)>,
}

/// Models, variables and random streams as the parts of one layer, so that they are listed, saved and loaded like those
/// of a model. Its forward pass is the identity.
#[derive(Default)]
pub(crate) struct Composite<'a>(Vec<(String, &'a dyn Visitable)>);

impl Layer for Composite<'_> {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        Ok(input.clone())
    }

    fn visit(&self, visitor: &mut Visitor) {
        self.0.iter().for_each(|(name, part)| part.visit_as(name, visitor));
    }
}

impl<'a> Tracked<'a> {
    pub(crate) fn add_part(&mut self, name: &str, part: &'a dyn Visitable) {
        self.parts.0.push((without_dots(name), part));
    }

    pub(crate) fn add_optimizer(&mut self, name: &str, optimizer: &'a RefCell<dyn Optimizer>) {
        self.optimizers.push((without_dots(name), optimizer));
    }

    pub(crate) fn add_average(&mut self, name: &str, average: &'a RefCell<WeightAverage>) {
        self.averages.push((without_dots(name), average));
    }

    /// The names by kind. A checkpoint stores them, and they must be the same when it is resumed.
    pub(crate) fn names(&self) -> [(&'static str, Vec<&str>); 3] {
        fn of<T>(tracked: &[(String, T)]) -> Vec<&str> {
            tracked.iter().map(|(name, _)| name.as_str()).collect()
        }
        [("parts", of(&self.parts.0)), ("optimizers", of(&self.optimizers)), ("averages", of(&self.averages))]
    }

    /// Checks that names are unique, and that the paths of weights and streams are unique in a checkpoint of `model`.
    pub(crate) fn check(&self, model: &dyn Layer) -> Result<()> {
        for (kind, names) in self.names() {
            check_unique(kind, names)?;
        }
        if self.parts.0.is_empty() {
            return Ok(());
        }
        check_unique("weights", self.weights(model).iter().map(|(path, _)| path.as_str()))?;
        check_unique("random streams", self.streams(model).iter().map(|(path, _)| path.as_str()))
    }

    /// The weights of the model by path, followed by the tracked ones.
    pub(crate) fn weights(&self, model: &dyn Layer) -> Vec<(String, Variable)> {
        model.named_weights().into_iter().chain(prefixed(self.parts.named_weights())).collect()
    }

    /// The random streams of the model by path, followed by the tracked ones.
    pub(crate) fn streams(&self, model: &dyn Layer) -> Vec<(String, RandomStream)> {
        model.named_streams().into_iter().chain(prefixed(self.parts.named_streams())).collect()
    }
}

fn prefixed<T>(named: Vec<(String, T)>) -> impl Iterator<Item = (String, T)> {
    named.into_iter().map(|(path, value)| (format!("kept.{path}"), value))
}

/// Dots separate the parts of a path.
fn without_dots(name: &str) -> String {
    name.replace('.', "_")
}

/// Borrows a tracked object to read its state.
pub(crate) fn borrow<'a, T: ?Sized>(name: &str, object: &'a RefCell<T>) -> Result<Ref<'a, T>> {
    object.try_borrow().map_err(|_| borrowed(name))
}

/// Borrows a tracked object to restore its state.
pub(crate) fn borrow_mut<'a, T: ?Sized>(name: &str, object: &'a RefCell<T>) -> Result<RefMut<'a, T>> {
    object.try_borrow_mut().map_err(|_| borrowed(name))
}

fn borrowed(name: &str) -> Error {
    TrainError::trainer(format!("{name} is still borrowed; end the borrow before next_epoch, end_batch and end_epoch"))
}
