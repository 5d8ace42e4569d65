//! Models with many layers, chained and nested.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use nn::autograd::GradientTape;
use nn::tensor::{Result, Tensor};
use nn::{Activation, Dense, Layer, Mode, Residual, Sequential, TimeDistributed, Variable, Visitor};

/// The largest nesting depth, as documented.
const DEEPEST: usize = 64;

/// Multiplies by a weight, and counts its visits.
struct Counting(Variable, Arc<AtomicUsize>);

impl Layer for Counting {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        input.try_mul(&self.0)
    }

    fn visit(&self, visitor: &mut Visitor) {
        self.1.fetch_add(1, Relaxed);
        visitor.weight("factor", &self.0);
    }
}

#[test]
fn adding_a_layer_does_not_visit_those_before() {
    let visits = Arc::new(AtomicUsize::new(0));
    let mut model = Sequential::new();
    for _ in 0..100 {
        model.push(Counting(Variable::new(Tensor::scalar(1.0)), Arc::clone(&visits)));
    }
    assert!(visits.load(Relaxed) <= 2 * 100, "{}", visits.load(Relaxed));
    let names: Vec<String> = model.weights().iter().map(Variable::name).collect();
    assert_eq!((names[0].as_str(), names[99].as_str()), ("counting.factor", "counting_99.factor"));
}

#[test]
fn names_are_found_in_constant_time() {
    let mut model = Sequential::new();
    // With a search for each name this would take hours.
    for _ in 0..20_000 {
        model.push(Activation::Relu);
    }
    assert_eq!(model.layers().last().unwrap().0, "activation_19999");

    let mut model = Sequential::new();
    for name in ["a", "a_1", "a", "a_1", "a", "a"] {
        model.push_named(name, Activation::Relu);
    }
    let names: Vec<&str> = model.layers().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "a_1", "a_2", "a_1_1", "a_3", "a_4"]);
}

#[test]
fn a_shared_weight_keeps_its_first_name() {
    let shared = Arc::new(Dense::new(2, 2));
    let model = Sequential::new().add_named("first", Arc::clone(&shared)).add_named("second", shared);
    assert_eq!(model.weights()[0].name(), "first.kernel");
}

/// Wraps a layer in another one.
type Wrap = fn(Box<dyn Layer>) -> Box<dyn Layer>;

/// A layer wrapped this many times.
fn within(layers: usize, wrap: Wrap) -> Box<dyn Layer> {
    let innermost: Box<dyn Layer> = Box::new(Dense::new(1, 1));
    (0..layers).fold(innermost, |layer, _| wrap(layer))
}

fn sequential(layer: Box<dyn Layer>) -> Box<dyn Layer> {
    Box::new(Sequential::new().add_named("in", layer))
}

fn residual(layer: Box<dyn Layer>) -> Box<dyn Layer> {
    Box::new(Residual::new(layer))
}

/// Alternates both: a residual layer calls a `Sequential` that calls a residual layer.
fn both(layer: Box<dyn Layer>) -> Box<dyn Layer> {
    sequential(residual(layer))
}

/// Runs in a thread with Rust's default stack size, whatever that of the test threads is.
fn in_a_thread(f: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(f).unwrap().join().unwrap();
}

#[test]
fn models_of_the_largest_depth_are_trained() {
    in_a_thread(|| {
        let cases: [(Wrap, usize); 3] = [(sequential, DEEPEST - 1), (residual, DEEPEST - 1), (both, DEEPEST / 2 - 1)];
        for (wrap, wraps) in cases {
            let model = within(wraps, wrap);
            let (x, tape) = (Tensor::ones([1, 1]), GradientTape::new());
            let y = model.forward(&x, Mode::Training).unwrap().sum();
            let gradients = tape.gradient(&y, &model.weights()).unwrap();
            assert_eq!(gradients.len(), 2);
            assert!(model.named_weights()[0].0.ends_with(".kernel"));
            assert!(model.summary([1]).unwrap().to_string().contains("[batch, 1]"));
        }
    });
}

#[test]
fn models_that_are_too_deep_return_an_error() {
    in_a_thread(|| {
        let wraps: [Wrap; 3] = [sequential, residual, both];
        for wrap in wraps {
            for count in [DEEPEST, 10_000] {
                let model = within(count, wrap);
                let message = model.forward(&Tensor::ones([1, 1]), Mode::Inference).unwrap_err().to_string();
                let expected = "layers are nested more than 64 deep; add them to one Sequential, one after another";
                assert!(message.ends_with(expected), "{message}");
                assert!(model.named_weights().is_empty());
                let _ = (model.describe(), model.summary([1]).unwrap_err());
            }
        }
    });
}

#[test]
fn summaries_show_the_layer_for_each_step() {
    let model = Sequential::new().add(TimeDistributed::new(Dense::new(3, 4)));
    let summary = model.summary([5, 3]).unwrap();
    assert!(
        summary.to_string().contains("time_distributed (TimeDistributed Dense 3→4)    [batch, 5, 4]            16")
    );
    let inner = summary.rows.iter().find(|row| row.layer == "Dense 3→4").map(|row| row.parameters);
    assert_eq!(inner, Some(16));
}
