//! A chain of layers.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Visitor, each_weight};
use crate::mode::Mode;
use crate::nesting::nested;
use crate::summary::write_without_shapes;
use crate::variable_set::VariableSet;

/// A chain of layers: the input of each layer is the output of the one before.
///
/// Each layer has a name: a given one, or its kind in snake case (`dense`, `dense_1`, …). The paths of its weights and its
/// errors begin with the name.
///
/// Layers can be nested at most 64 deep, as in a `Sequential` of a `Sequential`. The forward pass of a layer that is nested
/// deeper returns an error. The length of a chain is not limited.
///
/// ```
/// use nn::{Activation, Dense, Flatten, Layer, Sequential};
///
/// let model = Sequential::new()
///     .add(Flatten)
///     .add(Dense::units(512).activation(Activation::Relu))
///     .add_named("classes", Dense::units(10).activation(Activation::Softmax));
/// let summary = model.summary(&[28, 28])?;
/// assert!(summary.to_string().contains("dense (Dense 784→512)     [batch, 512]       401,920"));
/// assert_eq!(model.weight("classes.bias")?.shape(), [10]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<NamedLayer>,
    /// The names in use, each with the first number to try for the next layer with that name.
    names: HashMap<String, usize>,
    /// The weights that were named when their layers were added.
    seen: VariableSet,
    /// Whether all weights are named by their paths. Some are only initialized by the first call.
    named: AtomicBool,
}

struct NamedLayer {
    name: String,
    layer: Box<dyn Layer>,
}

impl Sequential {
    /// An empty chain, which returns its input.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// Appends a layer, named after its kind.
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, layer: impl Layer + 'static) -> Sequential {
        self.push(layer);
        self
    }

    /// Appends a layer with a name. A number is appended to a name that is in use, and dots, which separate the parts of a
    /// path, are replaced by underscores.
    #[must_use]
    pub fn add_named(mut self, name: &str, layer: impl Layer + 'static) -> Sequential {
        self.push_named(name, layer);
        self
    }

    /// Appends a layer in place, named after its kind.
    pub fn push(&mut self, layer: impl Layer + 'static) {
        let name = snake_case(layer.kind());
        self.push_named(&name, layer);
    }

    /// Appends a layer in place, named as in [`Sequential::add_named`].
    pub fn push_named(&mut self, name: &str, layer: impl Layer + 'static) {
        let (name, layer) = (self.unique(&name.replace('.', "_")), nested(layer));
        each_weight(&mut self.seen, |visitor| visitor.layer(&name, &*layer), |path, weight| weight.set_name(path));
        self.layers.push(NamedLayer { name, layer });
        self.named = AtomicBool::new(false);
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The layers with their names, in order.
    pub fn layers(&self) -> impl Iterator<Item = (&str, &dyn Layer)> {
        self.layers.iter().map(|named| (named.name.as_str(), &*named.layer))
    }

    /// The layer of this name.
    ///
    /// # Errors
    /// Returns an error if there is no such layer; it lists the names of all layers.
    pub fn layer(&self, name: &str) -> Result<&dyn Layer> {
        self.layers().find(|(candidate, _)| *candidate == name).map(|(_, layer)| layer).ok_or_else(|| {
            let names: Vec<&str> = self.layers().map(|(name, _)| name).collect();
            Error::argument("layer", format!("there is no layer {name}; there are [{}]", names.join(", ")))
        })
    }

    /// Runs some of the layers, one after another, on an input with a mask.
    fn run_all(
        &self,
        layers: &[NamedLayer],
        input: Tensor,
        mask: Option<Tensor>,
        mode: Mode,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let run = |(x, mask): (Tensor, Option<Tensor>), named: &NamedLayer| {
            named.layer.call_masked(&named.name, &x, mask.as_ref(), mode)
        };
        let output = layers.iter().try_fold((input, mask), run)?;
        if !self.named.load(Relaxed) {
            self.name_weights();
            self.named.store(true, Relaxed);
        }
        Ok(output)
    }

    /// The name, with a number appended if it is in use. The last number is stored, so adding a layer takes constant time.
    fn unique(&mut self, name: &str) -> String {
        let Some(&next) = self.names.get(name) else {
            self.names.insert(name.to_string(), 1);
            return name.to_string();
        };
        let candidates = (next..).map(|k| (k, format!("{name}_{k}")));
        let mut free = candidates.filter(|(_, candidate)| !self.names.contains_key(candidate));
        let (k, unique) = free.next().expect("finitely many names are in use");
        self.names.insert(name.to_string(), k + 1);
        self.names.insert(unique.clone(), 1);
        unique
    }
}

impl NamedLayer {
    fn describe(&self) -> String {
        format!("{} ({})", self.name, self.layer.describe())
    }
}

impl Layer for Sequential {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_masked(input, None, mode).map(|(output, _)| output)
    }

    /// Several inputs are passed to the first layer.
    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        match (inputs, self.layers.split_first()) {
            ([input], _) => self.forward(input, mode),
            (_, Some((first, others))) => {
                let first = first.layer.call_many(&first.name, inputs, mode)?;
                self.run_all(others, first, None, mode).map(|(output, _)| output)
            }
            (_, None) => {
                Err(Error::argument("sequential", format!("the model has no layers for the {} inputs", inputs.len())))
            }
        }
    }

    /// Each layer gets the mask that the layer before returns.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        self.run_all(&self.layers, input.clone(), mask.cloned(), mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        for named in &self.layers {
            visitor.layer(&named.name, &*named.layer);
        }
    }
}

/// The table of [`Layer::summary`], with `?` for shapes.
impl fmt::Display for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_without_shapes(self, self.layers(), f)
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.layers.iter().map(NamedLayer::describe)).finish()
    }
}

/// Converts `BatchNorm` to `batch_norm`.
pub(super) fn snake_case(kind: &str) -> String {
    let mut name = String::new();
    let mut previous_lower = false;
    for letter in kind.chars() {
        if letter.is_uppercase() && previous_lower {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
        previous_lower = !letter.is_uppercase();
    }
    name
}
