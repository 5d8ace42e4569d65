//! The layers, their states and their gradients. PyTorch's weights are converted to the layout here.

use std::sync::Arc;

use autograd::GradientTape;
use nn::layers::*;
use nn::{Activation, Layer, Mode, Variable};
use serde_json::Value;
use tensor::ops::Padding;
use tensor::{DType, Result, Tensor};

use crate::cases::{assert_close, cases, tensor};

/// One of their weights as a weight here, a part of one, or a summand of one. Transforms only move elements, so
/// they convert gradients too.
struct Link {
    theirs: String,
    ours: String,
    /// The row of the weight here; `None` for the whole weight.
    row: Option<isize>,
    transform: Transform,
}

type Transform = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

fn link(theirs: &str, ours: &str, transform: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Link {
    Link { theirs: theirs.into(), ours: ours.into(), row: None, transform: Box::new(transform) }
}

fn same(theirs: &str, ours: &str) -> Link {
    link(theirs, ours, |x| Ok(x.clone()))
}

fn transposed(theirs: &str, ours: &str) -> Link {
    link(theirs, ours, Tensor::t)
}

/// Inputs by name to outputs by name.
type Run = Box<dyn Fn(&dyn Fn(&str) -> Tensor) -> Result<Vec<(&'static str, Tensor)>>>;

/// A layer, its computation for a case, and the origin of its weights.
struct Setup {
    layer: Arc<dyn Layer>,
    run: Run,
    links: Vec<Link>,
}

/// With one input and one output.
fn plain(layer: impl Layer + 'static, links: Vec<Link>) -> Setup {
    let layer: Arc<dyn Layer> = Arc::new(layer);
    let run = layer.clone();
    Setup { layer, run: Box::new(move |input| Ok(vec![("y", run.forward(&input("x"), Mode::Inference)?)])), links }
}

struct Case<'a>(&'a Value);

impl Case<'_> {
    fn size(&self, key: &str) -> usize {
        self.0["attrs"][key].as_u64().unwrap() as usize
    }

    fn number(&self, key: &str) -> f64 {
        self.0["attrs"][key].as_f64().unwrap()
    }

    fn is(&self, key: &str) -> bool {
        self.0["attrs"][key] == true
    }

    fn is_torch(&self) -> bool {
        self.0["framework"] == "torch"
    }

    fn activation(&self) -> Activation {
        match self.0["attrs"]["activation"].as_str() {
            None => Activation::Linear,
            Some("relu") => Activation::Relu,
            Some("softmax") => Activation::Softmax,
            Some("gelu") => Activation::Gelu,
            Some(other) => panic!("an unknown activation {other}"),
        }
    }

    /// The first links for PyTorch, the second for Keras.
    fn either(&self, torch: Vec<Link>, keras: Vec<Link>) -> Vec<Link> {
        if self.is_torch() { torch } else { keras }
    }

    fn setup(&self) -> Setup {
        match self.0["layer"].as_str().unwrap() {
            "dense" => plain(
                Dense::new(self.size("in"), self.size("out")).activation(self.activation()),
                self.either(
                    vec![transposed("weight", "kernel"), same("bias", "bias")],
                    vec![same("kernel", "kernel"), same("bias", "bias")],
                ),
            ),
            "embedding" => plain(
                Embedding::new(self.size("vocabulary"), self.size("width")),
                self.either(vec![same("weight", "embeddings")], vec![same("embeddings", "embeddings")]),
            ),
            "layer_norm" => plain(LayerNorm::new(4).epsilon(self.number("eps")), self.affine()),
            "conv2d" => self.conv2d(),
            "batch_norm" => self.batch_norm(),
            "rnn" => self.recurrent(SimpleRnn::new, |x| Ok(x.clone())),
            "lstm" if self.is("bidirectional") => self.bidirectional(),
            "lstm" if self.0["attrs"]["layers"] == 2 => self.two_layers(),
            "lstm" => self.recurrent(Lstm::new, |x| Ok(x.clone())),
            "gru" => self.gru(),
            "multi_head_attention" => self.attention(),
            "encoder_block" => self.encoder_block(),
            other => panic!("an unknown layer {other}"),
        }
    }

    fn affine(&self) -> Vec<Link> {
        self.either(
            vec![same("weight", "gamma"), same("bias", "beta")],
            vec![same("gamma", "gamma"), same("beta", "beta")],
        )
    }

    /// PyTorch's images have channels first, and its kernels are `[outputs, inputs, height, width]`.
    fn conv2d(&self) -> Setup {
        let pair = |key: &str| [0, 1].map(|k| self.0["attrs"][key][k].as_u64().unwrap() as usize);
        let padding = match self.0["attrs"]["padding"].as_str().unwrap() {
            "valid" => Padding::Valid,
            "same" => Padding::Same,
            other => panic!("an unknown padding {other}"),
        };
        let layer = Conv2d::new(self.size("in"), self.size("out"), pair("kernel"));
        let layer = Arc::new(layer.stride(pair("stride")).padding(padding));
        let (run, torch) = (layer.clone(), self.is_torch());
        let run = move |input: &dyn Fn(&str) -> Tensor| {
            let x = if torch { input("x").channels_last()? } else { input("x") };
            let y = run.forward(&x, Mode::Inference)?;
            Ok(vec![("y", if torch { y.channels_first()? } else { y })])
        };
        let links = self.either(
            vec![link("weight", "kernel", |x| x.permute([2, 3, 1, 0])), same("bias", "bias")],
            vec![same("kernel", "kernel"), same("bias", "bias")],
        );
        Setup { layer, run: Box::new(run), links }
    }

    /// Training steps first, then inference.
    fn batch_norm(&self) -> Setup {
        let channels = self.0["params"].as_object().unwrap().values().next().unwrap()["shape"][0].as_u64().unwrap();
        let layer = BatchNorm::new(channels as usize).epsilon(self.number("eps"));
        let layer = layer.axis(self.size("channel_axis") as isize);
        let layer = match self.is_torch() {
            true => layer.momentum(1.0 - self.number("momentum")).unbiased_variance(),
            false => layer.momentum(self.number("momentum")),
        };
        plain(layer, self.affine())
    }

    fn recurrent<C: RecurrentCell>(
        &self,
        new: fn(usize, usize) -> Recurrent<C>,
        gates: fn(&Tensor) -> Result<Tensor>,
    ) -> Setup {
        let layer = Arc::new(new(self.size("in"), self.size("hidden")).return_sequences());
        let (run, torch, initial) = (layer.clone(), self.is_torch(), self.is("initial"));
        let links = self.either(torch_links("_l0", "", gates), keras_links("", ""));
        let run = move |input: &dyn Fn(&str) -> Tensor| {
            let mut states: Vec<Tensor> =
                ["h0", "c0"][..C::STATES * usize::from(initial)].iter().map(|n| input(n)).collect();
            if torch {
                states = states.iter().map(|state| state.at(0, 0)).collect::<Result<_>>()?;
            }
            let (y, states) = run.run(&input("x"), &states.iter().collect::<Vec<_>>(), None, Mode::Inference)?;
            let named = ["h", "c"].into_iter().zip(states);
            let named = named.map(|(name, state)| Ok((name, if torch { state.expand_dims(0)? } else { state })));
            [Ok(("y", y))].into_iter().chain(named).collect()
        };
        Setup { layer, run: Box::new(run), links }
    }

    fn gru(&self) -> Setup {
        // PyTorch's r, z, n as z, r, n.
        let mut setup = self.recurrent(Gru::new, |x| {
            let gates = x.chunk(3, -1)?;
            Tensor::concat(&[&gates[1], &gates[0], &gates[2]], -1)
        });
        for link in &mut setup.links {
            // They are two rows of one weight here.
            link.row =
                ["bias_ih_l0", "bias_hh_l0"].iter().position(|name| *name == link.theirs).map(|row| row as isize);
        }
        setup
    }

    fn bidirectional(&self) -> Setup {
        let layer = Arc::new(Bidirectional::new(Lstm::new(self.size("in"), self.size("hidden")).return_sequences()));
        let (run, torch) = (layer.clone(), self.is_torch());
        let mut links =
            self.either(torch_links("_l0", "forward.", |x| Ok(x.clone())), keras_links("forward/", "forward."));
        links.extend(
            self.either(
                torch_links("_l0_reverse", "backward.", |x| Ok(x.clone())),
                keras_links("backward/", "backward."),
            ),
        );
        let run = move |input: &dyn Fn(&str) -> Tensor| {
            let (y, states) = run.run(&input("x"), &[], None, Mode::Inference)?;
            let both = |k: usize| Tensor::stack(&[&states[k], &states[k + 2]], 0);
            if torch {
                return Ok(vec![("y", y), ("h", both(0)?), ("c", both(1)?)]);
            }
            let names = ["forward/h", "forward/c", "backward/h", "backward/c"];
            Ok([("y", y)].into_iter().chain(names.into_iter().zip(states)).collect())
        };
        Setup { layer, run: Box::new(run), links }
    }

    fn two_layers(&self) -> Setup {
        let first = Arc::new(Lstm::new(self.size("in"), self.size("hidden")).return_sequences());
        let second = Arc::new(Lstm::new(self.size("hidden"), self.size("hidden")).return_sequences());
        let mut links = torch_links("_l0", "lstm.", |x| Ok(x.clone()));
        links.extend(torch_links("_l1", "lstm_1.", |x| Ok(x.clone())));
        let layer = Arc::new(Sequential::new().add(first.clone()).add(second.clone()));
        let run = move |input: &dyn Fn(&str) -> Tensor| {
            let (y, lower) = first.run(&input("x"), &[], None, Mode::Inference)?;
            let (y, upper) = second.run(&y, &[], None, Mode::Inference)?;
            let both = |k: usize| Tensor::stack(&[&lower[k], &upper[k]], 0);
            Ok(vec![("y", y), ("h", both(0)?), ("c", both(1)?)])
        };
        Setup { layer, run: Box::new(run), links }
    }

    fn attention(&self) -> Setup {
        let (width, heads) = (self.size("width"), self.size("heads"));
        let mut layer = MultiHeadAttention::new(width, heads);
        if self.is("causal") {
            layer = layer.causal();
        }
        let layer = Arc::new(layer);
        let links = self.either(torch_attention("", "", width, heads), keras_attention());
        let (run, cross) = (layer.clone(), !self.0["attrs"]["source"].is_null());
        let run = move |input: &dyn Fn(&str) -> Tensor| {
            let (x, source) = (input("x"), cross.then(|| input("source")));
            let inputs: Vec<&Tensor> = [&x].into_iter().chain(&source).collect();
            Ok(vec![("y", run.forward_many(&inputs, Mode::Inference)?)])
        };
        Setup { layer, run: Box::new(run), links }
    }

    fn encoder_block(&self) -> Setup {
        let (width, heads) = (self.size("width"), self.size("heads"));
        let mut layer = TransformerEncoder::new(width, heads, self.size("inner"))
            .activation(self.activation())
            .epsilon(self.number("eps"))
            .norm_first();
        if self.is("causal") {
            layer = layer.causal();
        }
        let mut links = torch_attention("self_attn.", "attention.", width, heads);
        for (theirs, ours) in [("linear1", "feedforward.hidden"), ("linear2", "feedforward.output")] {
            links.push(transposed(&format!("{theirs}.weight"), &format!("{ours}.kernel")));
            links.push(same(&format!("{theirs}.bias"), &format!("{ours}.bias")));
        }
        for (theirs, ours) in [("norm1", "attention_norm"), ("norm2", "feedforward_norm")] {
            links.push(same(&format!("{theirs}.weight"), &format!("{ours}.gamma")));
            links.push(same(&format!("{theirs}.bias"), &format!("{ours}.beta")));
        }
        plain(layer, links)
    }
}

