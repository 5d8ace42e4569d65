//! The layers of a model and the modules of PyTorch that they are.

use tensor::{Result, Shape, Tensor};

use super::{PyTorch, attention, plain, recurrent};
use crate::layer::{Layer, Part, Visitor};

/// How parts of blocks are called in PyTorch: the kind of the block, the part here and there.
const PARTS: [(&str, &str, &str); 14] = [
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

/// A layer with what it is called on both sides.
#[derive(Debug)]
pub(super) struct Module {
    /// Its path here; empty for the model itself.
    pub(super) path: String,
    /// Its path in PyTorch.
    theirs: String,
    pub(super) kind: &'static str,
    /// Which of the stacked layers of a recurrent module it is.
    pub(super) level: usize,
    /// Whether it is the backward direction of a bidirectional layer.
    pub(super) backward: bool,
    /// Channels, height and width that were flattened in front of it.
    pub(super) flattened: Option<[usize; 3]>,
    /// Its own weights: names within it and shapes.
    pub(super) weights: Vec<(String, Shape)>,
}

/// All layers, those inside others after them.
pub(super) fn modules(model: &dyn Layer, twin: &PyTorch) -> Vec<Module> {
    let mut modules = vec![Module::new(String::new(), model.kind(), &[], twin)];
    model.visit(&mut Visitor::new(&mut |path, part| match part {
        Part::Layer(layer) => modules.push(Module::new(path.to_string(), layer.kind(), &modules, twin)),
        Part::Weight(weight) | Part::State(weight) => {
            // The last layer around it is the innermost.
            let owner = modules.iter_mut().rev().find_map(|module| {
                let name = module.local(path)?.to_string();
                Some((module, name))
            });
            if let Some((module, name)) = owner {
                module.weights.push((name, weight.shape()));
            }
        }
        Part::Stream(_) | Part::Rules(..) | Part::Penalty(_) => {}
    }));
    modules
}

impl Module {
    fn new(path: String, kind: &'static str, before: &[Module], twin: &PyTorch) -> Module {
        let around = || before.iter().rev().filter_map(|module| Some((module, module.local(&path)?)));
        let part = around().find_map(|(module, local)| {
            let named = PARTS.iter().find(|(kind, part, _)| (*kind, *part) == (module.kind, local))?;
            Some(join(&module.theirs, named.2))
        });
        let theirs = twin.names.get(&path).cloned().or(part);
        let theirs =
            theirs.or_else(|| around().next().map(|(module, local)| join(&module.theirs, local))).unwrap_or_default();
        let (parent, local) = around().next().map_or((None, ""), |(module, local)| (Some(module), local));
        let directed = parent.filter(|parent| parent.kind == "Bidirectional");
        // What is said of a bidirectional layer holds for both directions.
        let level = twin.levels.get(&path).copied().or(directed.map(|parent| parent.level)).unwrap_or(0);
        let backward = directed.is_some() && local == "backward";
        let flattened = twin.flattened.get(&path).copied();
        Module { theirs, kind, level, backward, flattened, weights: Vec::new(), path }
    }

    /// The rest of a path within this layer.
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
        // Either may be the model itself, which has no path.
        let theirs = if self.theirs.is_empty() { "the whole" } else { &self.theirs };
        if self.path.is_empty() {
            format!("{} (in PyTorch {theirs})", self.kind)
        } else {
            format!("{} ({}, in PyTorch {theirs})", self.path, self.kind)
        }
    }

    /// The shape of a weight of its own.
    pub(super) fn shape(&self, name: &str) -> Option<&Shape> {
        self.weights.iter().find(|(known, _)| known == name).map(|(_, shape)| shape)
    }

    /// Its weights from PyTorch's, which `take` gives by name; those that are not there are left out.
    pub(super) fn import(&self, take: &mut dyn FnMut(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
        match self.kind {
            "SimpleRnn" | "Lstm" | "Gru" => recurrent::import(self, take),
            "MultiHeadAttention" => attention::import(self, take),
            _ => plain::import(self, take),
        }
    }

    /// PyTorch's tensors from its weights, which `weight` gives by name.
    pub(super) fn export(&self, weight: &dyn Fn(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
        match self.kind {
            "SimpleRnn" | "Lstm" | "Gru" => recurrent::export(self, weight),
            "MultiHeadAttention" => attention::export(self, weight),
            _ => plain::export(self, weight),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_string(),
        (path, "") => path.to_string(),
        (path, name) => format!("{path}.{name}"),
    }
}
