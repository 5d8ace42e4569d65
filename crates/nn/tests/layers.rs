//! Properties of single layers. `battery/` checks what all layers share.

use nn::{
    Activation, ActivityRegularization, Dense, Dropout, Embedding, Flatten, Initializer, InputSpec, L1, Layer, Mode,
    Sequential, Variable, Visitor, summary,
};
use tensor::{DType, Result, Tensor, random, tensor};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

#[test]
fn every_activation_has_its_formula() {
    use Activation::*;
    let (s, e) = (|x: f64| 1.0 / (1.0 + (-x).exp()), |x: f64| x.exp());
    let phi = |x: f64| 0.5 * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044715 * x.powi(3))).tanh());
    let table: [(Activation, &dyn Fn(f64) -> f64); 18] = [
        (Linear, &|x| x),
        (Relu, &|x| x.max(0.0)),
        (Relu6, &|x| x.clamp(0.0, 6.0)),
        (LeakyRelu { alpha: 0.2 }, &|x| if x > 0.0 { x } else { 0.2 * x }),
        (Elu { alpha: 1.5 }, &|x| if x > 0.0 { x } else { 1.5 * (e(x) - 1.0) }),
        (Selu, &|x| 1.0507009873554805 * if x > 0.0 { x } else { 1.6732632423543772 * (e(x) - 1.0) }),
        // The exact one is close to its approximation; its own digits are tested with the op.
        (Gelu, &|x| x * phi(x)),
        (GeluTanh, &|x| x * phi(x)),
        (Silu, &|x| x * s(x)),
        (Mish, &|x| x * (1.0 + e(x)).ln().tanh()),
        (Softplus, &|x| (1.0 + e(x)).ln()),
        (Softsign, &|x| x / (1.0 + x.abs())),
        (Sigmoid, &s),
        (LogSigmoid, &|x| s(x).ln()),
        (HardSigmoid, &|x| ((x + 3.0) / 6.0).clamp(0.0, 1.0)),
        (Tanh, &f64::tanh),
        (Exponential, &e),
        (Softmax, &|_| 1.0),
    ];
    let points = [-7.5, -2.0, -0.3, 0.4, 1.5, 7.0];
    for (activation, formula) in table {
        // A column, so that each softmax is over one element.
        let x = Tensor::from_vec(points.to_vec(), [6, 1]).unwrap();
        let y = activation.apply(&x).unwrap().to_vec::<f64>().unwrap();
        let tolerance = if activation == Gelu { 1e-3 } else { 1e-12 };
        for (x, y) in points.into_iter().zip(y) {
            assert!((y - formula(x)).abs() < tolerance * formula(x).abs().max(1.0), "{activation:?}({x}) is {y}");
        }
    }
    let logs = LogSoftmax.apply(&tensor![[0.0, 0.0]]).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(logs, [-(2f32.ln()); 2]);
    assert_eq!(Layer::describe(&LeakyRelu { alpha: 0.2 }), "LeakyRelu { alpha: 0.2 }");
}

#[test]
fn dense_errors_name_layer_and_shapes() {
    let model = Sequential::new().add(Dense::new(780, 780)).add(Dense::new(784, 512));
    assert_eq!(
        message(model.forward(&Tensor::ones([128, 780]), Mode::Training)),
        "dense_1 (Dense 784→512): matmul: [128, 780] × [784, 512]: the inner sizes 780 and 784 differ"
    );
    let dense = Dense::new(3, 2);
    let forward = |x: Tensor| message(dense.forward(&x, Mode::Training));
    assert_eq!(forward(Tensor::ones([2, 5, 4])), "matmul: [2, 5, 4] × [3, 2]: the inner sizes 4 and 3 differ");
    assert_eq!(forward(Tensor::ones([3])), "dense: shape [3]: needs at least two axes, [batch, inputs]");
    assert_eq!(
        forward(tensor![[1, 2, 3]]),
        "matmul: int64 and float32 differ; cast the int64 one, as in `x.cast(DType::F32)`"
    );
    assert_eq!(
        message(Dense::units(0).forward(&Tensor::ones([1, 3]), Mode::Training)),
        "dense: the number of units is 0; it must be at least 1"
    );
    let wrong = || Dense::new(3, 2).kernel_initializer(Initializer::Uniform { low: 1.0, high: 0.0 });
    let expected = "uniform: the range 1.0..0.0 holds no float32 number";
    assert_eq!(message(wrong().forward(&Tensor::ones([1, 3]), Mode::Training)), expected);
    assert!(wrong().weights().is_empty());
    assert!(
        message(Dense::new(usize::MAX, 2).forward(&Tensor::ones([1, 3]), Mode::Training))
            .contains("is larger than memory")
    );
    assert_eq!(
        message(model.weight("dense.weight").map(|_| ())),
        "weight: Sequential has no weight dense.weight; it has [dense.kernel, dense.bias, dense_1.kernel, dense_1.bias]"
    );
}

