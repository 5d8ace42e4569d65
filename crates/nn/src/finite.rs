//! Where NaN and infinities come from.

use std::cell::Cell;

use autograd::Variable;
use tensor::{Error, GeneratorState, Result, Shape, TaskLocal, Tensor, no_record};

use crate::layer::{Layer, Mode};
use crate::mask::silenced_by;
use crate::penalty::KeptPenalties;
use crate::stream::RandomStream;

/// Whether the outputs of layers are checked in the running task.
static SEARCHED: TaskLocal<Cell<bool>> = TaskLocal::new(Cell::default);

/// A search in this task until this is dropped, also by a panic.
struct Searching(bool);

impl Searching {
    fn start() -> Searching {
        Searching(SEARCHED.get().replace(true))
    }
}

impl Drop for Searching {
    fn drop(&mut self) {
        SEARCHED.get().set(self.0);
    }
}

/// What is the first with NaN or infinite elements when a model is given this input: the input, a weight or the
/// output of a layer, which is named by its path; nothing if all elements are finite. Layers are found where they are
/// called by [`Layer::call`]. What stands in the input at steps that the mask leaves out has no effect and is not looked
/// at. The model stays as it was, its random streams and running means too, if its
/// weights are made.
///
/// ```
/// use nn::{Activation, Dense, Mode, Sequential, first_non_finite};
/// use tensor::tensor;
///
/// let model = Sequential::new().add(Dense::new(1, 2)).add(Dense::new(2, 1).activation(Activation::Exponential));
/// model.weights()[2].assign(tensor![[1e3], [1e3]])?;
/// model.weights()[0].assign(tensor![[1.0, 1.0]])?;
/// # use nn::Layer;
/// let place = first_non_finite(&model, &tensor![[1.0]], None, Mode::Inference).unwrap();
/// assert_eq!(place, "dense_1 (Dense 2→1): output: shape [1, 1]: has NaN or infinite elements");
/// # Ok::<(), tensor::Error>(())
/// ```
pub fn first_non_finite(model: &dyn Layer, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Option<String> {
    // A mask that does not suit is an error of the forward pass.
    let visible = no_record(|| silenced_by("input", input, mask)).unwrap_or_else(|_| input.clone());
    if !visible.all_finite() {
        return Some(not_finite("input", input.shape()).to_string());
    }
    let weights = model.named_weights();
    // What layers keep themselves follows from what they see, and the forward pass may have broken it already.
    let trained = |weight: &Variable| weight.is_trainable();
    if let Some((path, weight)) = weights.iter().find(|(_, weight)| trained(weight) && !weight.value().all_finite()) {
        return Some(not_finite(&format!("weight {path}"), &weight.shape()).to_string());
    }
    let kept = Kept::of(model, weights);
    let searching = Searching::start();
    let found = no_record(|| model.forward_masked(input, mask, mode));
    drop(searching);
    kept.restore();
    match found {
        Ok((output, _)) if output.all_finite() => None,
        Ok((output, _)) => Some(not_finite("output", output.shape()).to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Ends the search at the output of a layer that is not finite.
pub(crate) fn check(output: &Tensor) -> Result<()> {
    let is_searched = SEARCHED.get_if_set().is_some_and(|searched| searched.get());
    if is_searched && !output.all_finite() {
        return Err(not_finite("output", output.shape()));
    }
    Ok(())
}

fn not_finite(what: &str, shape: &Shape) -> Error {
    Error::shape(what, shape, "has NaN or infinite elements")
}

/// What a forward pass may change of a model.
struct Kept {
    values: Vec<(Variable, Tensor)>,
    streams: Vec<(RandomStream, Option<GeneratorState>)>,
    _penalties: KeptPenalties,
}

impl Kept {
    fn of(model: &dyn Layer, weights: Vec<(String, Variable)>) -> Kept {
        let value = |(_, weight): (String, Variable)| {
            let value = weight.value();
            (weight, value)
        };
        let streams = model.named_streams().into_iter().map(|(_, stream)| {
            let state = stream.state();
            (stream, state)
        });
        let values = weights.into_iter().map(value).collect();
        Kept { streams: streams.collect(), values, _penalties: KeptPenalties::of(model) }
    }

    fn restore(self) {
        for (weight, value) in self.values {
            // Of its own shape and type, so that it is taken.
            let _ = weight.assign(value);
        }
        for (stream, state) in self.streams {
            stream.restore(state);
        }
    }
}
