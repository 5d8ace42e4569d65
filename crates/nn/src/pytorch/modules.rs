//! The modules of PyTorch that correspond to the layers of a model.

use std::collections::HashMap;

use tensor::{Error, Result, Shape, Tensor};

use crate::layer::{Layer, Part, Visitor};

/// The names of inner layers in PyTorch: the kind of the outer layer, the name here, and the name there.
const INNER_NAMES: [(&str, &str, &str); 14] = [
    ("Bidirectional", "forward", ""),
    ("Bidirectional", "backward", ""),
    ("TransformerEncoder", "attention", "self_attn"),
    ("TransformerEncoder", "attention_norm", "norm1"),
    ("TransformerEncoder", "feedforward.hidden", "linear1"),
    ("TransformerEncoder", "feedforward.output", "linear2"),
    ("TransformerEncoder", "feedforward_norm", "norm2"),
    ("TransformerDecoder", "attention", "self_attn"),
    ("TransformerDecoder", "attention_norm", "norm1"),
    ("TransformerDecoder", "cross_attention", "multihead_attn"),
    ("TransformerDecoder", "cross_attention_norm", "norm2"),
    ("TransformerDecoder", "feedforward.hidden", "linear1"),
    ("TransformerDecoder", "feedforward.output", "linear2"),
    ("TransformerDecoder", "feedforward_norm", "norm3"),
];

/// What the user has stated about some layers, by their paths here.
#[derive(Clone, Debug, Default)]
pub(super) struct Statements {
    /// The names of modules.
    pub(super) names: HashMap<String, String>,
    /// The index of a layer in the stack of layers of a recurrent module.
    pub(super) levels: HashMap<String, usize>,
    /// Channels, height and width of the images that are flattened before a dense layer.
    pub(super) flattened: HashMap<String, [usize; 3]>,
}

/// A layer and its names in both libraries.
#[derive(Debug)]
pub(super) struct Module {
    /// The path here; empty for the model itself.
    pub(super) path: String,
    /// The path in PyTorch.
    theirs: String,
    pub(super) kind: &'static str,
    /// The index in the stack of layers of a recurrent module.
    pub(super) level: usize,
    /// Whether it is the backward direction of a bidirectional layer.
    pub(super) backward: bool,
    /// Channels, height and width of the images that are flattened before it.
    pub(super) flattened: Option<[usize; 3]>,
    /// The names, relative to the layer, and shapes of its weights, without those of inner layers.
    pub(super) weights: Vec<(String, Shape)>,
}

/// All layers; inner layers follow the layer that contains them.
pub(super) fn modules(model: &dyn Layer, statements: &Statements) -> Vec<Module> {
    let mut modules = vec![Module::new(String::new(), model.kind(), &[], statements)];
    model.visit(&mut Visitor::new(&mut |path, part| match part {
        Part::Layer(layer) => modules.push(Module::new(path.to_string(), layer.kind(), &modules, statements)),
        Part::Weight(weight) | Part::State(weight) => {
            // The last layer that contains the weight is the innermost one.
            let owner = modules.iter_mut().rev().find_map(|module| {
                let name = module.local(path)?.to_string();
                Some((module, name))
            });
            if let Some((module, name)) = owner {
                module.weights.push((name, weight.shape()));
            }
        }
        Part::Stream(_) | Part::Spec(..) | Part::Penalty(_) => {}
    }));
    modules
}

impl Module {
    fn new(path: String, kind: &'static str, before: &[Module], statements: &Statements) -> Module {
        let around = || before.iter().rev().filter_map(|module| Some((module, module.local(&path)?)));
        let part = around().find_map(|(module, local)| {
            let named = INNER_NAMES.iter().find(|(kind, part, _)| (*kind, *part) == (module.kind, local))?;
            Some(join(&module.theirs, named.2))
        });
        let theirs = statements.names.get(&path).cloned().or(part);
        let theirs =
            theirs.or_else(|| around().next().map(|(module, local)| join(&module.theirs, local))).unwrap_or_default();
        let (parent, local) = around().next().map_or((None, ""), |(module, local)| (Some(module), local));
        let directed = parent.filter(|parent| parent.kind == "Bidirectional");
        // The level of a bidirectional layer applies to both directions.
        let level = statements.levels.get(&path).copied().or(directed.map(|parent| parent.level)).unwrap_or(0);
        let backward = directed.is_some() && local == "backward";
        let flattened = statements.flattened.get(&path).copied();
        Module { theirs, kind, level, backward, flattened, weights: Vec::new(), path }
    }

    /// The path relative to this layer, if the layer contains it.
    fn local<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.path.is_empty() { Some(path) } else { path.strip_prefix(&self.path)?.strip_prefix('.') }
    }

    pub(super) fn our_path(&self, name: &str) -> String {
        join(&self.path, name)
    }

    pub(super) fn their_name(&self, name: &str) -> String {
        join(&self.theirs, name)
    }

    pub(super) fn describe(&self) -> String {
        // The path of the model itself is empty.
        let theirs = if self.theirs.is_empty() { "the whole model" } else { &self.theirs };
        if self.path.is_empty() {
            format!("{} (in PyTorch {theirs})", self.kind)
        } else {
            format!("{} ({}, in PyTorch {theirs})", self.path, self.kind)
        }
    }

    /// The shape of one of its own weights.
    pub(super) fn shape(&self, name: &str) -> Option<&Shape> {
        self.weights.iter().find(|(known, _)| known == name).map(|(_, shape)| shape)
    }
}

/// `count` pieces of equal size along the first axis of a tensor of PyTorch.
///
/// # Errors
/// Returns an error if the axis cannot be divided.
pub(super) fn equal_parts(tensor: &Tensor, count: usize) -> Result<Vec<Tensor>> {
    match tensor.shape().first() {
        Some(&size) if size > 0 && size.is_multiple_of(count) => tensor.chunk(count, 0),
        _ => Err(Error::shape(
            "pytorch",
            tensor.shape(),
            format!("the first axis must hold {count} parts of equal size"),
        )),
    }
}

fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_string(),
        (path, "") => path.to_string(),
        (path, name) => format!("{path}.{name}"),
    }
}
