//! Layers in a row.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Mode, Seen, Visitor, each_new_weight};
use crate::nesting::nested;
use crate::summary::without_shapes;

/// Layers each of which takes the output of the one before.
///
/// Each has a name: one given with it, or its kind in lower case (`dense`, `dense_1`, …). The name
/// begins the paths of its weights and stands in front of its errors.
///
/// At most 64 layers may lie within each other, as in a `Sequential` of a `Sequential`. A deeper one cannot be called:
/// its forward pass returns an error. In a row there may be any number.
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
    layers: Vec<Entry>,
    /// The names that are taken, each with the number to try first for the next layer that is given it.
    names: HashMap<String, usize>,
    /// The weights that were there, and named, when their layers were added.
    seen: Seen,
    /// Whether all weights have been told their paths; some are made at the first call.
    named: AtomicBool,
}

struct Entry {
    name: String,
    layer: Box<dyn Layer>,
}

impl Sequential {
    /// No layers yet; as such the identity.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// With one more layer at the end, named after its kind.
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, layer: impl Layer + 'static) -> Sequential {
        self.push(layer);
        self
    }

    /// With one more layer at the end, named `name`; a number is appended if that name is taken, and
    /// dots, which separate the parts of a path, become underscores.
    #[must_use]
    pub fn add_named(mut self, name: &str, layer: impl Layer + 'static) -> Sequential {
        self.push_named(name, layer);
        self
    }

    /// Puts one more layer at the end, named after its kind.
    pub fn push(&mut self, layer: impl Layer + 'static) {
        let name = snake_case(layer.kind());
        self.push_named(&name, layer);
    }

    /// Puts one more layer at the end, named as by [`Sequential::add_named`].
    pub fn push_named(&mut self, name: &str, layer: impl Layer + 'static) {
        let (name, layer) = (self.unique(&name.replace('.', "_")), nested(layer));
        each_new_weight(&mut self.seen, |visitor| visitor.layer(&name, &*layer), |path, weight| weight.set_name(path));
        self.layers.push(Entry { name, layer });
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
        self.layers.iter().map(|entry| (entry.name.as_str(), &*entry.layer))
    }

    /// The layer of this name.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn layer(&self, name: &str) -> Result<&dyn Layer> {
        self.layers().find(|(candidate, _)| *candidate == name).map(|(_, layer)| layer).ok_or_else(|| {
            let names: Vec<&str> = self.layers().map(|(name, _)| name).collect();
            Error::argument("layer", format!("there is no layer {name}; there are [{}]", names.join(", ")))
        })
    }

    /// What some of the layers, one after the other, make of an input with a mask.
    fn run_all(
        &self,
        layers: &[Entry],
        input: Tensor,
        mask: Option<Tensor>,
        mode: Mode,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let run = |(x, mask): (Tensor, Option<Tensor>), entry: &Entry| {
            entry.layer.call_masked(&entry.name, &x, mask.as_ref(), mode)
        };
        let output = layers.iter().try_fold((input, mask), run)?;
        if !self.named.load(Relaxed) {
            self.name_weights();
            self.named.store(true, Relaxed);
        }
        Ok(output)
    }

    /// This name, with a number if it is taken. The number is remembered, so that adding a layer takes the same time
    /// however many there are.
    fn unique(&mut self, name: &str) -> String {
        let Some(&next) = self.names.get(name) else {
            self.names.insert(name.to_string(), 1);
            return name.to_string();
        };
        let candidates = (next..).map(|k| (k, format!("{name}_{k}")));
        let mut free = candidates.filter(|(_, candidate)| !self.names.contains_key(candidate));
        let (k, unique) = free.next().expect("finitely many are taken");
        self.names.insert(name.to_string(), k + 1);
        self.names.insert(unique.clone(), 1);
        unique
    }
}

impl Entry {
    fn describe(&self) -> String {
        format!("{} ({})", self.name, self.layer.describe())
    }
}

impl Layer for Sequential {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_masked(input, None, mode).map(|(output, _)| output)
    }

    /// Several inputs are those of the first layer.
    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        match (inputs, self.layers.split_first()) {
            ([input], _) => self.forward(input, mode),
            (_, Some((first, others))) => {
                let first = first.layer.call_many(&first.name, inputs, mode)?;
                self.run_all(others, first, None, mode).map(|(output, _)| output)
            }
            (_, None) => Err(Error::argument("sequential", format!("no layer takes the {} inputs", inputs.len()))),
        }
    }

    /// Each layer gets the mask that the one before hands on.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        self.run_all(&self.layers, input.clone(), mask.cloned(), mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        for entry in &self.layers {
            visitor.layer(&entry.name, &*entry.layer);
        }
    }
}

/// The table of [`Layer::summary`], with `?` for shapes.
impl fmt::Display for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        without_shapes(self, self.layers(), f)
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.layers.iter().map(Entry::describe)).finish()
    }
}

/// `BatchNorm` as `batch_norm`.
fn snake_case(kind: &str) -> String {
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
