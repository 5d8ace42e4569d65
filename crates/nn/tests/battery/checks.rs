//! The checks, and the rows of the table that they run on.

use std::sync::Arc;

use autograd::{GradientTape, Tolerance, gradcheck};
use nn::{Layer, Mode, RandomStream, Sequential, Variable};
use tensor::{DType, GeneratorState, Result, Shape, Tensor};

pub(crate) fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

/// Normally distributed numbers, the same ones each time.
pub(crate) fn input(shape: &[usize]) -> Tensor {
    tensor::Generator::new(7).normal(shape, 0.1, 1.0).unwrap()
}

/// A layer, its inputs and the expected results.
pub(crate) struct Row {
    pub(crate) layer: Arc<dyn Layer>,
    inputs: Vec<Tensor>,
    output: Shape,
    weights: Vec<(&'static str, Shape)>,
    states: Vec<&'static str>,
    modes_differ: bool,
    refused: Vec<(Vec<Tensor>, &'static str)>,
}

/// A layer with an output of shape `output` for floating inputs of these shapes.
pub(crate) fn row<const N: usize>(layer: impl Layer + 'static, inputs: [&[usize]; N], output: &[usize]) -> Row {
    Row {
        layer: Arc::new(layer),
        inputs: inputs.into_iter().map(input).collect(),
        output: output.into(),
        weights: Vec::new(),
        states: Vec::new(),
        modes_differ: false,
        refused: Vec::new(),
    }
}

impl Row {
    /// Adds an input.
    pub(crate) fn and(mut self, input: Tensor) -> Row {
        self.inputs.push(input);
        self
    }

    /// Sets the names and shapes of the weights, in order.
    pub(crate) fn weights<const N: usize>(self, weights: [(&'static str, &[usize]); N]) -> Row {
        Row { weights: weights.into_iter().map(|(name, shape)| (name, shape.into())).collect(), ..self }
    }

    /// Sets the weights that are never trainable.
    pub(crate) fn states<const N: usize>(self, states: [&'static str; N]) -> Row {
        Row { states: states.into(), ..self }
    }

    /// States that the results differ between training and inference.
    pub(crate) fn modes_differ(self) -> Row {
        Row { modes_differ: true, ..self }
    }

    /// Adds inputs that are an error, with the message after the name of the layer.
    pub(crate) fn refuses<const N: usize>(mut self, inputs: [Tensor; N], message: &'static str) -> Row {
        self.refused.push((inputs.into(), message));
        self
    }

    /// Runs all checks. The last ones change the weights.
    pub(crate) fn check(&self) {
        self.check_errors();
        self.check_shapes();
        self.check_weights();
        self.check_state();
        self.check_modes();
        self.check_gradients();
        self.check_training();
    }

    fn forward(&self, inputs: &[Tensor], mode: Mode) -> Result<Tensor> {
        self.layer.forward_many(&inputs.iter().collect::<Vec<_>>(), mode)
    }

    /// Errors name the layer and the reason, also before weights are initialized.
    fn check_errors(&self) {
        for (inputs, expected) in &self.refused {
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            let found = message(self.layer.call_many("name", &inputs, Mode::Training));
            assert_eq!(found, format!("name ({}): {expected}", self.layer.describe()));
        }
    }

    fn check_shapes(&self) {
        let kind = self.layer.describe();
        for mode in [Mode::Training, Mode::Inference] {
            let output = self.forward(&self.inputs, mode).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!((output.shape(), output.dtype()), (&self.output, DType::F32), "{kind}");
        }
        if let [input] = &self.inputs[..] {
            let same = self.layer.forward(input, Mode::Inference).unwrap();
            assert!(same.allclose(&self.forward(&self.inputs, Mode::Inference).unwrap(), 0.0, 0.0).unwrap(), "{kind}");
            let empty = input.slice(0..0usize).unwrap();
            let none = self.layer.forward(&empty, Mode::Inference).unwrap();
            assert_eq!(*none.shape(), self.output.with(0, 0), "{kind}");
        }
    }

    /// Names, shapes, counts, freezing and sharing; `weight` returns the weights themselves.
    fn check_weights(&self) {
        let (layer, kind) = (&self.layer, self.layer.describe());
        let named = layer.named_weights();
        let found: Vec<_> = named.iter().map(|(name, weight)| (name.as_str(), weight.shape())).collect();
        assert_eq!(found, self.weights, "{kind}");
        let count: usize = self.weights.iter().map(|(_, shape)| shape.size()).sum();
        assert_eq!(layer.parameter_count(), count, "{kind}");
        for (name, weight) in &named {
            let before = weight.value();
            layer.weight(name).unwrap().assign(&before * 1.5).unwrap();
            assert!(weight.value().allclose(&(before * 1.5), 0.0, 0.0).unwrap(), "{kind}: {name}");
        }
        layer.set_trainable(false);
        assert!(layer.trainable_weights().is_empty(), "{kind}");
        layer.set_trainable(true);
        let frozen = named.iter().filter(|(_, weight)| !weight.is_trainable()).map(|(name, _)| name.as_str());
        assert_eq!(frozen.collect::<Vec<_>>(), self.states, "{kind}");
        let twice = Sequential::new().add(layer.clone()).add_named("again", layer.clone());
        assert_eq!(twice.parameter_count(), count, "{kind}");
    }

    /// Saved weights are loaded by their names; if one does not match, none is loaded.
    fn check_state(&self) {
        let (layer, kind) = (&*self.layer, self.layer.describe());
        let kept = nn::state(layer);
        assert_eq!(kept.len(), self.weights.len(), "{kind}");
        let Some((name, value)) = kept.last().cloned() else { return };
        let zero = || layer.weights().iter().for_each(|weight| weight.assign(weight.value().zeros_like()).unwrap());
        zero();
        nn::load(layer, kept.clone()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        for ((path, value), (_, loaded)) in kept.iter().zip(nn::state(layer)) {
            assert!(value.allclose(&loaded, 0.0, 0.0).unwrap(), "{kind}: {path}");
        }
        zero();
        let larger = Tensor::zeros(value.shape().with(0, value.shape()[0] + 1));
        let wrong: Vec<_> = kept[..kept.len() - 1].iter().cloned().chain([(name.clone(), larger)]).collect();
        let refused = message(nn::load(layer, wrong));
        assert!(refused.contains(&name) && refused.contains(&value.shape().to_string()), "{kind}: {refused}");
        assert!(nn::state(layer).iter().all(|(_, value)| value.abs().sum().item().unwrap() == 0.0), "{kind}");
        nn::load(layer, kept).unwrap();
    }

    fn check_modes(&self) {
        let first = self.forward(&self.inputs, Mode::Training).unwrap();
        let again = self.forward(&self.inputs, Mode::Inference).unwrap();
        let same = first.allclose(&again, 0.0, 0.0).unwrap();
        assert_eq!(same, !self.modes_differ, "{}", self.layer.describe());
        let third = self.forward(&self.inputs, Mode::Inference).unwrap();
        assert!(third.allclose(&again, 0.0, 0.0).unwrap(), "inference changes nothing");
    }

    /// Gradients in float64 against finite differences for each element of all inputs and weights, in both modes.
    fn check_gradients(&self) {
        let (layer, kind) = (&self.layer, self.layer.describe());
        layer.cast(DType::F64).unwrap();
        assert!(layer.weights().iter().all(|weight| weight.dtype() == DType::F64), "{kind}");
        let streams = states(layer.as_ref());
        let inputs = self.doubles();
        for mode in [Mode::Training, Mode::Inference] {
            let function = |inputs: &[Tensor]| {
                restore(&streams);
                self.forward(inputs, mode)
            };
            gradcheck(function, &inputs, Tolerance::default()).unwrap_or_else(|error| panic!("{kind}: {error}"));
            check_weights_by_differences(layer.as_ref(), || function(&inputs).unwrap());
        }
        assert!(message(layer.cast(DType::I64)).contains("int64") || self.weights.is_empty(), "{kind}");
    }

    /// Gradient descent on the distance to fixed numbers, of the weights and of something that is added
    /// to the first floating input.
    fn check_training(&self) {
        let (layer, kind) = (&self.layer, self.layer.describe());
        let streams = states(layer.as_ref());
        let mut inputs = self.doubles();
        let target = tensor::Generator::new(8).normal(&self.output, 0.0, 1.0).unwrap().cast(DType::F64);
        let place = inputs.iter().position(|input| input.dtype().is_float());
        let offset = place.map(|place| Variable::new(inputs[place].zeros_like()));
        let start = place.map(|place| inputs[place].clone());
        let mut losses = Vec::new();
        for _ in 0..30 {
            restore(&streams);
            let tape = GradientTape::new();
            if let (Some(place), Some(offset), Some(start)) = (place, &offset, &start) {
                inputs[place] = start + offset;
            }
            let loss = (self.forward(&inputs, Mode::Training).unwrap() - &target).square().mean();
            let weights: Vec<Variable> = layer.trainable_weights().into_iter().chain(offset.clone()).collect();
            let zeros = autograd::GradientOptions::default().unconnected(autograd::Unconnected::Zeros);
            for (weight, gradient) in weights.iter().zip(&tape.gradient_with(&loss, &weights, zeros).unwrap()) {
                weight.assign_sub(gradient * 0.02).unwrap();
            }
            losses.push(loss.item().unwrap());
        }
        let (first, last) = (losses[0], losses[29]);
        // With a dropout rate of 1 nothing can change.
        assert!(last < first || kind == "Dropout 1", "{kind}: from {first} to {last}");
    }

    fn doubles(&self) -> Vec<Tensor> {
        let double = |x: &Tensor| if x.dtype().is_float() { x.cast(DType::F64) } else { x.clone() };
        self.inputs.iter().map(double).collect()
    }
}

type States = Vec<(Option<GeneratorState>, RandomStream)>;

fn states(layer: &dyn Layer) -> States {
    layer.named_streams().into_iter().map(|(_, stream)| (stream.state(), stream)).collect()
}

fn restore(states: &States) {
    states.iter().for_each(|(state, stream)| stream.restore(*state));
}

/// The gradient of a weighted sum of the outputs for each element of each trainable weight.
fn check_weights_by_differences(layer: &dyn Layer, output: impl Fn() -> Tensor) {
    let value = || {
        let output = output();
        let factors: Vec<f64> = (0..output.size()).map(|k| 0.5 + (k as f64 * 0.618).fract()).collect();
        (&output * Tensor::from_vec(factors, output.shape()).unwrap()).sum()
    };
    let named: Vec<_> = layer.named_weights().into_iter().filter(|(_, weight)| weight.is_trainable()).collect();
    if named.is_empty() {
        return;
    }
    let weights: Vec<Variable> = named.iter().map(|(_, weight)| weight.clone()).collect();
    let tape = GradientTape::new();
    let gradients = tape.gradient(value(), &weights).unwrap();
    for ((name, weight), gradient) in named.iter().zip(&gradients) {
        let start = weight.value().stop_gradient();
        for (k, gradient) in gradient.to_vec::<f64>().unwrap().into_iter().enumerate() {
            let at = |step: f64| {
                let mut moved = start.to_vec::<f64>().unwrap();
                moved[k] += step;
                weight.assign(Tensor::from_vec(moved, start.shape()).unwrap()).unwrap();
                value().item().unwrap()
            };
            let quotient = (at(1e-5) - at(-1e-5)) / 2e-5;
            let error = (gradient - quotient).abs() / (1.0 + quotient.abs());
            assert!(error < 1e-6, "{}: {name}[{k}]: {gradient} for {quotient}", layer.describe());
        }
        weight.assign(&start).unwrap();
    }
}
