//! How deep layers may lie within each other.

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Mode, Part, Visitor};

/// The most layers that may lie within each other.
///
/// Whatever goes through a model (a forward pass, a visit, dropping it) calls itself for each layer within a layer, on
/// the stack of the thread. With little optimisation twice as many fit into the 2 MiB of a thread of Rust or rayon; the
/// rest is for builds without any, whose stack frames are larger, and for tasks that a waiting thread steals.
pub(crate) const DEEPEST: usize = 64;

/// A layer as part of another one. If layers would lie too deep within each other, it is dropped here, while its depth
/// still allows that, and replaced by one that fails: nothing that is built can overflow the stack.
pub(crate) fn nested(layer: impl Layer + 'static) -> Box<dyn Layer> {
    if depth(&layer) < DEEPEST { Box::new(layer) } else { Box::new(TooDeep) }
}

/// The number of layers within each other, this one included.
fn depth(layer: &dyn Layer) -> usize {
    let mut ignore = |_: &str, _: Part<'_>| {};
    let mut visitor = Visitor::new(&mut ignore);
    visitor.layer("", layer);
    visitor.deepest()
}

/// Stands in place of a layer that lay too deep.
struct TooDeep;

impl TooDeep {
    fn error() -> Error {
        let message =
            format!("layers lie within each other more than {DEEPEST} deep; put them in a row, in one Sequential");
        Error::argument("sequential", message)
    }
}

impl Layer for TooDeep {
    fn forward(&self, _input: &Tensor, _mode: Mode) -> Result<Tensor> {
        Err(TooDeep::error())
    }

    fn forward_many(&self, _inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        Err(TooDeep::error())
    }
}
