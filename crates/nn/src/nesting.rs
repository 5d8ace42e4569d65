//! A limit on the nesting depth of layers.

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Part, Visitor};
use crate::mode::Mode;

/// The largest nesting depth of layers.
///
/// A forward pass, a visit and a drop recurse once per nested layer, on the stack of the thread. In optimized builds
/// twice this depth fits into the 2 MiB stack of a Rust or rayon thread. The margin is for unoptimized builds, whose
/// stack frames are larger, and for tasks that a waiting thread steals.
pub(crate) const MAX_DEPTH: usize = 64;

/// Boxes a layer as a part of another one. A layer that is nested too deeply is dropped here, while its depth still
/// allows that, and replaced by one that returns an error: no model can overflow the stack.
pub(crate) fn nested(layer: impl Layer + 'static) -> Box<dyn Layer> {
    if depth(&layer) < MAX_DEPTH { Box::new(layer) } else { Box::new(TooDeep) }
}

/// The nesting depth of a layer; 1 for a layer without inner layers.
fn depth(layer: &dyn Layer) -> usize {
    let mut ignore = |_: &str, _: Part<'_>| {};
    let mut visitor = Visitor::new(&mut ignore);
    visitor.layer("", layer);
    visitor.max_depth()
}

/// Replaces a layer that was nested too deeply.
struct TooDeep;

impl TooDeep {
    fn error() -> Error {
        let message =
            format!("layers are nested more than {MAX_DEPTH} deep; add them to one Sequential, one after another");
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
