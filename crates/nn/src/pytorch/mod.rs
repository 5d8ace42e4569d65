//! Weights under PyTorch's names and in its layouts.

mod attention;
mod modules;
mod plain;
mod recurrent;

use std::collections::HashMap;

use tensor::{Error, Result, Tensor, no_record};

use self::modules::{Module, Statements, modules};
use crate::layer::Layer;
use crate::state::{State, state};

/// Converts weights between a model and the corresponding PyTorch model.
///
/// The kind of a layer determines the conversion:
///
/// | here | PyTorch | what is converted |
/// |---|---|---|
/// | `Dense` | `Linear` | `weight` is transposed |
/// | `Conv1d`, `Conv2d` | `Conv1d`, `Conv2d` | the axes of `weight` |
/// | `ConvTranspose1d`, `ConvTranspose2d` | the same | the axes of `weight` |
/// | `DepthwiseConv1d`, `DepthwiseConv2d` | `Conv1d`, `Conv2d` with `groups=in_channels` | axes and shape of `weight` |
/// | `SeparableConv1d`, `SeparableConv2d` | two of these, named `depthwise` (without bias) and `pointwise` | the same |
/// | `Embedding`, `PositionEmbedding` | `Embedding` | |
/// | `LayerNorm`, `GroupNorm`, `RmsNorm` | the same | |
/// | `InstanceNorm` | `InstanceNorm1d`, `2d` | |
/// | `BatchNorm` | `BatchNorm1d`, `2d` | `num_batches_tracked` has no counterpart |
/// | `PRelu` | `PReLU` | one slope a channel; its shape |
/// | `SimpleRnn`, `Lstm` | `RNN`, `LSTM` | transposed; the two biases are added |
/// | `Gru` | `GRU` | transposed; gates r, z, n become z, r, h. Not for `Gru::reset_before`, which PyTorch does not support |
/// | `Bidirectional` | `bidirectional=True` | |
/// | `MultiHeadAttention` | `MultiheadAttention` | packed projections are separated and divided into heads |
/// | `TransformerEncoder`, `TransformerDecoder` | `TransformerEncoderLayer`, `TransformerDecoderLayer` | names of inner layers |
///
/// Weights of other kinds of layers keep their names and layouts. Modules are found under the path of the layer, or the
/// name given to [`PyTorch::module`]. Epsilons, momenta and activations are not part of a `state_dict`; `docs/layers.md`
/// lists the defaults that differ.
///
/// ```
/// use nn::{Activation, Dense, PyTorch, Sequential, load};
/// use tensor::{Tensor, tensor};
///
/// let model = Sequential::new().add_named("fc", Dense::new(3, 2));
/// // Like `torch.nn.Sequential(torch.nn.Linear(3, 2)).state_dict()`.
/// let weight = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
/// let state_dict = vec![("0.weight".to_string(), weight), ("0.bias".to_string(), tensor![0.5, 0.0])];
///
/// let twin = PyTorch::new().module("fc", "0");
/// load(&model, twin.import(&model, state_dict)?)?;
/// assert_eq!(model.layer("fc")?.weight("kernel")?.value().to_vec::<f32>()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
/// assert_eq!(twin.export(&model)?[0].0, "0.weight");
/// # use nn::Layer;
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PyTorch {
    statements: Statements,
}

impl PyTorch {
    /// A PyTorch model whose modules have the names of the layers here.
    pub fn new() -> PyTorch {
        PyTorch::default()
    }

    /// States that the layer with the path `ours` is the module `theirs`. Inner layers are searched for inside it.
    #[must_use]
    pub fn module(mut self, ours: &str, theirs: &str) -> PyTorch {
        self.statements.names.insert(ours.into(), theirs.into());
        self
    }

    /// States that a recurrent layer is the layer with index `level`, starting at 0, of the module `theirs`, which has
    /// several (`num_layers`).
    #[must_use]
    pub fn stacked(mut self, ours: &str, theirs: &str, level: usize) -> PyTorch {
        self.statements.levels.insert(ours.into(), level);
        self.module(ours, theirs)
    }