/// Transposed kernels with gates in the order here, and the sum of the two biases.
fn torch_links(suffix: &str, prefix: &str, gates: fn(&Tensor) -> Result<Tensor>) -> Vec<Link> {
    let kernel = move |x: &Tensor| gates(&x.t()?);
    vec![
        link(&format!("weight_ih{suffix}"), &format!("{prefix}kernel"), kernel),
        link(&format!("weight_hh{suffix}"), &format!("{prefix}recurrent_kernel"), kernel),
        link(&format!("bias_ih{suffix}"), &format!("{prefix}bias"), gates),
        link(&format!("bias_hh{suffix}"), &format!("{prefix}bias"), gates),
    ]
}

fn keras_links(theirs: &str, ours: &str) -> Vec<Link> {
    ["kernel", "recurrent_kernel", "bias"].map(|name| same(&format!("{theirs}{name}"), &format!("{ours}{name}"))).into()
}

fn torch_attention(theirs: &str, ours: &str, width: usize, heads: usize) -> Vec<Link> {
    let size = width / heads;
    let mut links = Vec::new();
    for (k, name) in ["query", "key", "value"].into_iter().enumerate() {
        let rows = k * width..(k + 1) * width;
        let part = rows.clone();
        links.push(link(&format!("{theirs}in_proj_weight"), &format!("{ours}{name}.kernel"), move |x| {
            x.slice(part.clone())?.t()?.reshape([width, heads, size])
        }));
        links.push(link(&format!("{theirs}in_proj_bias"), &format!("{ours}{name}.bias"), move |x| {
            x.slice(rows.clone())?.reshape([heads, size])
        }));
    }
    links.push(link(&format!("{theirs}out_proj.weight"), &format!("{ours}output.kernel"), move |x| {
        x.t()?.reshape([heads, size, width])
    }));
    links.push(same(&format!("{theirs}out_proj.bias"), &format!("{ours}output.bias")));
    links
}