#[test]
fn a_lazy_layer_gets_size_and_type_from_the_first_input() {
    let layer = Dense::units(2);
    assert_eq!((layer.describe().as_str(), layer.weights().len()), ("Dense ?→2", 0));
    layer.forward(&Tensor::full_of([1, 3], 1.0, DType::F64), Mode::Inference).unwrap();
    assert_eq!(layer.describe(), "Dense 3→2");
    assert_eq!(layer.weight("kernel").unwrap().dtype(), DType::F64);
    let late = Sequential::new().add(Sequential::new().add(Dense::units(1)));
    late.forward(&Tensor::ones([1, 2]), Mode::Inference).unwrap();
    assert_eq!(late.weights()[0].name(), "sequential.dense.kernel");
}

#[test]
fn weights_are_determined_by_the_seed() {
    let draw = || {
        random::seed(11);
        let model = Sequential::new().add(Dense::new(3, 4)).add(Dense::new(4, 2));
        model.weights().iter().flat_map(|w| w.value().to_vec::<f32>().unwrap()).collect::<Vec<_>>()
    };
    let first = draw();
    assert_eq!(first, draw());
    assert_ne!(first[..3], first[16..19]);
}

#[test]
fn dropout_drops_at_its_rate_and_keeps_the_mean() {
    let n = 100_000;
    let x = Tensor::ones([n]);
    let y = Dropout::new(0.3).seed(2).forward(&x, Mode::Training).unwrap().to_vec::<f32>().unwrap();
    let dropped = y.iter().filter(|&&y| y == 0.0).count() as f64 / n as f64;
    // Within four standard errors.
    assert!((dropped - 0.3).abs() < 4.0 * (0.21 / n as f64).sqrt(), "{dropped}");
    assert!(y.iter().all(|&y| y == 0.0 || y == 1.0 / 0.7), "the others are divided by 0.7");
    assert_eq!(Dropout::new(0.3).forward(&x, Mode::Inference).unwrap().to_vec::<f32>().unwrap(), vec![1.0; n]);
    assert_eq!(Dropout::new(1.0).forward(&x, Mode::Training).unwrap().sum().item().unwrap(), 0.0);
}

#[test]
fn dropout_is_reproducible_and_restorable() {
    let x = Tensor::ones([64]);
    let draw = |layer: &Dropout| layer.forward(&x, Mode::Training).unwrap().to_vec::<f32>().unwrap();
    let pair = || {
        random::seed(4);
        let (first, second) = (Dropout::new(0.5), Dropout::new(0.5));
        (draw(&first), draw(&second), draw(&first))
    };
    let (first, second, third) = pair();
    assert_eq!(pair(), (first.clone(), second.clone(), third.clone()));
    assert!(first != second && first != third);
    let layer = Dropout::new(0.5);
    let (_, stream) = layer.named_streams().remove(0);
    assert_eq!(stream.state(), None);
    draw(&layer);
    let state = stream.state();
    let expected = draw(&layer);
    assert_ne!(draw(&layer), expected);
    stream.restore(state);
    assert_eq!(draw(&layer), expected);
}

#[test]
fn dropout_rejects_invalid_arguments() {
    let forward = |rate, x: Tensor| message(Dropout::new(rate).forward(&x, Mode::Inference));
    assert_eq!(forward(1.5, tensor![1.0]), "dropout: the rate 1.5 must lie between 0 and 1");
    assert_eq!(forward(f64::NAN, tensor![1.0]), "dropout: the rate NaN must lie between 0 and 1");
    assert_eq!(forward(0.5, tensor![1]), "dropout: int64 is not a floating type; cast the input first");
}

