//! The search for the origin of NaN and infinite values.

use autograd::Variable;
use tensor::{GeneratorState, Tensor, no_record};

use crate::call::{FiniteCheck, non_finite};
use crate::layer::{Layer, penalties_of};
use crate::mask::zero_if_masked;
use crate::mode::Mode;
use crate::penalty::PenaltySnapshot;
use crate::stream::RandomStream;

/// Finds the first tensor with NaN or infinite elements when a model is given this input: the input, a weight, or the
/// output of a layer. The result names it by its path; it is `None` if all elements are finite. Layers are found where
/// they are called with [`Layer::call`]. Input values at steps that the mask excludes are not checked, because they have
/// no effect.
///
/// The forward pass changes neither weights nor random streams nor running statistics, except that it initializes
/// weights which wait for a first input.
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
    // If the mask does not fit, the forward pass reports it.
    let visible = no_record(|| zero_if_masked("input", input, mask)).unwrap_or_else(|_| input.clone());
    if !visible.all_finite() {
        return Some(non_finite("input", input.shape()).to_string());
    }
    let weights = model.named_weights();
    // Running statistics are a consequence of earlier inputs, which may have broken them: only trained weights can be
    // the origin.
    let trained = |weight: &Variable| weight.is_trainable();
    if let Some((path, weight)) = weights.iter().find(|(_, weight)| trained(weight) && !weight.value().all_finite()) {
        return Some(non_finite(&format!("weight {path}"), &weight.shape()).to_string());
    }
    let snapshot = ModelSnapshot::of(model, weights);
    let check = FiniteCheck::start();
    let result = no_record(|| model.forward_masked(input, mask, mode));
    drop(check);
    snapshot.restore();
    match result {
        Ok((output, _)) if output.all_finite() => None,
        Ok((output, _)) => Some(non_finite("output", output.shape()).to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// What a forward pass may change in a model.
struct ModelSnapshot {
    values: Vec<(Variable, Tensor)>,
    streams: Vec<(RandomStream, Option<GeneratorState>)>,
    _penalties: PenaltySnapshot,
}

impl ModelSnapshot {
    fn of(model: &dyn Layer, weights: Vec<(String, Variable)>) -> ModelSnapshot {
        let values = weights.into_iter().map(|(_, weight)| {
            let value = weight.value();
            (weight, value)
        });
        let streams = model.named_streams().into_iter().map(|(_, stream)| {
            let state = stream.state();
            (stream, state)
        });
        let _penalties = PenaltySnapshot::of(penalties_of(model));
        ModelSnapshot { values: values.collect(), streams: streams.collect(), _penalties }
    }

    fn restore(self) {
        for (weight, value) in self.values {
            // Cannot fail: the value was the weight's own.
            let _ = weight.assign(value);
        }
        for (stream, state) in self.streams {
            stream.restore(state);
        }
    }
}
