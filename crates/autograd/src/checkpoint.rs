//! Gradient checkpointing: a segment is recomputed in the backward pass, so the tape does not save its values.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use tensor::ops::{CustomOp, apply};
use tensor::{Error, Op, Result, TaskLocal, Tensor, recorder};

use crate::captures::{Captures, find_captures, is_listening};
use crate::gradients::{Differentiable, GradientOptions, Source, Unconnected};
use crate::tape::GradientTape;
use crate::variable::{Variable, find};

/// Applies `segment` to `inputs`. A tape saves only the inputs and the result, and the backward pass computes the segment
/// again. This costs about one more forward pass of the segment, and saves the memory of all its intermediate values.
///
/// Variables that the segment reads get their gradients as usual. So do captured tensors that a tape watches or that
/// were computed from a watched value.
///
/// The segment must return the same result when it runs again. The results are compared bit for bit, so dropout in the
/// segment, or a weight that has changed since, is an error and not a wrong gradient.
///
/// ```
/// # use autograd::{GradientTape, Variable, checkpoint};
/// # use tensor::tensor;
/// let w = Variable::new(tensor![0.5]);
/// let x = tensor![2.0];
/// let tape = GradientTape::new();
/// let weight = w.clone();
/// let y = checkpoint(move |x| Ok((&x[0] * &weight).tanh().square().exp()), &[&x])?;
/// let gradient = tape.gradient(&y, &w)?;
/// # let other = GradientTape::new();
/// # let y = (&x * &w).tanh().square().exp();
/// # assert_eq!(gradient.item()?, other.gradient(&y, &w)?.item()?);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Ownership
///
/// The tape keeps the segment until the backward pass, which may be after the caller has returned, so the segment cannot
/// borrow a model (`'static`). Move a clone of each variable into it, as above (clones refer to the same variable), or
/// share the model by [`Arc`]:
///
/// ```
/// # use autograd::{GradientTape, Result, Variable, checkpoint};
/// # use tensor::{Tensor, tensor};
/// use std::sync::Arc;
///
/// struct Block {
///     kernel: Variable,
///     bias: Variable,
/// }
///
/// impl Block {
///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(x.matmul(&self.kernel)?.try_add(&self.bias)?.tanh())
///     }
/// }
///
/// let blocks: Vec<Arc<Block>> = (0..3)
///     .map(|_| Arc::new(Block { kernel: Variable::new(Tensor::ones([2, 2])), bias: Variable::new(tensor![0.0, 1.0]) }))
///     .collect();
/// let tape = GradientTape::new();
/// let mut x = tensor![[1.0, 2.0]];
/// for block in &blocks {
///     let block = Arc::clone(block);
///     x = checkpoint(move |x| block.forward(&x[0]), &[&x])?;
/// }
/// let gradients = tape.gradient(&x, [&blocks[0].kernel, &blocks[2].bias])?;
/// # assert_eq!(gradients[0].shape(), &[2, 2]);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the segment fails.
#[track_caller]
pub fn checkpoint(
    segment: impl Fn(&[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
    inputs: &[&Tensor],
) -> Result<Tensor> {
    // No tape records the segment, so its captures are found here.
    let (output, captures) = recorder::unrecorded(|| {
        let _pass = RunningPass::start(CheckpointPass::Forward);
        find_captures(&segment, inputs)
    })?;
    let Captures { reads, values: mut captured, .. } = captures;
    let variable = |read: Tensor| find(read.value_id().leaf()?.0).map(|variable| (read, variable));
    let (reads, variables): (Vec<Tensor>, Vec<Variable>) = reads.into_iter().filter_map(variable).unzip();
    // The rest are constants, also for tapes of other threads. Inside another segment that is not known yet.
    captured.retain(|value| value.value_id().origin().is_some() || recorder::is_watched(value) || is_listening());
    let operation = Checkpoint {
        segment: Box::new(segment),
        watched: inputs.iter().map(|input| input.dtype().is_float() && recorder::is_watched(input)).collect(),
        variables,
        output: output.stop_gradient(),
    };
    let operands: Vec<&Tensor> = inputs.iter().copied().chain(&reads).chain(&captured).collect();
    apply(Op::Custom(Arc::new(operation)), &operands)
}

/// A pass in which the segment of a [`checkpoint`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointPass {
    /// The forward pass. No tape records the segment.
    Forward,
    /// The recomputation in the backward pass. Side effects of the segment, such as updating a running mean, have
    /// already happened.
    Recomputation,
}

/// The pass of the running task.
static PASS: TaskLocal<Cell<Option<CheckpointPass>>> = TaskLocal::new(Cell::default);

/// The pass of the [`checkpoint`] in whose segment the caller is, if it is in one. If one segment is inside another that
/// is recomputed, all its passes are [`CheckpointPass::Recomputation`].
pub fn checkpoint_pass() -> Option<CheckpointPass> {
    PASS.get_if_set()?.get()
}

/// Sets the pass until this is dropped, also by a panic. Holds the pass before.
struct RunningPass(Option<CheckpointPass>);

impl RunningPass {
    fn start(pass: CheckpointPass) -> RunningPass {
        let recomputing = checkpoint_pass() == Some(CheckpointPass::Recomputation);
        let pass = if recomputing { CheckpointPass::Recomputation } else { pass };
        RunningPass(PASS.get().replace(Some(pass)))
    }
}

impl Drop for RunningPass {
    fn drop(&mut self) {
        PASS.get().set(self.0);
    }
}

type Segment = Box<dyn Fn(&[Tensor]) -> Result<Tensor> + Send + Sync>;

/// A segment as an operation. Its operands are the inputs, one read of each variable, and the captured values.
struct Checkpoint {
    segment: Segment,
    /// For each input, whether its gradient may be needed.
    watched: Vec<bool>,
    variables: Vec<Variable>,
    output: Tensor,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("variables", &self.variables).finish_non_exhaustive()
    }
}