#[test]
fn sequential_names_layers_and_finds_them() {
    let mut model = Sequential::new().add(Dense::units(3)).add(Dense::units(3)).add_named("dense", Flatten);
    model.push_named("a.b", Activation::Relu);
    model.push(Activation::Relu);
    let names: Vec<&str> = model.layers().map(|(name, _)| name).collect();
    assert_eq!(names, ["dense", "dense_1", "dense_2", "a_b", "activation"]);
    assert_eq!(model.layer("dense_2").unwrap().kind(), "Flatten");
    assert_eq!(
        message(model.layer("conv").map(|_| ())),
        "layer: there is no layer conv; there are [dense, dense_1, dense_2, a_b, activation]"
    );
    assert_eq!((model.len(), Sequential::new().is_empty()), (5, true));
    let x = tensor![[1.0, 2.0]];
    assert_eq!(Sequential::new().forward(&x, Mode::Training).unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
    assert_eq!(
        message(Sequential::new().forward_many(&[&x, &x], Mode::Training)),
        "sequential: the model has no layers for the 2 inputs"
    );
}

/// A layer with two inputs, for the beginning of a chain.
struct Sum;

impl Layer for Sum {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        Ok(input.clone())
    }

    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        inputs[1..].iter().try_fold(inputs[0].clone(), |sum, input| sum.try_add(*input))
    }

    fn visit(&self, _visitor: &mut Visitor) {}
}

#[test]
fn several_inputs_go_to_the_first_layer() {
    let model = Sequential::new().add(Sum).add(Activation::Relu);
    let sum = model.forward_many(&[&tensor![1.0, -5.0], &tensor![2.0, 3.0]], Mode::Inference).unwrap();
    assert_eq!(sum.to_vec::<f32>().unwrap(), [3.0, 0.0]);
    assert_eq!(
        message(model.forward_many(&[&tensor![1.0], &tensor![2.0, 3.0, 4.0], &tensor![1.0, 2.0]], Mode::Inference)),
        "sum (Sum): add: [3] and [2] do not broadcast: 3 and 2 differ on axis -1, and neither is 1"
    );
}

#[test]
fn a_summary_is_a_table() {
    let model = Sequential::new()
        .add(Flatten)
        .add(Dense::units(512).activation(Activation::Relu))
        .add(Dropout::new(0.5))
        .add_named("classes", Dense::units(10).activation(Activation::Softmax));
    let expected = "\
Layer                     Output shape    Parameters
────────────────────────────────────────────────────
flatten (Flatten)         [batch, 784]             0
dense (Dense 784→512)     [batch, 512]       401,920
dropout (Dropout 0.5)     [batch, 512]             0
classes (Dense 512→10)    [batch, 10]          5,130
────────────────────────────────────────────────────
Parameters: 407,050 (1.55 MiB)
Trainable: 401,920
Not trainable: 5,130
";
    model.summary([28, 28]).unwrap();
    model.layer("classes").unwrap().set_trainable(false);
    assert_eq!(model.summary([28, 28]).unwrap().to_string(), expected);
    assert!(model.to_string().contains("classes (Dense 512→10)    ?                    5,130"));
    assert_eq!(
        message(model.summary([3])),
        "dense (Dense 784→512): matmul: [1, 3] × [784, 512]: the inner sizes 3 and 784 differ"
    );
    model.cast(DType::F64).unwrap();
    assert!(model.summary([28, 28]).unwrap().to_string().contains("(3.11 MiB)"));
}

/// A model that is not a chain: an embedding, a weight, and an inner chain.
struct Tagger {
    embedding: Embedding,
    scale: Variable,
    head: Sequential,
}

impl Tagger {
    fn new() -> Tagger {
        let head = Sequential::new().add(Dense::units(3).activation(Activation::Relu)).add(Dense::units(2));
        Tagger { embedding: Embedding::new(10, 4), scale: Variable::new(tensor![1.0, 1.0, 1.0, 1.0]), head }
    }
}

impl Layer for Tagger {
    nn::parts!(embedding, scale, head);

    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        let words = self.embedding.call("embedding", input, mode)?.try_mul(&self.scale)?;
        self.head.call("parts.0", &words, mode)
    }
}