    /// States that flattened images of this size are the input of a dense layer. PyTorch flattens channel by channel,
    /// this library pixel by pixel, so the rows of the kernel are reordered.
    #[must_use]
    pub fn flattened(mut self, ours: &str, channels: usize, height: usize, width: usize) -> PyTorch {
        self.statements.flattened.insert(ours.into(), [channels, height, width]);
        self
    }

    /// Converts the tensors of a `state_dict` to weights of a model, under its paths. Tensors that belong to no layer keep
    /// their names, so that loading reports them.
    ///
    /// # Errors
    /// Returns an error if a tensor does not have the shape of its layer's counterpart, or a layer has no counterpart.
    pub fn import(&self, model: &dyn Layer, state_dict: State) -> Result<State> {
        let places: HashMap<String, usize> =
            state_dict.iter().enumerate().map(|(k, (name, _))| (name.clone(), k)).collect();
        let mut left: Vec<Option<(String, Tensor)>> = state_dict.into_iter().map(Some).collect();
        let mut ours = State::new();
        for module in self.modules(model)? {
            let mut take = |name: &str| left[*places.get(&module.their_name(name))?].take().map(|(_, tensor)| tensor);
            let imported =
                no_record(|| import(&module, &mut take)).map_err(|error| error.context(module.describe()))?;
            ours.extend(imported.into_iter().map(|(name, tensor)| (module.our_path(&name), contiguous(tensor))));
        }
        ours.extend(left.into_iter().flatten());
        Ok(ours)
    }

    /// Converts the weights of a model to PyTorch's names and layouts, for `load_state_dict`.
    ///
    /// # Errors
    /// Returns an error if a layer has no counterpart.
    pub fn export(&self, model: &dyn Layer) -> Result<State> {
        let weights: HashMap<String, Tensor> = state(model).into_iter().collect();
        let mut theirs = State::new();
        for module in self.modules(model)? {
            let weight = |name: &str| weights.get(&module.our_path(name)).cloned();
            let exported = no_record(|| export(&module, &weight)).map_err(|error| error.context(module.describe()))?;
            theirs.extend(exported.into_iter().map(|(name, tensor)| (module.their_name(&name), contiguous(tensor))));
        }
        Ok(theirs)
    }

    fn modules(&self, model: &dyn Layer) -> Result<Vec<Module>> {
        let modules = modules(model, &self.statements);
        let Statements { names, levels, flattened } = &self.statements;
        let stated = names.keys().chain(flattened.keys());
        let unknown = stated.filter(|path| !modules.iter().any(|module| module.path == **path)).min();
        if let Some(path) = unknown {
            return Err(Error::argument("pytorch", format!("{} has no layer {path}", model.describe())));
        }
        // A statement about a layer of another kind would have no effect.
        let is = |path: &String, kinds: &[&str]| {
            modules.iter().any(|module| module.path == *path && kinds.contains(&module.kind))
        };
        if let Some(path) = flattened.keys().filter(|path| !is(path, &["Dense"])).min() {
            return Err(Error::argument(
                "pytorch",
                format!("{path} is stated to follow flattened images, but is not a Dense"),
            ));
        }
        let recurrent = ["SimpleRnn", "Lstm", "Gru", "Bidirectional"];
        if let Some(path) = levels.keys().filter(|path| !is(path, &recurrent)).min() {
            return Err(Error::argument("pytorch", format!("{path} is stated to be stacked, but is not recurrent")));
        }
        Ok(modules)
    }
}

/// The tensor with its elements in row-major order, not a permuted view.
fn contiguous(tensor: Tensor) -> Tensor {
    tensor.flatten().reshape(tensor.shape()).unwrap_or(tensor)
}

/// The weights of a layer from PyTorch's tensors. `take` returns a tensor by its name; weights without a tensor are left
/// out.
fn import(module: &Module, take: &mut dyn FnMut(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
    match module.kind {
        "SimpleRnn" | "Lstm" | "Gru" => recurrent::import(module, take),
        "MultiHeadAttention" => attention::import(module, take),
        _ => plain::import(module, take),
    }
}

/// PyTorch's tensors from the weights of a layer, which `weight` returns by name.
fn export(module: &Module, weight: &dyn Fn(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
    match module.kind {
        "SimpleRnn" | "Lstm" | "Gru" => recurrent::export(module, weight),
        "MultiHeadAttention" => attention::export(module, weight),
        _ => plain::export(module, weight),
    }
}
