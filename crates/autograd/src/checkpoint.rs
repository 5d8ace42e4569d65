//! Recomputing a segment in the walk backwards instead of keeping what its rules need.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use tensor::ops::{CustomOp, apply};
use tensor::record::{self, Recorder};
use tensor::{Error, Op, Result, Tensor};

use crate::gradients::{Differentiable, GradientOptions, Source, Unconnected};
use crate::tape::GradientTape;
use crate::variable::{Variable, find, name_of};

/// Computes `segment` of `inputs` so that a tape keeps only the inputs and the result: the walk
/// backwards computes the segment once more. It costs about one more forward pass and saves all
/// memory in between.
///
/// Variables that the segment reads get their gradients as usual. The segment must give the same
/// result when it is run again; it is compared bit for bit, so that dropout inside, or a weight that
/// was changed meanwhile, is an error and not a wrong gradient.
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
/// # Errors
/// If the segment fails, or uses a value that was computed from a variable outside of it.
pub fn checkpoint(
    segment: impl Fn(&[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
    inputs: &[&Tensor],
) -> Result<Tensor> {
    let reads = Rc::new(Reads { first: record::upcoming_id(), leaves: RefCell::default(), captured: Cell::default() });
    let inside: Vec<Tensor> = inputs.iter().map(|input| input.stop_gradient()).collect();
    // No tape sees the segment; what variables it reads is noted.
    let output = record::unrecorded(|| {
        let _pass = Passing::start(CheckpointPass::First);
        let _listening = Listening::start(reads.clone());
        segment(&inside)
    })?;
    // A segment that returns what it read applies no operation to it.
    reads.note(&output);
    if let Some(variable) = reads.captured.get() {
        let message = format!(
            "checkpoint: the segment uses a value that was read or computed from {} before it; read variables inside, \
             and pass computed values as inputs",
            name_of(variable)
        );
        return Err(Error::gradient(message));
    }
    let found = |leaf: Tensor| find(leaf.trace().leaf()?.0).map(|variable| (leaf, variable));
    let (leaves, variables): (Vec<Tensor>, Vec<Variable>) = reads.leaves.take().into_iter().filter_map(found).unzip();
    let operation =
        Checkpoint { segment: Box::new(segment), inputs: inputs.len(), variables, output: output.stop_gradient() };
    let operands: Vec<&Tensor> = inputs.iter().copied().chain(&leaves).collect();
    apply(Op::Custom(Arc::new(operation)), &operands)
}

/// Which time the segment of a [`checkpoint`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointPass {
    /// Its result is wanted; no tape sees what is computed.
    First,
    /// The walk backwards computes it anew. What a segment does besides, such as moving a running mean, has been
    /// done.
    Again,
}

thread_local! {
    /// The pass that this thread is in, and its number at that time: a task of somebody else, which it may run while
    /// it waits for others, sees another number.
    static PASS: Cell<Option<(CheckpointPass, u64)>> = const { Cell::new(None) };
}

/// In which pass of a [`checkpoint`]'s segment the caller is, if it is in any. Of a segment inside another that runs
/// again each pass is [`CheckpointPass::Again`].
pub fn checkpoint_pass() -> Option<CheckpointPass> {
    let (pass, thread) = PASS.get()?;
    (thread == record::thread_of(record::upcoming_id())).then_some(pass)
}

/// The pass until this is dropped, also by a panic.
struct Passing(Option<(CheckpointPass, u64)>);

impl Passing {
    fn start(pass: CheckpointPass) -> Passing {
        let pass = if checkpoint_pass() == Some(CheckpointPass::Again) { CheckpointPass::Again } else { pass };
        Passing(PASS.replace(Some((pass, record::thread_of(record::upcoming_id())))))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        PASS.set(self.0);
    }
}

/// Notes the first read of each variable, and values that come from outside of the segment.
struct Reads {
    /// The first identity of a value made inside.
    first: u64,
    leaves: RefCell<Vec<Tensor>>,
    captured: Cell<Option<u32>>,
}

impl Reads {
    fn note(&self, value: &Tensor) {
        let Some((variable, _)) = value.trace().origin() else { return };
        let inside = value.trace().id() >= self.first && value.trace().thread() == record::thread_of(self.first);
        if !inside {
            self.captured.set(Some(variable));
        } else if value.trace().leaf().is_some() {
            let mut leaves = self.leaves.borrow_mut();
            if leaves.iter().all(|leaf| leaf.trace().origin() != value.trace().origin()) {
                leaves.push(value.clone());
            }
        }
    }
}

impl Recorder for Reads {
    fn record(&self, _: &Op, inputs: &[&Tensor], _: &[Tensor]) {
        inputs.iter().for_each(|input| self.note(input));
    }

    fn is_stopped(&self) -> bool {
        false
    }
}

/// A recorder that listens until this is dropped, also by a panic.
struct Listening(Rc<dyn Recorder>);

impl Listening {
    fn start(recorder: Rc<dyn Recorder>) -> Listening {
        record::start(recorder.clone());
        Listening(recorder)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        record::stop(&self.0);
    }
}

type Segment = Box<dyn Fn(&[Tensor]) -> Result<Tensor> + Send + Sync>;

struct Checkpoint {
    segment: Segment,
    /// How many of the operands are inputs; the others are reads of the variables.
    inputs: usize,
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

    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let inputs = &inputs[..self.inputs];
        let tape = GradientTape::new();
        // Under their identities, so that an outer tape goes on through them.
        inputs.iter().filter(|input| input.dtype().is_float()).for_each(|input| tape.watch(input));
        self.variables.iter().filter(|variable| !variable.is_trainable()).for_each(|variable| tape.watch(variable));
        let again = {
            let _pass = Passing::start(CheckpointPass::Again);
            (self.segment)(inputs)?
        };
        if !same_bits(&again, output) {
            return Err(Error::gradient(
                "checkpoint: the segment gave another result when it was run again; does it draw random numbers, or \
                 was a variable changed that it reads?",
            ));
        }
        let sources: Vec<Source> = inputs
            .iter()
            .filter(|input| input.dtype().is_float())
            .map(Differentiable::source)
            .chain(self.variables.iter().map(Differentiable::source))
            .collect();
        let options = GradientOptions::default().output_gradient(gradient).unconnected(Unconnected::Zeros);
        let mut gradients = tape.gradient_with(&again, &sources, options)?.into_iter();
        let of_inputs = inputs.iter().map(|input| if input.dtype().is_float() { gradients.next() } else { None });
        let mut parts: Vec<Option<Tensor>> = of_inputs.collect();
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