#[test]
fn a_model_that_is_not_a_chain_has_a_summary() {
    let tokens = || InputSpec::new([7]).dtype(DType::I64);
    let model = Tagger::new();
    let expected = "\
Layer                         Output shape     Parameters
─────────────────────────────────────────────────────────
embedding (Embedding 10→4)    [batch, 7, 4]            40
parts.0 (Sequential)          [batch, 7, 2]            23
Tagger                        [batch, 7, 2]             4
─────────────────────────────────────────────────────────
Parameters: 67 (268 B)
Trainable: 67
Not trainable: 0
";
    assert_eq!(model.summary(tokens()).unwrap().to_string(), expected);
    let nested = model.summary(tokens()).unwrap().expand_nested().to_string();
    let rows = "\
parts.0 (Sequential)          [batch, 7, 2]            23
  dense (Dense 4→3)           [batch, 7, 3]            15
  dense_1 (Dense 3→2)         [batch, 7, 2]             8
";
    assert!(nested.contains(rows), "{nested}");
    let paths: Vec<String> = model.summary(tokens()).unwrap().rows.into_iter().map(|row| row.path).collect();
    assert_eq!(paths, ["embedding", "parts.0", "parts.0.dense", "parts.0.dense_1", ""]);

    // Behind a pointer, in a chain, and on its own, with a given type or the model's.
    let shared: &dyn Layer = &Tagger::new();
    assert_eq!(summary(shared, &[tokens()]).unwrap().parameters, 67);
    let row = Sequential::new().add(Tagger::new()).summary(tokens()).unwrap();
    assert_eq!((row.rows[0].path.as_str(), row.rows[0].parameters), ("tagger", 67));
    let dense = Dense::new(3, 2);
    dense.cast(DType::F64).unwrap();
    assert!(dense.summary([3]).unwrap().to_string().contains("\nDense 3→2    [batch, 2]               8\n"));
    assert_eq!(
        message(model.summary([7])),
        "summary with inputs of type float32 (set another one with `InputSpec::dtype`): embedding (Embedding \
         10→4): embedding: take: float32 is not int64 or uint8, as indices must be"
    );
    assert!(message(model.summary([usize::MAX, 2])).contains("larger than memory can address"));
    assert_eq!(message(summary(&dense, &[[3].into(), [3].into()])), "Dense 3→2: takes 1 input, not 2");
}

#[test]
fn a_summary_leaves_no_penalty() {
    let model = Sequential::new().add(ActivityRegularization::new(L1(1.0)));
    model.summary([2]).unwrap();
    assert!(model.regularization_loss().unwrap().is_none());
    model.forward(&tensor![[2.0, 3.0]], Mode::Training).unwrap();
    model.summary([2]).unwrap();
    assert_eq!(model.regularization_loss().unwrap().unwrap().item().unwrap(), 5.0);
    // It does not remove one either, also if a layer is in two places.
    let shared = std::sync::Arc::new(ActivityRegularization::new(L1(1.0)));
    let twice = Sequential::new().add(shared.clone()).add(shared);
    twice.forward(&tensor![[2.0, 3.0]], Mode::Training).unwrap();
    twice.summary([2]).unwrap();
    assert_eq!(twice.regularization_loss().unwrap().unwrap().item().unwrap(), 5.0);
}

#[test]
fn a_shared_layer_counts_once() {
    let shared = std::sync::Arc::new(Dense::new(3, 3));
    let model = Sequential::new().add(shared.clone()).add(Activation::Tanh).add(shared);
    assert_eq!(model.parameter_count(), 12);
    let names: Vec<String> = model.named_weights().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["dense.kernel", "dense.bias"]);
    assert_eq!(model.weights()[0].name(), "dense.kernel");
}

/// The forward pass on zeros is not part of the model's work.
#[test]
fn a_summary_is_not_in_the_profile() {
    struct Block(Dense);
    impl Layer for Block {
        fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
            self.0.call("inner", input, mode)
        }
    }
    let model = Sequential::new().add(Block(Dense::new(3, 3))).add(Sequential::new().add(Dense::new(3, 2)));
    let profiler = tensor::profile::Profiler::start();
    model.summary([3]).unwrap();
    model.forward(&Tensor::ones([2, 3]), Mode::Inference).unwrap();
    let profile = profiler.stop();
    let mut paths: Vec<(&str, u64)> = profile.scopes().iter().map(|row| (row.path.as_str(), row.calls)).collect();
    // Other tests of this file run at the same time on other threads.
    paths.retain(|(path, _)| ["block", "block.inner", "inner", "sequential", "sequential.dense"].contains(path));
    paths.sort_unstable();
    assert_eq!(paths, [("block", 1), ("block.inner", 1), ("sequential", 1), ("sequential.dense", 1)]);
}

