//! The target and the sources of a gradient, checked.

use smallvec::SmallVec;
use tensor::{Error, Result, Tensor};

use crate::gradients::{GradientOptions, Source};
use crate::recording::{Leaf, Recording};
use crate::saved::{CONSTANT, Node};
use crate::variable::name_of;

/// The nodes of one source: one for each read of a variable.
type SourceNodes = SmallVec<[Node; 1]>;

/// A request for gradients, with the nodes of target and sources.
pub(crate) struct Request<'a> {
    target: &'a Tensor,
    pub(crate) target_node: Node,
    pub(crate) sources: &'a [Source<'a>],
    /// The nodes of each source.
    pub(crate) source_nodes: SmallVec<[SourceNodes; 4]>,
    pub(crate) options: &'a GradientOptions,
}

impl<'a> Request<'a> {
    /// # Errors
    /// Returns an error if the target or a source cannot have a gradient on this tape.
    pub(crate) fn new(
        recording: &mut Recording,
        target: &'a Tensor,
        sources: &'a [Source<'a>],
        options: &'a GradientOptions,
    ) -> Result<Request<'a>> {
        let dtype = target.dtype();
        if !dtype.is_float() {
            return Err(Error::gradient(format!("the target is of type {dtype}; only floating types have gradients")));
        }
        if let Some(variable) = recording.foreign(target.value_id()) {
            return Err(Error::gradient(format!(
                "the target was computed from {} on another thread, which this tape does not record",
                name_of(variable)
            )));
        }
        if let Some(first) = &recording.first_anomaly {
            return Err(Error::gradient(format!("anomaly: {first} is the first with NaN or infinite elements")));
        }
        let target_node = recording.node(target.value_id());
        let mut nodes = SmallVec::with_capacity(sources.len());
        for (k, source) in sources.iter().enumerate() {
            nodes.push(source_nodes(recording, k, *source)?);
        }
        Ok(Request { target, target_node, sources, source_nodes: nodes, options })
    }

    /// The gradient of the target: the one in the options, or ones.
    ///
    /// # Errors
    /// Returns an error if the one in the options has a different shape or type than the target.
    pub(crate) fn output_gradient(&self) -> Result<Tensor> {
        let (shape, dtype) = (self.target.shape(), self.target.dtype());
        match &self.options.output_gradient {
            None => Ok(Tensor::full_of(shape, 1.0, dtype)),
            Some(gradient) if gradient.shape() == shape && gradient.dtype() == dtype => Ok(gradient.clone()),
            Some(gradient) => Err(Error::gradient(format!(
                "the output gradient is {} {}, but the target is {dtype} {shape}",
                gradient.dtype(),
                gradient.shape()
            ))),
        }
    }
}

/// The nodes of source `k`.
fn source_nodes(recording: &mut Recording, k: usize, source: Source<'_>) -> Result<SourceNodes> {
    match source {
        Source::Variable(variable) => {
            if !variable.dtype().is_float() {
                let (name, dtype) = (variable.name(), variable.dtype());
                return Err(Error::gradient(format!("{name} is of type {dtype}; only floating types have gradients")));
            }
            let leaf = Leaf::Variable(variable.id());
            Ok(recording.leaves.iter().filter(|(_, other)| *other == leaf).map(|(node, _)| *node).collect())
        }
        Source::Tensor(tensor) => {
            if !tensor.dtype().is_float() {
                let message = format!("source {k} is of type {}; only floating types have gradients", tensor.dtype());
                return Err(Error::gradient(message));
            }
            match recording.node(tensor.value_id()) {
                CONSTANT => Err(Error::gradient(format!(
                    "source {k}, a tensor of shape {}, was never watched; make it a variable (`Variable::new`), or call \
                     `tape.watch(&x)` before it is used",
                    tensor.shape()
                ))),
                node => Ok(SourceNodes::from_slice(&[node])),
            }
        }
    }
}