fn keras_attention() -> Vec<Link> {
    let parts = [("query", "query"), ("key", "key"), ("value", "value"), ("attention_output", "output")];
    let both = parts.into_iter().flat_map(|part| [(part, "kernel"), (part, "bias")]);
    both.map(|((theirs, ours), name)| same(&format!("{theirs}/{name}"), &format!("{ours}.{name}"))).collect()
}

fn assign(setup: &Setup, params: &Value) {
    let layer = &setup.layer;
    layer.cast(DType::F64).unwrap();
    for (name, weight) in layer.named_weights() {
        let parts: Vec<Tensor> = setup
            .links
            .iter()
            .filter(|link| link.ours == name)
            .map(|link| (link.transform)(&tensor(&params[&link.theirs])).unwrap())
            .collect();
        let value = match &parts[..] {
            [] => continue,
            [part] => part.clone(),
            [first, second] if first.shape() == &weight.shape() => first + second,
            _ => Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0).unwrap(),
        };
        weight.assign(value).unwrap();
    }
}

/// Batches in training, with the running statistics after each.
fn check_steps(setup: &Setup, steps: &Value, name: &str) {
    for (k, step) in steps.as_array().unwrap().iter().enumerate() {
        let what = format!("{name}, step {k}");
        let y = setup.layer.forward(&tensor(&step["x"]), Mode::Training).unwrap();
        assert_close(&y, &tensor(&step["y"]), &what);
        for (key, state) in [("running_mean", "moving_mean"), ("running_var", "moving_variance")] {
            assert_close(&setup.layer.weight(state).unwrap().value(), &tensor(&step[key]), &what);
        }
    }
}