#[test]
fn weights_are_set_and_frozen_by_name() -> Result<()> {
    let model = Sequential::new().add_named("encoder", Dense::new(2, 2)).add_named("head", Dense::new(2, 1));
    for (path, weight) in model.named_weights() {
        if path.starts_with("encoder.") {
            weight.set_trainable(false);
        }
    }
    model.weight("encoder.kernel")?.assign(tensor![[1.0, 0.0], [0.0, 1.0]])?;
    assert_eq!(
        model.trainable_weights().iter().map(|weight| weight.name()).collect::<Vec<_>>(),
        ["head.kernel", "head.bias"]
    );
    model.layer("encoder")?.set_trainable(true);
    assert_eq!(model.trainable_weights().len(), 4);
    Ok(())
}

/// Fields with weights, streams, several layers or none.
#[test]
fn parts_shows_fields_under_their_names() {
    struct Net {
        scale: nn::Variable,
        blocks: Vec<Dense>,
        head: Option<Dense>,
        tail: Option<Dense>,
        noise: nn::RandomStream,
        penalty: nn::Penalty,
    }
    impl Layer for Net {
        nn::parts!(scale, blocks, head, tail, noise, penalty);

        fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
            self.penalty.set(Tensor::scalar(2.0));
            input.try_mul(&self.scale)
        }
    }
    let net = Net {
        scale: nn::Variable::new(tensor![3.0]),
        blocks: vec![Dense::new(1, 1).without_bias(), Dense::new(1, 1)],
        head: Some(Dense::new(1, 2).without_bias()),
        tail: None,
        noise: nn::RandomStream::new("noise"),
        penalty: nn::Penalty::default(),
    };
    let names: Vec<String> = net.named_weights().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["scale", "blocks.0.kernel", "blocks.1.kernel", "blocks.1.bias", "head.kernel"]);
    assert_eq!(net.named_streams()[0].0, "noise");
    net.forward(&tensor![1.0], Mode::Training).unwrap();
    assert_eq!(net.regularization_loss().unwrap().unwrap().item().unwrap(), 2.0);
}

#[test]
fn a_summary_counts_shared_layers_once() {
    use nn::parts;

    struct Siamese {
        encoder: Sequential,
        head: std::sync::Arc<Dense>,
    }
    impl Layer for Siamese {
        parts!(encoder, head);

        fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
            let left = self.encoder.call("left", input, mode)?;
            let right = self.encoder.call("right", &input.try_neg()?, mode)?;
            self.head.call("head", &left.try_add(right)?, mode)
        }
    }
    let head = std::sync::Arc::new(Dense::new(3, 3));
    let encoder = Sequential::new().add(Dense::new(2, 3)).add(head.clone());
    let summary = Siamese { encoder, head }.summary([2]).unwrap();
    // 2 · 3 + 3 = 9 and 3 · 3 + 3 = 12; the layer of the head is a part of the encoder.
    let expected = "
Layer                    Output shape    Parameters
───────────────────────────────────────────────────
left (Sequential)        [batch, 3]              21
  dense (Dense 2→3)      [batch, 3]               9
  dense_1 (Dense 3→3)    [batch, 3]              12
right (Sequential)       [batch, 3]      0 (shared)
  dense (Dense 2→3)      [batch, 3]      0 (shared)
  dense_1 (Dense 3→3)    [batch, 3]      0 (shared)
head (Dense 3→3)         [batch, 3]      0 (shared)
───────────────────────────────────────────────────
Parameters: 21 (84 B)
Trainable: 21
Not trainable: 0
";
    assert_eq!(format!("\n{}", summary.clone().expand_nested()), expected);
    let rows: Vec<(usize, bool)> = summary.rows.iter().map(|row| (row.parameters, row.shared)).collect();
    assert_eq!(rows[..4], [(21, false), (9, false), (12, false), (0, true)]);

    // A sequence prints the same counts without shapes.
    let tied = std::sync::Arc::new(Dense::new(2, 2));
    let text = Sequential::new().add(tied.clone()).add(tied).to_string();
    assert!(text.contains("dense (Dense 2→2)      ?                        6\n"), "{text}");
    assert!(text.contains("dense_1 (Dense 2→2)    ?               0 (shared)\n"), "{text}");
}
