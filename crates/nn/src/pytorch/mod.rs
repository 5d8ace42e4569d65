//! Weights under PyTorch's names and in its layouts.

mod attention;
mod modules;
mod plain;
mod recurrent;

use std::collections::HashMap;

use tensor::{Error, Result, Tensor, no_record};

use self::modules::{Module, modules};
use crate::layer::Layer;
use crate::state::{State, state};

/// What corresponds to what in a model and its twin in PyTorch.
///
/// Layers are told by their kind, and each has rules of its own:
///
/// | here | PyTorch | what is converted |
/// |---|---|---|
/// | `Dense` | `Linear` | `weight` is transposed |
/// | `Conv1d`, `Conv2d` | `Conv1d`, `Conv2d` | the axes of `weight` |
/// | `ConvTranspose1d`, `ConvTranspose2d` | the same | the axes of `weight` |
/// | `DepthwiseConv1d`, `DepthwiseConv2d` | `Conv1d`, `Conv2d` with `groups=in_channels` | axes and shape of `weight` |
/// | `SeparableConv1d`, `SeparableConv2d` | two of those, named `depthwise` (without bias) and `pointwise` | the same |
/// | `Embedding`, `PositionEmbedding` | `Embedding` | |
/// | `LayerNorm`, `GroupNorm`, `RmsNorm` | the same | |
/// | `BatchNorm` | `BatchNorm1d`, `2d` | `num_batches_tracked` has no counterpart |
/// | `PRelu` | `PReLU` | one slope a channel; its shape |
/// | `SimpleRnn`, `Lstm` | `RNN`, `LSTM` | transposed; the two biases are added |
/// | `Gru` | `GRU` | transposed; gates r, z, n become z, r, h. Not for `Gru::reset_before`, which PyTorch has not |
/// | `Bidirectional` | `bidirectional=True` | |
/// | `MultiHeadAttention` | `MultiheadAttention` | packed projections come apart, and into heads |
/// | `TransformerEncoder`, `TransformerDecoder` | `TransformerEncoderLayer`, `TransformerDecoderLayer` | names of the parts |
///
/// Weights that belong to a layer of another kind keep name and layout. A layer is looked for under its
/// own path; [`PyTorch::module`] says where it is called otherwise. What epsilons, momenta and activations
/// are is code, not state: `docs/layers.md` lists the defaults that differ.
///
/// ```
/// use nn::{Activation, Dense, PyTorch, Sequential, load};
/// use tensor::{Tensor, tensor};
///
/// let model = Sequential::new().add_named("fc", Dense::new(3, 2));
/// // As `torch.nn.Sequential(torch.nn.Linear(3, 2)).state_dict()` has it.
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
    /// Names of modules by the paths of layers here.
    names: HashMap<String, String>,
    /// Which of the stacked layers of a module it is.
    levels: HashMap<String, usize>,
    /// Channels, height and width that were flattened in front of a dense layer.
    flattened: HashMap<String, [usize; 3]>,
}

impl PyTorch {
    /// A twin whose modules have the names of the layers here.
    pub fn new() -> PyTorch {
        PyTorch::default()
    }

    /// Says that the layer of the path `ours` is the module `theirs`. Layers inside it are looked for
    /// inside that.
    #[must_use]
    pub fn module(mut self, ours: &str, theirs: &str) -> PyTorch {
        self.names.insert(ours.into(), theirs.into());
        self
    }

    /// Says that a recurrent layer is the layer `level`, from 0, of the module `theirs`, which was made with
    /// `num_layers`.
    #[must_use]
    pub fn stacked(mut self, ours: &str, theirs: &str, level: usize) -> PyTorch {
        self.levels.insert(ours.into(), level);
        self.module(ours, theirs)
    }

    /// Says that a dense layer follows images of this size that were flattened. PyTorch flattens channel by
    /// channel and here pixel by pixel: the rows of the kernel are put in order.
    #[must_use]
    pub fn flattened(mut self, ours: &str, channels: usize, height: usize, width: usize) -> PyTorch {
        self.flattened.insert(ours.into(), [channels, height, width]);
        self
    }

    /// The tensors of a `state_dict` as the weights of a model, under its paths. Tensors that belong to no
    /// layer keep their names, so that loading tells of them.
    ///
    /// # Errors
    /// If a tensor has other axes than its layer's counterpart, or a layer has no counterpart.
    pub fn import(&self, model: &dyn Layer, state_dict: State) -> Result<State> {
        let places: HashMap<String, usize> =
            state_dict.iter().enumerate().map(|(k, (name, _))| (name.clone(), k)).collect();
        let mut left: Vec<Option<(String, Tensor)>> = state_dict.into_iter().map(Some).collect();
        let mut ours = State::new();
        for module in self.modules(model)? {
            let mut take = |name: &str| left[*places.get(&module.their_name(name))?].take().map(|(_, tensor)| tensor);
            let imported = no_record(|| module.import(&mut take)).map_err(|error| error.context(module.describe()))?;
            ours.extend(imported.into_iter().map(|(name, tensor)| (module.our_path(&name), laid_out(tensor))));
        }
        ours.extend(left.into_iter().flatten());
        Ok(ours)
    }

    /// The weights of a model under PyTorch's names and in its layouts, for `load_state_dict`.
    ///
    /// # Errors
    /// If a layer has no counterpart.
    pub fn export(&self, model: &dyn Layer) -> Result<State> {
        let weights: HashMap<String, Tensor> = state(model).into_iter().collect();
        let mut theirs = State::new();
        for module in self.modules(model)? {
            let weight = |name: &str| weights.get(&module.our_path(name)).cloned();
            let exported = no_record(|| module.export(&weight)).map_err(|error| error.context(module.describe()))?;
            theirs.extend(exported.into_iter().map(|(name, tensor)| (module.their_name(&name), laid_out(tensor))));
        }
        Ok(theirs)
    }

    fn modules(&self, model: &dyn Layer) -> Result<Vec<Module>> {
        let modules = modules(model, self);
        let stated = self.names.keys().chain(self.flattened.keys());
        let unknown = stated.filter(|path| !modules.iter().any(|module| module.path == **path)).min();
        if let Some(path) = unknown {
            return Err(Error::argument("pytorch", format!("{} has no layer {path}", model.describe())));
        }
        // What is said of a layer that it does not hold for would do nothing.
        let is = |path: &String, kinds: &[&str]| {
            modules.iter().any(|module| module.path == *path && kinds.contains(&module.kind))
        };
        if let Some(path) = self.flattened.keys().filter(|path| !is(path, &["Dense"])).min() {
            return Err(Error::argument(
                "pytorch",
                format!("{path} is said to follow flattened images, but is no Dense"),
            ));
        }
        let recurrent = ["SimpleRnn", "Lstm", "Gru", "Bidirectional"];
        if let Some(path) = self.levels.keys().filter(|path| !is(path, &recurrent)).min() {
            return Err(Error::argument("pytorch", format!("{path} is said to be stacked, but is not recurrent")));
        }
        Ok(modules)
    }
}

/// The elements in row-major order: not a view of something that was turned.
fn laid_out(tensor: Tensor) -> Tensor {
    tensor.flatten().reshape(tensor.shape()).unwrap_or(tensor)
}