impl CustomOp for Checkpoint {
    fn name(&self) -> &str {
        "checkpoint"
    }

    fn forward(&self, _: &[&Tensor]) -> Result<Tensor> {
        Ok(self.output.clone())
    }

    fn backward(&self, operands: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (inputs, others) = operands.split_at(self.watched.len());
        let captured = &others[self.variables.len()..];
        // The reshape gives inputs new identities. Otherwise an input could not be told from another input, or a
        // captured value, that is the same tensor. Outer tapes record the reshape.
        let renew = |(input, &watched): (&Tensor, &bool)| match watched {
            true => input.reshape(input.shape()),
            false => Ok(input.clone()),
        };
        let inputs = inputs.iter().zip(&self.watched).map(renew).collect::<Result<Vec<_>>>()?;
        let watched: Vec<&Tensor> =
            inputs.iter().zip(&self.watched).filter_map(|(input, &watched)| watched.then_some(input)).collect();
        let tape = GradientTape::new();
        watched.iter().copied().chain(captured).for_each(|value| tape.watch(value));
        self.variables.iter().filter(|variable| !variable.is_trainable()).for_each(|variable| tape.watch(variable));
        let recomputed = {
            let _pass = RunningPass::start(CheckpointPass::Recomputation);
            (self.segment)(&inputs)?
        };
        if !same_bits(&recomputed, output) {
            return Err(Error::gradient(
                "checkpoint: the segment returned a different result when it was recomputed; it must not draw random \
                 numbers, and the variables it reads must not change before the backward pass",
            ));
        }
        let sources: Vec<Source> = watched
            .iter()
            .map(Differentiable::source)
            .chain(self.variables.iter().map(Differentiable::source))
            .chain(captured.iter().map(Differentiable::source))
            .collect();
        let options = GradientOptions::default().output_gradient(gradient).unconnected(Unconnected::Zeros);
        let mut gradients = tape.gradient_with(&recomputed, &sources, options)?.into_iter();
        let mut parts: Vec<Option<Tensor>> =
            self.watched.iter().map(|&watched| if watched { gradients.next() } else { None }).collect();
        parts.extend(gradients.map(Some));
        Ok(parts)
    }
}

fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    let bits = |x: &Tensor| -> Option<Vec<u64>> {
        if let Ok(values) = x.to_vec::<f32>() {
            return Some(values.iter().map(|value| u64::from(value.to_bits())).collect());
        }
        x.to_vec::<f64>().ok().map(|values| values.iter().map(|value| value.to_bits()).collect())
    };
    a.shape() == b.shape() && bits(a) == bits(b)
}