#[test]
fn layers_agree_with_pytorch_and_keras() {
    let mut checked = 0;
    for case in &cases(include_str!("layers.json")) {
        let name = case["name"].as_str().unwrap();
        let setup = Case(case).setup();
        assign(&setup, &case["params"]);
        if !case["steps"].is_null() {
            check_steps(&setup, &case["steps"], name);
        }

        let inputs: Vec<(&String, Tensor)> =
            case["inputs"].as_object().unwrap().iter().map(|(name, value)| (name, tensor(value))).collect();
        let tape = GradientTape::persistent();
        inputs.iter().filter(|(_, input)| input.dtype().is_float()).for_each(|(_, input)| tape.watch(input));
        let find = |wanted: &str| inputs.iter().find(|(name, _)| *name == wanted).expect("an input").1.clone();
        let outputs = (setup.run)(&find).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut loss = Tensor::full_of([], 0.0, DType::F64);
        for (output, value) in &outputs {
            assert_close(value, &tensor(&case["outputs"][output]), &format!("{name}, {output}"));
            loss = loss + (value * tensor(&case["cotangents"][output])).sum();
        }
        assert_eq!(outputs.len(), case["outputs"].as_object().unwrap().len(), "{name}");

        for (input, expected) in case["grads"]["inputs"].as_object().unwrap() {
            let gradient = tape.gradient(&loss, &find(input)).unwrap();
            assert_close(&gradient, &tensor(expected), &format!("{name}, gradient of {input}"));
        }
        let expected = case["grads"]["params"].as_object().unwrap();
        assert!(expected.keys().all(|key| setup.links.iter().any(|link| link.theirs == *key)), "{name}");
        for link in &setup.links {
            let weight: Variable = setup.layer.weight(&link.ours).unwrap();
            let mut gradient = tape.gradient(&loss, &weight).unwrap();
            if let Some(row) = link.row {
                gradient = gradient.at(row, 0).unwrap();
            }
            let expected = (link.transform)(&tensor(&expected[&link.theirs])).unwrap();
            assert_close(&gradient, &expected, &format!("{name}, gradient of {}", link.theirs));
        }
        checked += 1;
    }
    assert_eq!(checked, 43);
}
